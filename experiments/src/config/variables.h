// SPDX-License-Identifier: Apache-2.0
// The environment's variables that p2plab reads: what each says, whether that can be meant, and who reads it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace p2plab {

struct Variable {
  std::string_view name;
  std::string_view usual;  // what holds without it
  std::string_view read_by;
  std::string_view meaning;
};

/// All of them, by name.
const std::vector<Variable>& known_variables();

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
