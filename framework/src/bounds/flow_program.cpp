// SPDX-License-Identifier: Apache-2.0
// Columns: per commodity and link what flows, and the common rate. Rows: capacities; what comes in goes out, but for what is meant to stay. What
// symmetries of machine and demand carry onto each other has one column and one row: the mean of an optimal flow's images is optimal, too.
#include <algorithm>
#include <numeric>

#include "bounds/at_scale.h"
#include "bounds/programs.h"
#include "bounds/shared_links.h"
#include "p2plab/detail/linear_program.h"
#include "p2plab/detail/symmetry.h"

namespace p2plab::bounds {

namespace {

constexpr std::size_t many_columns = 4000;  // of fewer the program takes less time than the search for symmetries

using Permutation = std::vector<std::int32_t>;

// Which commodity each one becomes; empty where some becomes none.
Permutation moved(const std::vector<Commodity>& commodities, const Automorphism& by, std::size_t nodes) {
  const auto at = [](int node) { return static_cast<std::size_t>(node); };
  std::vector<std::int32_t> of_source(nodes, -1);
  for (std::size_t c = 0; c < commodities.size(); ++c) of_source[at(commodities[c].source)] = static_cast<std::int32_t>(c);
  Permutation to;
  for (const auto& commodity : commodities) {
    to.push_back(of_source[at(by.nodes[at(commodity.source)])]);
    if (to.back() < 0) return {};
    auto sinks = commodity.sinks;
    for (auto& sink : sinks) sink.first = by.nodes[at(sink.first)];
    auto there = commodities[at(to.back())].sinks;
    std::ranges::sort(sinks);
    std::ranges::sort(there);
    if (sinks != there) return {};
  }
  return to;
}

// Where pair (i, j), numbered i * width + j, goes.
Permutation pairs_moved(const Permutation& first, const Permutation& second) {
  Permutation to;
  to.reserve(first.size() * second.size());
  for (const auto i : first) {
    for (const auto j : second) to.push_back(i * static_cast<std::int32_t>(second.size()) + j);
  }
  return to;
}

std::vector<int> orbits_of(std::size_t count, const std::vector<Permutation>& by) {
  std::vector<const Permutation*> images;
  for (const auto& permutation : by) images.push_back(&permutation);
  return orbits(count, images);
}

// What is alike has one number, counting from 0 in order of the first one.
struct Alike {
  std::vector<int> flows;   // commodity * links + link
  std::vector<int> stops;   // commodity * nodes + node
  std::vector<int> limits;  // by Topology::limits()
};

Alike alike(const Topology& topology, const std::vector<Commodity>& commodities) {
  const auto links = topology.links().size();
  const auto nodes = topology.nodes().size();
  std::vector<Automorphism> kept;
  std::vector<Permutation> flows;
  std::vector<Permutation> stops;
  for (const auto& one : commodities.size() * links < many_columns ? std::vector<Automorphism>{} : topology.symmetries()) {
    const auto to = moved(commodities, one, nodes);
    if (to.empty()) continue;
    kept.push_back(one);
    flows.push_back(pairs_moved(to, one.links));
    stops.push_back(pairs_moved(to, one.nodes));
  }
  return {orbits_of(commodities.size() * links, flows), orbits_of(commodities.size() * nodes, stops), limit_orbits(topology, kept)};
}

// A row under construction: each column once.
class FlowRow {
 public:
  explicit FlowRow(std::size_t columns) : place_(columns, -1) {}
  void add(int column, double factor) {
    auto& place = place_[static_cast<std::size_t>(column)];
    if (place < 0) {
      place = static_cast<int>(terms_.size());
      terms_.push_back({column, 0});
    }
    terms_[static_cast<std::size_t>(place)].factor += factor;
  }
  std::vector<LinearProgram::Term> take() {
    for (const auto& term : terms_) place_[static_cast<std::size_t>(term.index)] = -1;
    auto taken = std::exchange(terms_, {});
    std::erase_if(taken, [](const LinearProgram::Term& term) { return term.factor == 0; });
    return taken;
  }

