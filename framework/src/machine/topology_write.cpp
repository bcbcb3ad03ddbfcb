// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/topology_io.h"

namespace p2plab {

namespace {

// A name as YAML text: plain where it cannot be taken for anything else, otherwise in double quotes.
std::string yaml_text(const std::string& name) {
  const auto plain_character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  constexpr std::array<std::string_view, 4> null_words{"null", "Null", "NULL", "~"};
  const bool plain = !name.empty() && name.front() != '-' && name.front() != '.' && std::ranges::all_of(name, plain_character) &&
                     std::ranges::find(null_words, name) == null_words.end();
  if (plain) return name;
  std::string text = "\"";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + '"';
}

bool reverses(const Link& a, const Link& b) {
  return a.from == b.to && a.to == b.from && a.kind == b.kind && a.bandwidth == b.bandwidth && a.latency == b.latency;
}

// What all links between two nodes in one direction are called in groups.
using Parallel = std::map<std::pair<NodeId, NodeId>, std::vector<LinkId>>;

std::string link_list(const Topology& topology, const std::vector<LinkId>& links, const Parallel& parallel) {
  std::string text;
  for (std::size_t i = 0; i < links.size();) {
    const auto& link = topology.link(links[i]);
    const auto& all = parallel.at({link.from, link.to});
    const auto ends = fmt::format("{}, {}", yaml_text(topology.node(link.from).name), yaml_text(topology.node(link.to).name));
    // All parallel links in a row, in their order, need no numbers.
    const bool whole = links.size() - i >= all.size() && std::equal(all.begin(), all.end(), links.begin() + static_cast<std::ptrdiff_t>(i));
    const auto number = std::ranges::find(all, links[i]) - all.begin();
    text += fmt::format("{}{}", text.empty() ? "" : ", ", whole ? fmt::format("[{}]", ends) : fmt::format("[{}, {}]", ends, number));
    i += whole ? all.size() : 1;
  }
  return text;
}

std::string sources_text(const Topology& topology, const Parallel& parallel) {
  std::string text;
  const auto& [values, words] = topology.sources();
  if (!values.empty()) text += "sources:\n";
  for (const auto& value : values) {
    text += fmt::format("  - {{what: {}, value: {}, origin: {}", yaml_text(value.what), yaml_text(value.value), to_string(value.origin));
    if (!value.source.empty()) text += fmt::format(", source: {}", yaml_text(value.source));
    if (!value.key.empty()) text += fmt::format(", key: {}", yaml_text(value.key));
    if (value.least > Bandwidth{}) text += fmt::format(", least: {}", to_string(value.least));
    if (value.most > Bandwidth{}) text += fmt::format(", most: {}", to_string(value.most));
    if (!value.links.empty()) text += fmt::format(", links: [{}]", link_list(topology, value.links, parallel));
    text += "}\n";
  }
  if (!words.empty()) text += "words:\n";
  const auto ranks = static_cast<std::size_t>(topology.ranks());
  for (std::size_t row = 0; row < words.size(); row += ranks) {
    text += "  - [";
    for (std::size_t i = 0; i < ranks; ++i) text += (i > 0 ? ", " : "") + yaml_text(words[row + i]);
    text += "]\n";
  }
  return text;
}

}  // namespace

std::string write_topology(const Topology& topology) {
  std::string text = "version: 1\n";
  if (!topology.name().empty()) text += fmt::format("name: {}\n", yaml_text(topology.name()));
  text += "nodes:\n";
  for (const auto& node : topology.nodes()) {
    text += fmt::format("  - {{name: {}, kind: {}", yaml_text(node.name), to_string(node.kind));
    if (node.ingress) text += fmt::format(", ingress: {}", to_string(*node.ingress));
    if (node.egress) text += fmt::format(", egress: {}", to_string(*node.egress));
    if (node.forwards_peers) text += ", forwards_peers: true";
    if (node.memory) text += fmt::format(", memory: {}", to_string(*node.memory));
    if (node.root_complex) text += fmt::format(", root_complex: {}", to_string(*node.root_complex));
    const auto& [exchange, exchange_loads, posted_writes] = node.switching;
    if (exchange != 1) text += fmt::format(", exchange: {}", exchange);
    if (exchange_loads != 1) text += fmt::format(", exchange_loads: {}", exchange_loads);
    if (posted_writes) text += fmt::format(", posted_writes: {}", to_string(*posted_writes));
    text += "}\n";
  }
  Parallel parallel;
  const auto links = topology.links();
  for (std::size_t i = 0; i < links.size(); ++i) parallel[{links[i].from, links[i].to}].emplace_back(static_cast<std::int64_t>(i));
  if (!links.empty()) text += "links:\n";
  for (std::size_t i = 0; i < links.size(); ++i) {
    const auto& link = links[i];
    const bool both_ways = i + 1 < links.size() && reverses(link, links[i + 1]);
    const auto from = yaml_text(topology.node(link.from).name);
    const auto to = yaml_text(topology.node(link.to).name);
    text += both_ways ? fmt::format("  - {{between: [{}, {}]", from, to) : fmt::format("  - {{from: {}, to: {}", from, to);
    text += fmt::format(", bandwidth: {}", to_string(link.bandwidth));
    if (link.latency != default_latency(link.kind)) text += fmt::format(", latency: {}", to_string(link.latency));
    if (link.kind != LinkKind::other) text += fmt::format(", kind: {}", to_string(link.kind));
    text += "}\n";
    if (both_ways) ++i;
  }
  if (!topology.groups().empty()) text += "groups:\n";
  for (const auto& group : topology.groups()) {
    text += "  - {";
    if (!group.name.empty()) text += fmt::format("name: {}, ", yaml_text(group.name));
    text += fmt::format("bandwidth: {}, ", to_string(group.bandwidth));
    if (group.of != Traffic::all) text += fmt::format("of: {}, ", to_string(group.of));
    text += fmt::format("links: [{}]}}\n", link_list(topology, group.links, parallel));
  }
  return text + sources_text(topology, parallel);
}

}  // namespace p2plab
