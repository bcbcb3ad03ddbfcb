// SPDX-License-Identifier: Apache-2.0
// The plan of each call: by tuned tables, else as measured on GPUs joined by NVLink (kernels/README.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/engine.h"

namespace p2plab::capi {

/// Reads the tables (experiment/tuned.h). Errors: those of reading, naming the file; invalid_input, if two tables are for the same calls, or one is
/// for another number of ranks. With `fixed_order` only plans that add all members in their order, and only tables that promise it.
Result<std::shared_ptr<runtime::Chooser>> make_chooser(const std::vector<std::string>& tables, int ranks, bool fixed_order = false);

}  // namespace p2plab::capi