 private:
  std::vector<int> place_;  // by column
  std::vector<LinearProgram::Term> terms_;
};

// Adds a row for the first limit of each kind; returns the rows by kind, -1 where nothing uses it.
std::vector<int> add_limits(LinearProgram& program, FlowRow& row, const Topology& topology, const Alike& alike, int commodities) {
  const auto links = static_cast<int>(topology.links().size());
  const auto widest = widest_link(topology);
  const auto limits = topology.limits();
  std::vector<int> rows;
  int next = 0;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (alike.limits[i] < std::ssize(rows)) continue;
    for (const auto link : limits[i].links) {
      for (int c = 0; c < commodities; ++c) row.add(alike.flows[static_cast<std::size_t>(c * links + link.value)], 1);
    }
    const auto terms = row.take();
    rows.push_back(terms.empty() ? -1 : next++);
    if (!terms.empty()) program.add_row(0, terms, static_cast<double>(limits[i].bandwidth.bytes_per_second()) / widest);
  }
  return rows;
}

std::optional<PricedRate> solved_rate(const Topology& topology, const std::vector<Commodity>& commodities, const Alike& alike, bool reversed,
                                      const std::function<bool()>& stop) {
  const auto links = static_cast<int>(topology.links().size());
  const auto nodes = static_cast<int>(topology.nodes().size());
  const auto count = static_cast<int>(commodities.size());
  const int rate = alike.flows.empty() ? 0 : 1 + *std::ranges::max_element(alike.flows);
  std::vector<double> objective(static_cast<std::size_t>(rate) + 1, 0);
  objective.back() = 1;
  const std::vector<double> upper(objective.size(), LinearProgram::unbounded);
  LinearProgram program(objective, upper);
  program.stop_when(stop);
  FlowRow row(objective.size());
  const auto rows = add_limits(program, row, topology, alike, count);
  int known = 0;
  for (int c = 0; c < count; ++c) {
    const auto& commodity = commodities[static_cast<std::size_t>(c)];
    std::vector<double> stays(static_cast<std::size_t>(nodes));
    for (const auto& [sink, weight] : commodity.sinks) stays[static_cast<std::size_t>(sink)] += static_cast<double>(weight);
    for (int v = 0; v < nodes; ++v) {
      if (alike.stops[static_cast<std::size_t>(c * nodes + v)] < known) continue;
      ++known;
      if (v == commodity.source) continue;
      const auto ins = reversed ? topology.out_links(NodeId{v}) : topology.in_links(NodeId{v});
      const auto outs = reversed ? topology.in_links(NodeId{v}) : topology.out_links(NodeId{v});
      for (const auto link : ins) row.add(alike.flows[static_cast<std::size_t>(c * links + link.value)], 1);
      for (const auto link : outs) row.add(alike.flows[static_cast<std::size_t>(c * links + link.value)], -1);
      if (stays[static_cast<std::size_t>(v)] > 0) row.add(rate, -stays[static_cast<std::size_t>(v)]);
      if (const auto terms = row.take(); !terms.empty()) program.add_row(0, terms, 0);
    }
  }
  if (!program.solve()) return std::nullopt;
  // Limits that are alike share the price of their row.
  const auto of_kinds = prices_of_rows(program, rows);
  std::vector<double> sizes(of_kinds.size());
  for (const auto kind : alike.limits) ++sizes[static_cast<std::size_t>(kind)];
  std::vector<double> prices;
  for (const auto kind : alike.limits) prices.push_back(of_kinds[static_cast<std::size_t>(kind)] / sizes[static_cast<std::size_t>(kind)]);
  return PricedRate{program.objective() * widest_link(topology), std::move(prices)};
}

}  // namespace

std::optional<PricedRate> flow_rate(const Topology& topology, const std::vector<Commodity>& commodities, bool reversed,
                                    const std::function<bool()>& stop) {
  double uses = 0;
  for (const auto& commodity : commodities) {
    for (const auto& [sink, weight] : commodity.sinks) uses += static_cast<double>(weight);
  }
  // Narrowing keeps symmetries.
  const auto same = alike(topology, commodities);
  return at_scale(
      topology, uses, [&](const Topology& machine) { return solved_rate(machine, commodities, same, reversed, stop); },
      [](const PricedRate& found) { return found.rate; });
}

}  // namespace p2plab::bounds
