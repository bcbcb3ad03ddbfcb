// SPDX-License-Identifier: Apache-2.0
#include "folder/inputs.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "p2plab/detail/config_value.h"
#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

namespace fs = std::filesystem;

// The keys of a config whose values are files; `profile` may be the name of one that comes with the program.
constexpr std::array file_keys{"file", "nccl_xml", "smi", "rocm", "infragraph", "profile"};

constexpr const char* absolute_folder = "absolute";

constexpr Bytes longest_input{std::int64_t{1} << 30};

// Names of files, with the places where each stands.
using NamedPlaces = std::map<std::string, std::vector<SourceLocation>>;

void add_named(const ConfigValue& value, NamedPlaces& named) {
  if (value.is_list()) {
    for (const auto& element : value.list()) add_named(element, named);
  }
  if (!value.is_map()) return;
  for (const auto& [key, given] : value.entries()) {
    if (given.is_scalar() && std::ranges::find(file_keys, key) != file_keys.end()) named[given.string()].push_back(given.where());
    add_named(given, named);
  }
}

// How many folders above its own the config reaches.
int steps_up(const NamedPlaces& named) {
  int most = 0;
  for (const auto& [given, places] : named) {
    const auto path = fs::path(given).lexically_normal();
    if (!path.is_absolute()) most = std::max(most, static_cast<int>(std::ranges::count(path, fs::path(".."))));
  }
  return most;
}

// Where in the text the name stands that begins at this place, in quotes or without; nowhere if it is written with escapes.
std::optional<std::size_t> offset_of(const std::string& text, const SourceLocation& place, const std::string& name) {
  std::size_t line = 0;
  for (int l = 1; l < place.line; ++l) line = std::min(text.find('\n', line), text.size() - 1) + 1;
  const auto begin = line + static_cast<std::size_t>(std::max(place.column, 1)) - 1;
  for (const auto at : {begin, begin + 1}) {
    if (at <= text.size() && text.compare(at, name.size(), name) == 0) return at;
  }
  return std::nullopt;
}

}  // namespace

Result<Inputs> inputs_of(std::string_view text, const std::string& path) {
  auto file = ConfigFile::parse(text, path);
  if (!file) return std::move(file).error();
  NamedPlaces named;
  add_named(file->root(), named);
  fs::path home;  // of the config, among the files
  for (int up = steps_up(named); up > 0; --up) home /= fmt::format("up{}", up);
  const auto name = fs::path(path).filename();
  Inputs inputs{.config = (home / name).string()};
  std::string config{text};
  std::set<std::size_t, std::greater<>> absolutes;  // from the last on, so that those before stay where they are
  for (const auto& [given, places] : named) {
    const auto source = fs::path(path).parent_path() / given;
    std::error_code fault;
    if (!fs::is_regular_file(source, fault)) continue;  // a name of what comes with the program
    auto content = read_text_file(source.string(), longest_input);
    if (!content) return std::move(content).error();
    const bool absolute = fs::path(given).is_absolute();
    const auto stored = absolute ? absolute_folder + given : given;
    for (const auto& place : places) {
      if (const auto at = offset_of(config, place, given); absolute && at) absolutes.insert(*at);
    }
    inputs.files.push_back({(home / stored).lexically_normal().string(), *std::move(content)});
    inputs.given.push_back(given);
  }
  for (const auto at : absolutes) config.insert(at, absolute_folder);
  inputs.files.insert(inputs.files.begin(), {inputs.config, std::move(config)});
  inputs.given.insert(inputs.given.begin(), path);
  return inputs;
}

}  // namespace p2plab
