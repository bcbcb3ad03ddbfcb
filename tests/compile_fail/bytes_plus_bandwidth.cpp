// SPDX-License-Identifier: Apache-2.0
// expect: no match for .operator[+].
#include "p2plab/base/units.h"
auto wrong = p2plab::Bytes{1} + p2plab::GBps(1);
