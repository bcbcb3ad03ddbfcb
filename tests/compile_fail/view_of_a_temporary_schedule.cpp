// SPDX-License-Identifier: Apache-2.0
// expect: use of deleted function
#include "p2plab/schedule/schedule.h"
p2plab::Schedule make();
auto wrong = make().chunks();
