// SPDX-License-Identifier: Apache-2.0
#include "cli/machines/machine_report.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/fabric.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/oddities.h"

namespace p2plab::cli {

namespace {

// Over the links that peer accesses take.
std::optional<double> busbw(const Topology& topology) {
  const auto taken = peer_links(topology);
  const auto found = bound(taken ? *taken : topology, make_collective(CollectiveKind::all_reduce, topology.ranks()));
  if (!found) return std::nullopt;
  return found->algbw_gbps() * bus_factor(CollectiveKind::all_reduce, topology.ranks());
}

// What the rest reach without the odd GPUs, where that is worth leaving them out.
std::string others_alone(const Topology& topology, const Oddity& oddity, double now) {
  std::vector<Rank> others;
  for (int r = 0; r < topology.ranks(); ++r) {
    if (std::ranges::find(oddity.gpus, Rank{r}) == oddity.gpus.end()) others.emplace_back(r);
  }
  if (oddity.gpus.empty() || others.size() < 2) return {};
  const auto rest = keep_gpus(topology, others);
  const auto alone = rest ? busbw(*rest) : std::nullopt;
  constexpr double worth = 1.25;
  if (!alone || *alone < worth * now) return {};
  return fmt::format("; the other {} alone reach {:.4g}", others.size(), *alone);
}

}  // namespace

std::vector<std::string> oddity_lines(const Topology& topology) {
  std::vector<std::string> lines;
  const auto now = busbw(topology);
  for (const auto& oddity : find_oddities(topology)) {
    auto line = oddity.what;
    const auto then = oddity.healed ? busbw(*oddity.healed) : std::nullopt;
    if (now && then && *then > *now * (1 + 1e-9)) line += fmt::format("; it costs {:.3g} of {:.4g} GB/s busbw", *then - *now, *then);
    line += others_alone(topology, oddity, now.value_or(0));
    if (now && then && *then <= *now * (1 + 1e-9)) line += "; it costs an all-reduce of all GPUs no bandwidth";
    lines.push_back(fmt::format("{} ({})", line, oddity.ask));
  }
  return lines;
}

std::vector<int> gpu_numbers(const Topology& topology, const Placement& placement) {
  std::vector<int> numbers;
  std::vector<int> ranks;
  for (const auto rank : placement.gpus) {
    ranks.push_back(rank.value);
    const auto& name = topology.node(topology.node_of(rank)).name;
    int number = -1;
    const auto digits = name.find_first_of("0123456789");
    if (digits != std::string::npos) std::from_chars(name.data() + digits, name.data() + name.size(), number);
    if (number >= 0 && std::find(numbers.begin(), numbers.end(), number) == numbers.end()) numbers.push_back(number);
  }
  return numbers.size() == ranks.size() ? numbers : ranks;
}

}  // namespace p2plab::cli
