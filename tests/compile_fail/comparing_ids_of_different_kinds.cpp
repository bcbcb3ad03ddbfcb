// SPDX-License-Identifier: Apache-2.0
// expect: no match for .operator==.
#include "p2plab/base/ids.h"
bool wrong = p2plab::Rank{0} == p2plab::LinkId{0};
