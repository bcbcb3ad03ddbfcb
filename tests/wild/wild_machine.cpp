// SPDX-License-Identifier: Apache-2.0
#include "wild_machine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace p2plab::wild {

namespace {

constexpr int every = 100;  // percent
constexpr double slowest = 1;
constexpr double fastest = 1e16;

enum RateStyle { ordinary, whole_range, two_scales, alike, odd_decimals, rate_styles };

std::string in_units(double rate) {
  struct Unit {
    const char* name;
    double bytes;
  };
  constexpr std::array units{Unit{"TB/s", 1e12}, Unit{"GB/s", 1e9}, Unit{"MB/s", 1e6}, Unit{"B/s", 1}};
  const auto* unit = std::ranges::find_if(units, [&](const Unit& one) { return rate >= one.bytes; });
  if (unit == units.end()) --unit;
  return fmt::format("{:.3f} {}", rate / unit->bytes, unit->name);
}

}  // namespace

WildMachine::WildMachine(std::uint64_t seed) : random_(seed * 1'000'003 + 1) {
  // Small ones mostly: what goes wrong there is found a hundred times sooner.
  const int size = between(1, every);
  const int gpus = size <= 3 ? 1 : size <= 55 ? between(2, 5) : size <= 85 ? between(4, 8) : size <= 98 ? between(9, 16) : between(17, 64);
  rates_ = between(0, rate_styles - 1);
  usual_ = std::pow(10.0, between(0, 160) / 10.0);
  ratio_ = std::pow(10.0, between(1, 15));
  latencies_ = between(0, 3);
  limits_ = chance(25);
  one_way_ = chance(30) ? between(5, 60) : 0;
  parallel_ = chance(20) ? between(5, 40) : 0;
  const int parts = gpus >= 4 && chance(40) ? between(2, std::min(4, gpus / 2)) : 1;
  std::vector<Names> made;
  for (int p = 0; p < parts; ++p) made.push_back(part(gpus / parts + (p < gpus % parts ? 1 : 0)));
  // Islands: joined by a few links, in a chain or to the first; some by none.
  for (int p = 1; p < parts; ++p) {
    const auto& other = made[static_cast<std::size_t>(chance(50) ? 0 : p - 1)];
    for (int l = chance(15) ? 0 : between(1, 3); l > 0; --l) join(one_of(other), one_of(made[static_cast<std::size_t>(p)]), "network");
  }
  if (chance(30) && !links_.empty()) shared_budgets();
}

