// SPDX-License-Identifier: Apache-2.0
// expect: use of deleted function
#include "p2plab/plan/builtin_planners.h"
void wrong() {
  for (const auto& entry : p2plab::builtin_planners().entries()) static_cast<void>(entry);
}
