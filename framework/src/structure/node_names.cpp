// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "p2plab/machine/islands.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab {

namespace {

// A name's number, if it ends in one that can be counted up from.
struct NumberedName {
  std::string stem;
  std::optional<std::int64_t> number;
};

NumberedName take_apart(const std::string& name) {
  auto digits = name.size();
  while (digits > 0 && std::isdigit(static_cast<unsigned char>(name[digits - 1])) != 0) --digits;
  const bool plain = digits < name.size() && name.size() - digits <= 9 && (name[digits] != '0' || digits + 1 == name.size());
  if (!plain) return {name, std::nullopt};
  return {name.substr(0, digits), std::stoll(name.substr(digits))};
}

// Words for ways that pass no host. Where peer access is refused, the data of such a pair takes another way, through host memory.
bool passes_no_host(std::string_view word) {
  constexpr std::array<std::string_view, 4> words{"PIX", "PSB", "PXB", "XGMI"};
  return word.starts_with("NV") || std::ranges::find(words, word) != words.end();
}

}  // namespace

std::string short_names(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size();) {
    const auto first = take_apart(names[i]);
    auto last = i;
    while (first.number && last + 1 < names.size()) {
      const auto next = take_apart(names[last + 1]);
      if (next.stem != first.stem || next.number != *first.number + static_cast<std::int64_t>(last + 1 - i)) break;
      ++last;
    }
    if (!text.empty()) text += ", ";
    text += names[i];
    if (last > i) text += fmt::format("-{}", *first.number + static_cast<std::int64_t>(last - i));
    i = last + 1;
  }
  return text;
}

std::string set_of_names(const Topology& topology, std::span<const NodeId> nodes) {
  constexpr std::size_t few = 4;
  constexpr std::size_t most = 12;
  constexpr std::size_t many = 64;  // from here on the shorter text is taken
  std::vector<bool> named(topology.nodes().size());
  std::vector<std::string> names;
  for (const auto node : nodes) {
    named[node.index()] = true;
    names.push_back(topology.node(node).name);
  }
  if (names.size() <= most) return fmt::format("{}", fmt::join(names, ", "));
  std::vector<std::string> others;
  for (std::size_t n = 0; n < named.size(); ++n) {
    if (!named[n]) others.push_back(topology.nodes()[n].name);
  }
  if (!others.empty() && others.size() <= few) return fmt::format("all but {}", fmt::join(others, ", "));
  auto text = short_names(names);
  if (others.empty() || names.size() < many) return text;
  auto all_but = "all but " + short_names(others);
  return all_but.size() < text.size() ? all_but : text;
}

std::string route_word(const Topology& topology, Rank from, Rank to) {
  const auto path = topology.routes().between(from, to);
  const auto route = route_class(topology, from, to);
  const bool through_host = route == RouteClass::host || route == RouteClass::between_hosts;
  const auto& words = topology.sources().words;  // a machine's own description has the first word
  if (!words.empty() && !path.empty()) {
    const auto& word = words[from.index() * static_cast<std::size_t>(topology.ranks()) + to.index()];
    if (!through_host || !passes_no_host(word)) return word;
  }
  switch (route) {
    case RouteClass::none: return "-";
    case RouteClass::pcie_switch: return path.size() <= 2 ? "PIX" : "PXB";
    case RouteClass::host: return "PHB";
    case RouteClass::between_hosts: return "SYS";
    case RouteClass::network: return "NET";
    case RouteClass::fabric: break;
  }
  const bool nvlink = std::ranges::all_of(path, [&](LinkId id) { return topology.link(id).kind == LinkKind::nvlink; });
  return nvlink ? "NV" : "DIR";
}

}  // namespace p2plab
