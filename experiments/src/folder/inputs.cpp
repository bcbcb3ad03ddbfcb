// SPDX-License-Identifier: Apache-2.0
#include "folder/inputs.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "p2plab/detail/config_value.h"
#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

namespace fs = std::filesystem;

// The keys of a config whose values are files; `profile` may be the name of one that comes with the program.
constexpr std::array file_keys{"file", "nccl_xml", "smi", "rocm", "profile"};

constexpr Bytes longest_input{std::int64_t{1} << 30};

void add_named(const ConfigValue& value, std::set<std::string>& named) {
  if (value.is_list()) {
    for (const auto& element : value.list()) add_named(element, named);
  }
  if (!value.is_map()) return;
  for (const auto& [key, given] : value.entries()) {
    if (given.is_scalar() && std::ranges::find(file_keys, key) != file_keys.end()) named.insert(given.string());
    add_named(given, named);
  }
}

// How many folders above its own the config reaches.
int steps_up(const std::set<std::string>& named) {
  int most = 0;
  for (const auto& given : named) {
    const auto path = fs::path(given).lexically_normal();
    if (!path.is_absolute()) most = std::max(most, static_cast<int>(std::ranges::count(path, fs::path(".."))));
  }
  return most;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

}  // namespace

Result<Inputs> inputs_of(std::string_view text, const std::string& path) {
  auto file = ConfigFile::parse(text, path);
  if (!file) return std::move(file).error();
  std::set<std::string> named;
  add_named(file->root(), named);
  fs::path home;  // of the config, among the files
  for (int up = steps_up(named); up > 0; --up) home /= fmt::format("up{}", up);
  const auto name = fs::path(path).filename();
  Inputs inputs{.config = (home / name).string()};
  std::string config{text};
  for (const auto& given : named) {
    const auto source = fs::path(path).parent_path() / given;
    std::error_code fault;
    if (!fs::is_regular_file(source, fault)) continue;  // a name of what comes with the program
    auto content = read_text_file(source.string(), longest_input);
    if (!content) return std::move(content).error();
    const bool absolute = fs::path(given).is_absolute();
    const auto stored = absolute ? "absolute" + given : given;
    if (absolute) replace_all(config, given, stored);
    inputs.files.push_back({(home / stored).lexically_normal().string(), *std::move(content)});
    inputs.given.push_back(given);
  }
  inputs.files.insert(inputs.files.begin(), {inputs.config, std::move(config)});
  inputs.given.insert(inputs.given.begin(), path);
  return inputs;
}

}  // namespace p2plab
