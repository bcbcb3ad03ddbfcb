// SPDX-License-Identifier: Apache-2.0
#include "bounds/trees/best_trees.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "bounds/trees/tree_packing.h"
#include "p2plab/detail/narrowed.h"

namespace p2plab::bounds {

namespace {

// Relative; what the solver leaves open, taken off lower bounds that it finds.
constexpr double solver_tolerance = 1e-8;
// Linear programs above these sizes take minutes.
constexpr std::size_t most_tree_links = 4000;
constexpr int most_free_roots = 48;

Rational product(const Rational& a, const Rational& b) {
  return reduced(static_cast<Int128>(a.numerator) * b.numerator, static_cast<Int128>(a.denominator) * b.denominator);
}

// Takes what was packed; the proof stays a cut's where one proves as much.
void take_packing(Bound& bound, const TreePacking& packing, const Rational& factor, const std::string& what) {
  const auto inverse = product(packing.inverse, factor);
  if (bound.inverse_rate.value() >= inverse.value() * (1 - solver_tolerance)) return;
  bound.inverse_rate = inverse;
  bound.cut.clear();
  bound.cut_latency = Seconds{0};
  bound.argument = fmt::format("{} reaches {:.6g} GB/s and no more", what, bound.algbw_gbps());
  if (packing.least == 0) {
    bound.argument += " (dual of a linear program; no single cut proves it)";
    return;
  }
  bound.argument += fmt::format(": at these prices of a GB/s all there is costs {}, and what carries one at least {}: {}", to_string(packing.spent),
                                packing.least, packing.prices);
}

struct Solved {
  std::optional<TreePacking> packing;
  double rate = 0;  // bytes per second of weight 1, at most; zero if no program was run
  bool exact = false;
};

bool small_enough_for_cuts(const Topology& topology, const TreeDemand& demand) {
  return topology.links().size() <= most_tree_links && (!demand.weights.empty() || topology.ranks() <= most_free_roots);
}

// Not narrower than what the known rate could use: a packing that ended early is of some machine, and must be of this one.
std::optional<TreePacking> packing_at_scale(const Topology& topology, const TreeDemand& demand, double known, double work) {
  if (!std::isfinite(known)) return best_tree_packing(topology, demand, known, work);
  double weight = demand.weights.empty() ? 1 : 0;
  for (const auto each : demand.weights) weight += static_cast<double>(each);
  const auto uses = weight * static_cast<double>(demand.receivers.size() + demand.senders.size());
  // What the packing proves may be far less than what was known.
  constexpr double far_less = 1e-3;
  auto packing = best_tree_packing(narrowed_for(topology, known, uses), demand, known, work);
  for (auto proved = known; packing && packing->inverse.numerator > 0 && 1e9 / packing->inverse.value() < far_less * proved;) {
    proved = 1e9 / packing->inverse.value();
    packing = best_tree_packing(narrowed_for(topology, proved, uses), demand, proved, work);
  }
  return packing;
}

// `known`: bytes per second of weight 1 that are proved to be the most.
Solved solved(const Topology& topology, const TreeDemand& demand, double known, double work) {
  Solved result;
  const bool choices = has_choices(topology, demand);
  if (choices && work > 0) result.packing = packing_at_scale(topology, demand, known, work);
  if (result.packing && result.packing->exact) {
    result.rate = result.packing->reached;
    result.exact = true;
    return result;
  }
  if (!small_enough_for_cuts(topology, demand)) return result;
  const auto shares = best_tree_shares(topology, demand);
  if (!shares || shares->rate <= 0) return result;
  result.rate = shares->rate;
  result.exact = !choices || (result.packing && result.packing->reached >= shares->rate * (1 - solver_tolerance));
  return result;
}

}  // namespace

void give_up(Bound& bound) {
  bound.attained = false;
  bound.argument += "; the machine is too large for the linear program that would be exact";
}

void take_rate(Bound& bound, const std::optional<double>& rate, const Rational& factor, const std::string& what) {
  if (!rate || *rate <= 0) {
    bound.attained = false;
    return;
  }
  const double inverse = factor.value() * 1e9 / *rate;
  if (bound.inverse_rate.value() >= inverse * (1 - solver_tolerance)) return;
  bound.inverse_rate = simplest_near(inverse, solver_tolerance / 10);
  bound.cut.clear();
  bound.cut_latency = Seconds{0};
  bound.argument = fmt::format("{} reaches {:.6g} GB/s and no more (dual of a linear program; no single cut proves it)", what, bound.algbw_gbps());
}

void take_best_trees(Bound& bound, const Topology& topology, TreeDemand demand, const Rational& factor, const std::string& what, double work) {
  const auto known = bound.inverse_rate.numerator > 0 ? factor.value() * 1e9 / bound.inverse_rate.value() : std::numeric_limits<double>::infinity();
  const auto best = solved(topology, demand, known, work);
  bound.attained = best.exact;
  if (best.rate <= 0) return give_up(bound);
  if (best.packing && best.packing->inverse.numerator > 0) take_packing(bound, *best.packing, factor, what);
  take_rate(bound, best.rate, factor, what);
  const auto is_host = [](const Node& node) { return node.kind == NodeKind::host; };
  if (demand.receivers.empty() || std::ranges::none_of(topology.nodes(), is_host)) return;
  // A bound that needs copies in host memory is not reached by plans without them, so say what those reach.
  demand.hosts_copy = false;
  const auto plain = solved(topology, demand, known, work);
  bound.attained = plain.exact;
  if (plain.rate <= 0 || factor.value() * 1e9 / plain.rate <= bound.inverse_rate.value() * (1 + 1e-6)) return;
  bound.attained = false;
  const auto reached = bound.algbw_gbps() * bound.inverse_rate.value() / (factor.value() * 1e9 / plain.rate);
  bound.argument += fmt::format("; without copies in host memory at most {:.6g} GB/s", reached);
}

}  // namespace p2plab::bounds
