// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/sweep.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "config/cell_keys.h"
#include "report/row_names.h"

namespace p2plab {

namespace {

constexpr std::size_t most_cells = 1000;

struct Axis {
  std::string name;
  std::vector<std::pair<std::string, ConfigValue>> values = {};
};

std::vector<std::string> settable_keys() {
  auto keys = required_keys;
  keys.insert(keys.end(), optional_keys.begin(), optional_keys.end());
  return keys;
}

std::vector<Axis> read_axes(const ConfigValue& matrix) {
  std::vector<Axis> axes;
  if (!matrix.present()) return axes;
  std::map<std::string, std::string, std::less<>> owner;  // of each key
  for (const auto& [name, values] : matrix.entries()) {
    Axis axis{name};
    if (std::ranges::find(row_keys, name) != row_keys.end() || std::ranges::find(more_csv_keys, name) != more_csv_keys.end())
      values.add_error(fmt::format("an axis may not be called '{}', as a column of report.csv is", name));
    if (!values.is_map() || values.entries().empty())
      values.add_error(fmt::format("axis '{}' needs named values", name), {"write it as {half: {dtype: float16}, single: {dtype: float32}}"});
    else
      axis.values = values.entries();
    for (const auto& [value_name, value] : axis.values) {
      if (!value.expect_keys({.optional = settable_keys()})) continue;
      for (const auto& [key, given] : value.entries()) {
        const auto& first = owner.try_emplace(key, name).first->second;
        if (first != name) given.add_error(fmt::format("'{}' is set by the axes '{}' and '{}'", key, first, name));
      }
    }
    axes.push_back(std::move(axis));
  }
  return axes;
}

// Keys that an axis gives to every cell need not stand outside the matrix.
ConfigKeys keys_outside(const std::vector<Axis>& axes) {
  ConfigKeys keys{.required = {"version"}, .optional = optional_keys};
  keys.optional.insert(keys.optional.end(), {"name", "matrix"});
  for (const auto& key : required_keys) {
    const bool given = std::ranges::any_of(axes, [&](const Axis& axis) {
      return !axis.values.empty() && std::ranges::all_of(axis.values, [&](const auto& value) { return value.second[key].present(); });
    });
    (given ? keys.optional : keys.required).push_back(key);
  }
  return keys;
}

std::size_t cells_of(const std::vector<Axis>& axes) {
  std::size_t cells = 1;
  for (const auto& axis : axes) cells = std::min(cells * std::max<std::size_t>(axis.values.size(), 1), most_cells + 1);
  return cells;
}

// The last axis changes fastest.
std::vector<std::size_t> place_of(std::size_t cell, const std::vector<Axis>& axes) {
  std::vector<std::size_t> place(axes.size());
  for (auto a = axes.size(); a-- > 0;) {
    place[a] = cell % axes[a].values.size();
    cell /= axes[a].values.size();
  }
  return place;
}

Error machine_not_config(const std::string& path) {
  return {ErrorCode::invalid_input,
          "this is a machine, not a config",
          SourceLocation{path},
          {"a config names it: topology: {file: ...}; p2plab topo show looks at it"}};
}

}  // namespace

Result<Sweep> read_sweep(std::string_view text, const std::string& path) {
  auto file = ConfigFile::parse(text, path);
  if (!file) return std::move(file).error();
  const auto root = file->root();
  const auto axes = root.is_map() ? read_axes(root["matrix"]) : std::vector<Axis>{};
  if (root.is_map() && root["nodes"].present() && !root["topology"].present()) return machine_not_config(path);
  if (!root.expect_keys(keys_outside(axes))) return std::move(file->status()).error();
  if (const auto version = root["version"].integer({}, 1); version != 1) {
    root["version"].add_error(fmt::format("version {} of the format is not known", version), {"this p2plab reads version 1"});
  }
  Sweep sweep{.name = root["name"].string(std::filesystem::path(path).stem().string())};
  const auto cells = cells_of(axes);
  if (cells > most_cells) root["matrix"].add_error(fmt::format("the matrix has more than {} cells", most_cells));
  const bool whole = std::ranges::none_of(axes, [](const Axis& axis) { return axis.values.empty(); });
  for (std::size_t c = 0; whole && cells <= most_cells && c < cells; ++c) {
    const auto place = place_of(c, axes);
    Axes names;
    std::vector<ConfigValue> values;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const auto& [name, value] = axes[a].values[place[a]];
      names.push_back({axes[a].name, name});
      values.push_back(value);
    }
    auto experiment = read_cell(CellKeys(root, std::move(values)), text, path);
    if (experiment) sweep.cells.push_back({std::move(names), *std::move(experiment)});
  }
  if (auto good = file->status(); !good) return std::move(good).error();
  expects(!sweep.cells.empty());  // what is missing has been noted
  return sweep;
}

Result<Experiment> read_experiment(std::string_view text, const std::string& path) {
  auto sweep = read_sweep(text, path);
  if (!sweep) return std::move(sweep).error();
  if (sweep->cells.size() == 1) return std::move(sweep->cells.front().experiment);
  return Error{ErrorCode::unsupported, fmt::format("this config is a matrix of {} experiments, not one", sweep->cells.size()), SourceLocation{path}};
}

}  // namespace p2plab
