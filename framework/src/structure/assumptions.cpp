// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/assumptions.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"

namespace p2plab {

namespace {

enum class End { least, most };

// The machine with these numbers at one of their ends; none if that is no machine.
std::optional<Topology> moved(const Topology& topology, const std::vector<SourcedValue>& values, End end) {
  std::vector<Link> links{topology.links().begin(), topology.links().end()};
  for (const auto& value : values) {
    for (const auto link : value.links) links[link.index()].bandwidth = end == End::least ? value.least : value.most;
  }
  Topology::Builder builder(topology.name());
  for (const auto& node : topology.nodes()) builder.add_node(node);
  for (const auto& link : links) builder.add_link(link);
  for (const auto& group : topology.groups()) builder.add_group(group);
  auto built = std::move(builder).build();
  return built ? std::optional{*std::move(built)} : std::nullopt;
}

std::optional<double> figure_at(const Topology& topology, const std::vector<SourcedValue>& values, End end,
                                const std::function<std::optional<double>(const Topology&)>& figure) {
  const auto machine = moved(topology, values, end);
  return machine ? figure(*machine) : std::nullopt;
}

}  // namespace

AssumedRange rests_on(const Topology& topology, const std::function<std::optional<double>(const Topology&)>& figure) {
  AssumedRange range;
  std::vector<SourcedValue> open;
  for (const auto& value : topology.sources().values) {
    if (value.links.empty() || value.least <= Bandwidth{} || value.least >= value.most) continue;
    open.push_back(value);
  }
  if (open.empty()) return range;
  const auto here = figure(topology);
  if (!here) return range;
  const auto differs = [&](double other) { return std::abs(other - *here) > 1e-6 * std::abs(*here); };
  for (const auto& value : open) {
    const auto low = figure_at(topology, {value}, End::least, figure);
    const auto high = figure_at(topology, {value}, End::most, figure);
    if (low && high && (differs(*low) || differs(*high))) range.on.push_back({value, *low, *high});
  }
  const auto low = figure_at(topology, open, End::least, figure).value_or(*here);
  const auto high = figure_at(topology, open, End::most, figure).value_or(*here);
  range.least = std::min({low, high, *here});
  range.most = std::max({low, high, *here});
  return range;
}

std::string rests_on_text(const AssumedRange& range, const std::string& unit) {
  std::string text;
  for (const auto& [value, low, high] : range.on) {
    text += fmt::format("  rests on          {}: {} {}; {:.4g} to {:.4g} GB/s would give {:.4g} to {:.4g} {}{}\n", value.what, value.value,
                        value.origin == Origin::assumed ? "assumed" : fmt::format("({})", value.source), value.least.gbps(), value.most.gbps(),
                        std::min(low, high), std::max(low, high), unit, value.key.empty() ? "" : fmt::format(" (--machine {}=...)", value.key));
  }
  return text;
}

}  // namespace p2plab
