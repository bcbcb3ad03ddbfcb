// SPDX-License-Identifier: Apache-2.0
// The settings that hold here: what each says, where that came from, whether it can be meant, and who reads it.
#pragma once

#include <string>
#include <vector>

#include "p2plab/detail/settings.h"

namespace p2plab {

/// One as it is now.
struct VariableState {
  std::string key = {};  // in the settings file; empty: the environment's alone
  std::string name = {};
  std::string value = {};
  std::string from = {};                               // "command line", "environment", "file", "default"
  std::optional<SourceLocation> where = std::nullopt;  // in the file
  std::string read_by = {};
  std::string meaning = {};
  std::string complaint = {};  // empty: it can be meant
};

struct VariableSources {
  std::vector<std::string> command_line = {};  // names of variables that it set
  std::vector<std::string> environment = {};   // NAME=VALUE, those of the command line among them
  SettingsFile file = {};
};

/// The known ones, then those of the environment that begin alike and nothing reads.
std::vector<VariableState> variables_now(const VariableSources& sources);

/// "library.deadline=5" as NAME and VALUE of its variable. Errors: usage, naming the nearest key, or what the value can be.
Result<std::pair<std::string, std::string>> read_setting(const std::string& text);

}  // namespace p2plab
