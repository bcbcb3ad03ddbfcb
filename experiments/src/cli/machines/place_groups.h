// SPDX-License-Identifier: Apache-2.0
// Groups of GPUs as `place --groups` names them.
#pragma once

#include <string>

#include "p2plab/base/result.h"

namespace p2plab::cli {

struct Groups {
  int size = 0;
  int count = 1;
};

/// "tp=4,pp=2": groups of the first number, the product of the others of them. Errors: usage.
Result<Groups> groups_from(const std::string& text);

}  // namespace p2plab::cli
