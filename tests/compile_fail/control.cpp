// SPDX-License-Identifier: Apache-2.0
// expect: ^$
#include "p2plab/plan/builtin_planners.h"
auto right = p2plab::Bytes{1} / p2plab::GBps(1);
