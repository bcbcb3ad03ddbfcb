// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "p2plab/detail/config_value.h"
#include "p2plab/detail/settings_places.h"
#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

// A path in a file is its folder's, but a library without a slash is the loader's to find.
std::string placed(const std::string& path, const SettingRule& rule, const std::string& file) {
  constexpr std::array paths{SettingKind::file, SettingKind::files, SettingKind::folder, SettingKind::library};
  const bool searched = rule.kind == SettingKind::library && path.find('/') == std::string::npos;
  const bool is_path = std::ranges::find(paths, rule.kind) != paths.end();
  if (!is_path || searched || path.empty()) return path;
  std::error_code none;  // a folder that is gone leaves the path as it is written
  return (std::filesystem::absolute(file, none).parent_path() / path).lexically_normal().string();
}

std::string value_of(const ConfigValue& value, const SettingRule& rule, const std::string& file) {
  if (rule.kind == SettingKind::flag) return value.boolean() ? "1" : "0";
  if (!value.is_list()) return placed(value.string(), rule, file);
  if (rule.kind != SettingKind::files && rule.variable != "P2PLAB_PREPARE") {
    value.add_error(fmt::format("{} is one value, not a list", rule.key));
    return "";
  }
  std::vector<std::string> all;
  for (const auto& each : value.list()) all.push_back(placed(each.string(), rule, file));
  return fmt::format("{}", fmt::join(all, rule.kind == SettingKind::files ? ":" : ","));
}

// Not there, or there with all that it might hold left out.
bool is_nothing(const ConfigValue& value) { return !value.is_map() && !value.is_list() && !value.is_scalar(); }

// Blank lines and comments alone, which is no YAML document.
bool says_nothing(const std::string& text) {
  for (std::size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size() - 1) + 1) {
    const auto first = text.find_first_not_of(" \t\r", at);
    if (first != std::string::npos && text[first] != '#' && text[first] != '\n') return false;
  }
  return true;
}

struct Section {
  std::string name;
  std::vector<std::string> keys;
};

std::vector<Section> sections() {
  std::vector<Section> all;
  for (const auto& rule : setting_rules()) {
    if (rule.key.empty()) continue;
    const auto dot = rule.key.find('.');
    const auto name = std::string{rule.key.substr(0, dot)};
    auto found = std::ranges::find(all, name, &Section::name);
    if (found == all.end()) found = all.insert(all.end(), {name, {}});
    found->keys.emplace_back(rule.key.substr(dot + 1));
  }
  return all;
}

}  // namespace

Result<SettingsFile> read_settings_file(const std::string& path) {
  auto content = read_text_file(path, longest_config);
  if (!content) return std::move(content).error();
  SettingsFile settings{.path = path};
  if (says_nothing(*content)) return settings;
  auto file = ConfigFile::parse(*content, path);
  if (!file) return std::move(file).error();
  const auto root = file->root();
  ConfigKeys tops;
  for (const auto& section : sections()) tops.optional.push_back(section.name);
  if (!is_nothing(root)) root.expect_keys(tops);
  for (const auto& section : sections()) {
    const auto part = root[section.name];
    if (!is_nothing(part)) part.expect_keys({.optional = section.keys});
    for (const auto& key : section.keys) {
      const auto value = part[key];
      if (!value.present()) continue;
      const auto rule = setting_rule(section.name + "." + key);
      const auto text = value_of(value, *rule, path);
      if (const auto complaint = complaint_of(*rule, text); !complaint.empty())
        value.add_error(fmt::format("{} is '{}': {}", rule->key, text, complaint));
      settings.by_variable.emplace(rule->variable, FileSetting{text, value.where()});
    }
  }
  if (auto good = file->status(); !good) return std::move(good).error();
  return settings;
}

std::string example_settings() {
  std::string text = "# Settings of p2plab. A variable of the environment goes before what stands here, `p2plab --set KEY=VALUE` before both.\n";
  for (const auto& section : sections()) {
    text += fmt::format("{}:\n", section.name);
    for (const auto& key : section.keys) {
      const auto rule = setting_rule(section.name + "." + key);
      text += fmt::format("  # {} ({}; read by {}; {})\n", rule->meaning, rule->variable, rule->read_by,
                          rule->usual.empty() ? "not set" : fmt::format("without it: {}", rule->usual));
      text += fmt::format("  # {}: ...\n", key);
    }
  }
  return text;
}

const Result<SettingsFile>& settings_of_process() {
  // Never freed: who writes a report when the process ends still asks.
  static const auto* const file = new Result<SettingsFile>([]() -> Result<SettingsFile> {
    const bool named = std::getenv("P2PLAB_SETTINGS") != nullptr;
    for (const auto& place : settings_places()) {
      if (named || access(place.c_str(), F_OK) == 0) return read_settings_file(place);
    }
    return SettingsFile{};
  }());
  return *file;
}

const char* setting(const char* name) {
  if (const char* const said = std::getenv(name); said != nullptr) return said;
  const auto& file = settings_of_process();
  if (!file) return nullptr;
  const auto found = file->by_variable.find(std::string_view{name});
  return found == file->by_variable.end() ? nullptr : found->second.value.c_str();
}

std::optional<SourceLocation> setting_place(const char* name) {
  const auto& file = settings_of_process();
  if (!file || std::getenv(name) != nullptr) return std::nullopt;
  const auto found = file->by_variable.find(std::string_view{name});
  return found == file->by_variable.end() ? std::nullopt : std::optional{found->second.where};
}

}  // namespace p2plab
