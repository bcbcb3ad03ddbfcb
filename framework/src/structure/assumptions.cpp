// SPDX-License-Identifier: Apache-2.0
#include "p2plab/machine/assumptions.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "structure/with_rates.h"

namespace p2plab {

namespace {

enum class End { least, most };

bool has_range(const SourcedValue& value) { return !value.links.empty() && value.least > Bandwidth{} && value.least < value.most; }

std::vector<SourcedValue> with_range(const Topology& topology) {
  std::vector<SourcedValue> open;
  std::ranges::copy_if(topology.sources().values, std::back_inserter(open), has_range);
  return open;
}

// The machine with these numbers at one of their ends; none if that is no machine.
std::optional<Topology> moved(const Topology& topology, const std::vector<SourcedValue>& values, End end) {
  std::vector<LinkRate> rates;
  for (const auto& value : values) rates.push_back({value.links, end == End::least ? value.least : value.most});
  auto built = with_rates(topology, rates, {});
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
  std::ranges::copy_if(topology.sources().values, std::back_inserter(range.also),
                       [](const SourcedValue& value) { return value.origin == Origin::assumed && !has_range(value); });
  const auto open = with_range(topology);
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

std::optional<AssumedEnds> assumed_ends(const Topology& topology) {
  const auto open = with_range(topology);
  if (open.empty()) return std::nullopt;
  auto slowest = moved(topology, open, End::least);
  auto fastest = moved(topology, open, End::most);
  if (!slowest || !fastest) return std::nullopt;
  return AssumedEnds{*std::move(slowest), *std::move(fastest)};
}

std::vector<SourcedValue> open_values(const Topology& topology, std::span<const double> loads) {
  std::vector<SourcedValue> open;
  for (const auto& value : topology.sources().values) {
    const bool carries = value.links.empty() || std::ranges::any_of(value.links, [&](LinkId link) { return loads[link.index()] > 0; });
    if (carries && (value.origin == Origin::assumed || has_range(value))) open.push_back(value);
  }
  return open;
}

std::string rests_on_text(const AssumedRange& range, const std::string& unit) {
  std::string text;
  for (const auto& [value, low, high] : range.on) {
    text += fmt::format("  rests on          {}: {} {}; {:.4g} to {:.4g} GB/s would give {:.4g} to {:.4g} {}{}\n", value.what, value.value,
                        value.origin == Origin::assumed ? "assumed" : fmt::format("({})", value.source), value.least.gbps(), value.most.gbps(),
                        std::min(low, high), std::max(low, high), unit, value.key.empty() ? "" : fmt::format(" (--machine {}=...)", value.key));
  }
  std::vector<std::string> also;
  for (const auto& value : range.also) also.push_back(fmt::format("{} ({})", value.what, value.value));
  return also.empty() ? text : text + fmt::format("  also assumed      {}\n", fmt::join(also, ", "));
}

}  // namespace p2plab
