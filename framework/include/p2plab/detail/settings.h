// SPDX-License-Identifier: Apache-2.0
// What holds for the program and the libraries, in one tree: a settings file, before it the environment's P2PLAB_* variables, before these the
// command line (`p2plab --set library.deadline=5 ...`).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"

namespace p2plab {

enum class SettingKind { text, word, number, flag, file, files, folder, library, secret };

/// A setting: its place in the tree and the variable that says the same.
struct SettingRule {
  std::string_view key;  // "library.deadline"; empty: the environment's alone
  std::string_view variable;
  std::string_view usual;  // what holds without it
  std::string_view read_by;
  std::string_view meaning;
  SettingKind kind = SettingKind::text;
  std::vector<std::string> words = {};
  double least = 0;
  double most = 0;
};

/// All of them, by variable.
const std::vector<SettingRule>& setting_rules();
/// Why a value cannot be meant; empty: it can.
std::string complaint_of(const SettingRule& rule, const std::string& value);
/// The rule of a key; errors: unknown_name, with the nearest one.
Result<SettingRule> setting_rule(std::string_view key);

struct FileSetting {
  std::string value;  // as its variable would say it
  SourceLocation where;
};
struct SettingsFile {
  std::string path = {};  // empty: there is none
  std::map<std::string, FileSetting, std::less<>> by_variable = {};
};

/// Errors: every mistake, with its place.
Result<SettingsFile> read_settings_file(const std::string& path);
/// A commented file of all settings, with what holds without them.
std::string example_settings();

/// This process's settings file, read once.
const Result<SettingsFile>& settings_of_process();
/// What holds in this process: the environment's variable, else the file's value, else null. A file with mistakes says nothing: who begins asks
/// `settings_of_process` first.
const char* setting(const char* variable);
/// Where the file says it, unless the environment does.
std::optional<SourceLocation> setting_place(const char* variable);

}  // namespace p2plab
