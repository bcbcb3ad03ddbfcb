// SPDX-License-Identifier: Apache-2.0
// expect: ignoring returned value
#include "p2plab/schedule/collective.h"
void wrong() { p2plab::contract({}, 1); }
