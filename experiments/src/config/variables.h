// SPDX-License-Identifier: Apache-2.0
// The environment's variables that p2plab reads: what each says, whether that can be meant, and who reads it.
#pragma once

#include <string>
#include <vector>

namespace p2plab {

/// One as it is now.
struct VariableState {
  std::string name = {};
  std::string value = {};
  std::string from = {};  // "environment", "default"
  std::string read_by = {};
  std::string meaning = {};
  std::string complaint = {};  // empty: it can be meant
};

/// The known ones, then those of the environment that begin alike and nothing reads.
std::vector<VariableState> variables_now(const std::vector<std::string>& environment);

}  // namespace p2plab
