// SPDX-License-Identifier: Apache-2.0
#include "cli/machines/hosts.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace p2plab::cli {

namespace {

constexpr std::size_t most_hosts = 4096;

// "03-05" as 03, 04, 05, and "07" as itself, each behind `stem`; false if that cannot be read.
bool add_range(const std::string& stem, const std::string& range, std::vector<std::string>& all) {
  const auto dash = std::min(range.find('-'), range.size());
  int first = 0;
  int last = 0;
  const auto number = [&](std::size_t from, std::size_t to, int& value) {
    const auto [end, fault] = std::from_chars(range.data() + from, range.data() + to, value);
    return fault == std::errc{} && end == range.data() + to && value >= 0;
  };
  if (!number(0, dash, first) || !number(dash == range.size() ? 0 : dash + 1, range.size(), last)) return false;
  if (first > last || last - first > static_cast<int>(most_hosts)) return false;
  for (int n = first; n <= last; ++n) all.push_back(fmt::format("{}{:0{}}", stem, n, dash));
  return true;
}

// The text's parts between commas that stand in no brackets.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts(1);
  bool inside = false;
  for (const char c : text) {
    if (c == '[' || c == ']') inside = c == '[';
    if (c == ',' && !inside)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// "node[01-03,07]" as node01, node02, node03, node07; none if the brackets cannot be read.
std::optional<std::vector<std::string>> expanded(const std::string& word) {
  const auto open = word.find('[');
  if (open == std::string::npos) return word.empty() ? std::nullopt : std::optional{std::vector{word}};
  if (word.find(']') != word.size() - 1) return std::nullopt;
  std::vector<std::string> all;
  for (const auto& range : parts_of(word.substr(open + 1, word.size() - open - 2))) {
    if (!add_range(word.substr(0, open), range, all) || all.size() > most_hosts) return std::nullopt;
  }
  return all;
}

Result<std::vector<std::string>> names_in(const std::string& list) {
  std::vector<std::string> all;
  for (const auto& word : parts_of(list)) {
    const auto names = expanded(word);
    if (!names || all.size() + names->size() > most_hosts)
      return Error{ErrorCode::usage, fmt::format("--hosts: expected hosts such as node[01-04,07],gpu7, got '{}'", word)};
    all.insert(all.end(), names->begin(), names->end());
  }
  std::set<std::string> once;
  for (const auto& name : all) {
    if (!once.insert(name).second) return Error{ErrorCode::usage, fmt::format("--hosts: '{}' is named twice", name)};
  }
  return all;
}

// What stands before the dot where all GPUs of a server have it in common.
std::optional<std::string> named_by_gpus(const Topology& topology, const std::vector<Rank>& ranks) {
  std::set<std::string> hosts;
  for (const auto rank : ranks) {
    const auto& name = topology.node(topology.node_of(rank)).name;
    const auto dot = name.rfind('.');
    if (dot == std::string::npos || dot == 0) return std::nullopt;
    hosts.insert(name.substr(0, dot));
  }
  return hosts.size() == 1 ? std::optional{*hosts.begin()} : std::nullopt;
}

}  // namespace

std::string number_ranges(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    auto end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", numbers[i]);
    if (end > i + 1) text += fmt::format("-{}", numbers[end - 1]);
    i = end;
  }
  return text;
}

Result<Hosts> hosts_of(const Topology& topology, const std::string& list) {
  Hosts hosts{servers_of(topology), {}};
  const auto count = static_cast<std::size_t>(hosts.servers.count());
  if (!list.empty()) {
    auto names = names_in(list);
    if (!names) return std::move(names).error();
    if (names->size() != count)
      return Error{ErrorCode::usage, fmt::format("--hosts: {} hosts are named, {} has {}", names->size(), topology.name(), count)};
    hosts.names = *std::move(names);
    return hosts;
  }
  std::set<std::string> once;
  for (std::size_t s = 0; s < count; ++s) {
    auto name = named_by_gpus(topology, hosts.servers.ranks[s]);
    hosts.names.push_back(name ? *std::move(name) : fmt::format("node{}", s));
    once.insert(hosts.names.back());
  }
  // Servers of one name, such as node1 and the second one without a name, are told apart by their numbers alone.
  for (std::size_t s = 0; s < count && once.size() < count; ++s) hosts.names[s] = fmt::format("node{}", s);
  return hosts;
}

std::string hostfile(const Hosts& hosts, const Placement& placement) {
  std::string text;
  for (const auto rank : placement.gpus) text += hosts.names[static_cast<std::size_t>(hosts.servers.of[rank.index()])] + "\n";
  return text;
}

std::string ranks_by_host(const Hosts& hosts, const Placement& placement) {
  std::map<int, std::pair<std::vector<int>, std::vector<int>>> by_server;  // GPUs of the server, and ranks
  std::vector<int> order;
  for (std::size_t r = 0; r < placement.gpus.size(); ++r) {
    const auto gpu = placement.gpus[r];
    const auto server = hosts.servers.of[gpu.index()];
    const auto& all = hosts.servers.ranks[static_cast<std::size_t>(server)];
    if (!by_server.contains(server)) order.push_back(server);
    auto& [gpus, ranks] = by_server[server];
    gpus.push_back(static_cast<int>(std::ranges::find(all, gpu) - all.begin()));
    ranks.push_back(static_cast<int>(r));
  }
  std::string text;
  for (const auto server : order) {
    const auto& [gpus, ranks] = by_server[server];
    text += fmt::format("  {}: ranks {}, CUDA_VISIBLE_DEVICES={}\n", hosts.names[static_cast<std::size_t>(server)], number_ranges(ranks),
                        fmt::join(gpus, ","));
  }
  return text;
}

}  // namespace p2plab::cli
