// SPDX-License-Identifier: Apache-2.0
// What a caller's config and the environment say, read strictly.
#pragma once

#include <string>
#include <vector>

#include "p2plab/c/p2plab.h"
#include "runtime/engine.h"

namespace p2plab::capi {

struct Settings {
  runtime::EngineOptions options;
  std::vector<std::string> tuned = {};  // paths
  Seconds gathering{60};
  bool fixed_order = false;
};

/// Errors: invalid_input, naming the field or variable, and what would be right.
Result<Settings> read_settings(const p2plab_config* config);

/// "all_reduce:bfloat16:sum:1KiB-1MiB,all_gather:64KiB": the calls, shortest first. Only sizes that are whole numbers of elements.
Result<std::vector<runtime::Call>> read_prepare(const std::string& text);

}  // namespace p2plab::capi
