// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "p2plab/machine/presets.h"

namespace p2plab::cli {

Result<std::vector<Rank>> rank_list(const std::string& text, int ranks) {
  std::vector<Rank> list;
  if (text.empty()) {
    for (int r = 0; r < ranks; ++r) list.push_back(Rank{r});
    return list;
  }
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    int rank = -1;
    const auto [end, fault] = std::from_chars(text.data() + at, text.data() + comma, rank);
    const auto word = text.substr(at, comma - at);
    if (fault != std::errc{} || end != text.data() + comma) {
      return Error{ErrorCode::usage, fmt::format("expected ranks such as 0,1,4, got '{}'", word)};
    }
    if (rank < 0 || rank >= ranks) return Error{ErrorCode::invalid_input, fmt::format("rank {} is out of range 0..{}", rank, ranks - 1)};
    if (std::ranges::find(list, Rank{rank}) != list.end()) return Error{ErrorCode::invalid_input, fmt::format("rank {} is given twice", rank)};
    list.push_back(Rank{rank});
    at = comma + 1;
  }
  return list;
}

void add_group_options(CLI::App& app, GroupArguments& arguments) {
  app.add_option("--collective", arguments.collective, "what to do")->capture_default_str()->type_name("C");
  app.add_option("--root", arguments.root, "the rank that gives or gets, where only one does")->capture_default_str()->type_name("R");
  app.add_option("--ranks", arguments.ranks, "the ranks that take part, as in 0,1,4; others may relay (default: all)")->type_name("LIST");
}

Result<Collective> collective_from(const GroupArguments& arguments, int ranks) {
  auto kind = collective_kind(arguments.collective);
  if (!kind) return std::move(kind).error();
  auto members = rank_list(arguments.ranks, ranks);
  if (!members) return std::move(members).error();
  if (arguments.root < 0 || arguments.root >= ranks) {
    return Error{ErrorCode::invalid_input, fmt::format("root {} is out of range 0..{}", arguments.root, ranks - 1)};
  }
  auto collective = make_collective(*kind, ranks, Rank{arguments.root});
  if (static_cast<int>(members->size()) == ranks) return collective;
  collective.members = *std::move(members);
  collective.pairs.clear();
  if (*kind == CollectiveKind::send_receive) {
    const auto& group = collective.members;
    for (std::size_t m = 0; m < group.size(); ++m) collective.pairs.emplace_back(group[m], group[(m + 1) % group.size()]);
  }
  return collective;
}

Result<Parameters> parameter_list(const std::vector<std::string>& words) {
  Parameters parameters;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return Error{ErrorCode::usage, fmt::format("expected key=value after --set, got '{}'", word)};
    if (!parameters.emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
      return Error{ErrorCode::usage, fmt::format("parameter {} is given twice", word.substr(0, equals))};
    }
  }
  return parameters;
}

Result<Profile> profile_from(const std::string& path) {
  if (path.empty()) return Profile{};
  return load_profile(path);
}

Result<PlanFile> plan_from(const std::string& path) { return told(load_plan(path)); }

Result<PlanFile> told(Result<PlanFile> file) {
  if (!file) return file;
  for (const auto& warning : file->warnings) std::cerr << "warning: " << warning << '\n';
  return file;
}

Result<Topology> topology_from(const std::string& text) {
  std::vector<std::string> warnings;
  auto topology = resolve_topology(text, &warnings);
  for (const auto& warning : warnings) std::cerr << "warning: " << warning << '\n';
  return topology;
}

Status write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) return Error{ErrorCode::io, "cannot write this file", SourceLocation{path}};
  return {};
}

}  // namespace p2plab::cli