std::string WildMachine::rate() {
  switch (rates_) {
    case ordinary: return fmt::format("{} GB/s", between(1, 72) * 12.5);
    case whole_range: return in_units(std::pow(10.0, between(0, 1600) / 100.0));
    case two_scales: return in_units(std::clamp(usual_ * (chance(50) ? 1 : ratio_) * between(1, 4), slowest, fastest));
    case alike: return in_units(usual_);
    default: return fmt::format("{:.6f} GB/s", between(1, 1'000'000'000) * 1e-6);
  }
}

std::string WildMachine::latency() {
  if (latencies_ == 0) return {};
  if (latencies_ == 1) return fmt::format(", latency: {} ns", between(1, 30) * 100);
  if (chance(10)) return ", latency: 0 ns";
  return fmt::format(", latency: {} ps", static_cast<std::int64_t>(std::pow(10.0, between(0, latencies_ == 2 ? 90 : 120) / 10.0)));
}

std::string WildMachine::add_node(const std::string& kind, const std::string& name) {
  std::string text = fmt::format("- {{name: {}, kind: {}", name, kind);
  for (const char* side : {"egress", "ingress"}) {
    if (limits_ && chance(20)) text += fmt::format(", {}: {}", side, rate());
  }
  nodes_text_ += text + "}\n";
  return name;
}

void WildMachine::link(const std::string& from, const std::string& to, const std::string& kind) {
  links_.push_back({from, to});
  links_text_ += fmt::format("- {{from: {}, to: {}, bandwidth: {}, kind: {}{}}}\n", from, to, rate(), kind, latency());
}

void WildMachine::join(const std::string& a, const std::string& b, const std::string& kind) {
  if (a == b) return;
  const int lanes = chance(parallel_) ? between(2, chance(10) ? 60 : 4) : 1;
  for (int l = 0; l < lanes; ++l) {
    const bool turned = chance(50);
    const auto& from = turned ? b : a;
    const auto& to = turned ? a : b;
    if (chance(one_way_)) {
      link(from, to, kind);
    } else if (chance(70)) {
      links_.push_back({a, b});
      links_.push_back({b, a});
      links_text_ += fmt::format("- {{between: [{}, {}], bandwidth: {}, kind: {}{}}}\n", a, b, rate(), kind, latency());
    } else {
      link(from, to, kind);
      link(to, from, kind);
    }
  }
}

WildMachine::Names WildMachine::part(int gpus) {
  Names names;
  for (int g = 0; g < gpus; ++g) names.push_back(add_node("gpu", fmt::format("g{}", gpus_.size() + names.size())));
  gpus_.insert(gpus_.end(), names.begin(), names.end());
  switch (between(0, 6)) {
    case 0: ring(names); break;
    case 1: grid(names); break;
    case 2: mesh(names); break;
    case 3: switches(names); break;
    case 4: servers(names); break;
    default: sparse(names);
  }
  return names;
}

// A random tree with more links; now and then a GPU that nothing joins.
void WildMachine::sparse(const Names& gpus) {
  for (std::size_t g = 1; g < gpus.size(); ++g) {
    if (!chance(3)) join(gpus[static_cast<std::size_t>(between(0, static_cast<int>(g) - 1))], gpus[g], "nvlink");
  }
  for (int more = between(0, 2 * static_cast<int>(gpus.size())); more > 0; --more) join(one_of(gpus), one_of(gpus), chance(80) ? "nvlink" : "other");
}

void WildMachine::ring(const Names& gpus) {
  const bool both = chance(60);
  for (std::size_t g = 0; g < gpus.size() && gpus.size() > 1; ++g) {
    const auto& next = gpus[(g + 1) % gpus.size()];
    both ? join(gpus[g], next, "nvlink") : link(gpus[g], next, "nvlink");
  }
}

void WildMachine::grid(const Names& gpus) {
  const auto width = static_cast<std::size_t>(between(1, 4));
  for (std::size_t g = 0; g < gpus.size(); ++g) {
    if (g + width < gpus.size()) join(gpus[g], gpus[g + width], "nvlink");
    if ((g + 1) % width != 0 && g + 1 < gpus.size()) join(gpus[g], gpus[g + 1], "nvlink");
  }
}

void WildMachine::mesh(const Names& gpus) {
  for (std::size_t a = 0; a < gpus.size(); ++a) {
    for (auto b = a + 1; b < gpus.size(); ++b) join(gpus[a], gpus[b], "nvlink");
  }
}

void WildMachine::switches(const Names& gpus) {
  Names hubs;
  for (int s = between(1, 3); s > 0; --s) hubs.push_back(add_node(chance(70) ? "nvswitch" : "switch", fmt::format("sw{}", made_++)));
  for (std::size_t s = 1; s < hubs.size(); ++s) {
    if (chance(70)) join(hubs[0], hubs[s], "nvlink");
  }
  for (const auto& gpu : gpus) {
    for (const auto& hub : hubs) {
      if (hubs.size() == 1 || chance(60)) join(gpu, hub, "nvlink");
    }
  }
}

// Hosts with PCIe switches and NICs, a network between them; some GPUs also joined directly.
void WildMachine::servers(const Names& gpus) {
  const auto fabric = add_node("switch", fmt::format("net{}", made_++));
  const auto second = chance(25) ? add_node("switch", fmt::format("net{}", made_++)) : fabric;
  const auto each = static_cast<std::size_t>(between(1, 8));
  for (std::size_t first = 0; first < gpus.size(); first += each) {
    const auto host = add_node("host", fmt::format("host{}", made_++));
    const auto tree = chance(50) ? add_node("pcie_switch", fmt::format("pcie{}", made_++)) : host;
    if (tree != host) join(tree, host, "pcie");
    const auto nic = add_node("nic", fmt::format("nic{}", made_++));
    join(chance(50) ? tree : host, nic, "pcie");
    if (!chance(5)) join(nic, fabric, "network");
    if (chance(30)) {
      const auto other = add_node("nic", fmt::format("nic{}", made_++));
      join(chance(50) ? tree : host, other, "pcie");
      join(other, second, "network");
    }
    for (auto g = first; g < std::min(first + each, gpus.size()); ++g) {
      if (!chance(3)) join(gpus[g], tree, "pcie");
      if (g > first && chance(25)) join(gpus[g - 1], gpus[g], "nvlink");
    }
  }
}

// Links that share one budget; no link twice in a group.
void WildMachine::shared_budgets() {
  std::map<std::pair<std::string, std::string>, int> parallel;
  std::vector<std::string> names;
  for (const auto& one : links_) names.push_back(fmt::format("[{}, {}, {}]", one.from, one.to, parallel[{one.from, one.to}]++));
  for (int g = between(1, 4); g > 0; --g) {
    std::ranges::shuffle(names, random_);
    const auto count = static_cast<std::size_t>(between(1, std::min(8, static_cast<int>(names.size()))));
    groups_text_ += fmt::format("- {{name: shared{}, bandwidth: {}, links: [", g, rate());
    for (std::size_t l = 0; l < count; ++l) groups_text_ += (l == 0 ? "" : ", ") + names[l];
    groups_text_ += "]}\n";
  }
}

std::string WildMachine::text() const {
  auto text = "version: 1\nname: wild\nnodes:\n" + nodes_text_;
  text += links_text_.empty() ? "links: []\n" : "links:\n" + links_text_;
  if (!groups_text_.empty()) text += "groups:\n" + groups_text_;
  return text;
}

}  // namespace p2plab::wild
