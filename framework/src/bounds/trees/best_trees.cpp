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

struct Solved {
  std::optional<PricedRate> packing;  // what trees by columns prove
  PricedRate cuts;                    // what cuts by rows prove; a rate of zero if no program was run
  bool exact = false;                 // the lower of the two is reached
  double rate() const { return cuts.rate > 0 || !packing ? cuts.rate : packing->rate; }
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
  for (auto proved = known; packing && !packing->prices.empty() && packing->proved < far_less * proved;) {
    proved = packing->proved;
    packing = best_tree_packing(narrowed_for(topology, proved, uses), demand, proved, work);
  }
  return packing;
}

// `known`: bytes per second of weight 1 that are proved to be the most.
Solved solved(const Topology& topology, const TreeDemand& demand, double known, double work) {
  Solved result;
  const bool choices = has_choices(topology, demand);
  const auto packing = choices && work > 0 ? packing_at_scale(topology, demand, known, work) : std::nullopt;
  if (packing && !packing->prices.empty()) result.packing = PricedRate{packing->proved, packing->prices};
  if (packing && packing->exact) {
    result.exact = true;
    if (!result.packing) result.packing = PricedRate{packing->reached};
    return result;
  }
  if (!small_enough_for_cuts(topology, demand)) return result;
  const auto shares = best_tree_shares(topology, demand);
  if (!shares || shares->rate <= 0) return result;
  result.cuts = {shares->rate, shares->prices};
  result.exact = !choices || (packing && packing->reached >= shares->rate * (1 - solver_tolerance));
  return result;
}

// The proof of the simplest prices that prove as much as is claimed, else of those that prove the most.
struct Proof {
  Prices prices;
  std::optional<PricedBound> bound;
  bool small = false;
};

Proof best_proof(const PricedRate& rate, const std::function<std::optional<PricedBound>(const Prices&)>& proved) {
  Proof best;
  for (const bool small : {true, false}) {
    auto prices = small ? small_prices(rate.prices) : fine_prices(rate.prices);
    const auto bound = proved(prices);
    if (!bound || (best.bound && bound->inverse() <= best.bound->inverse())) continue;
    best = {std::move(prices), bound, small};
    if (bound->inverse().value() >= 1e9 / rate.rate * (1 - solver_tolerance)) break;
  }
  return best;
}

}  // namespace

void give_up(Bound& bound, bool time_is_up) {
  bound.attained = false;
  bound.argument += time_is_up ? "; the time was up before more was known" : "; the machine is too large for the linear program that would be exact";
}

void take_rate(Bound& bound, const Topology& topology, const std::optional<PricedRate>& rate,
               const std::function<std::optional<PricedBound>(const Prices&)>& proved, const Rational& factor, const std::string& what) {
  if (!rate || rate->rate <= 0) {
    bound.attained = false;
    return;
  }
  const double inverse = factor.value() * 1e9 / rate->rate;
  if (bound.inverse_rate.value() >= inverse * (1 - solver_tolerance)) return;
  const auto proof = best_proof(*rate, proved);
  const auto evaluated = proof.bound ? product(proof.bound->inverse(), factor) : Rational{};
  const bool enough = !proof.bound || evaluated.value() >= inverse * (1 - solver_tolerance);
  bound.attained = bound.attained && enough;
  if (!enough && evaluated <= bound.inverse_rate) return;
  bound.inverse_rate = proof.small || !enough ? evaluated : simplest_near(inverse, solver_tolerance / 10);
  bound.cut.clear();
  bound.part.clear();
  bound.prices = proof.prices;
  bound.cut_latency = Seconds{0};
  bound.argument =
      fmt::format("{} {} {:.6g} GB/s{}", what, bound.attained ? "reaches" : "is at most", bound.algbw_gbps(), bound.attained ? " and no more" : "");
  if (proof.small) {
    bound.argument += fmt::format(": at these prices of a GB/s all there is costs {}, and what carries one at least {}: {}",
                                  to_string(reduced(proof.bound->worth, 1'000'000'000)), static_cast<std::int64_t>(proof.bound->cost),
                                  in_words(topology, proof.prices));
  } else {
    bound.argument += " (dual of a linear program; no single cut proves it)";
  }
  if (!proof.bound) bound.argument += "; the machine is too large for its prices to be evaluated a second time";
}

void take_best_trees(Bound& bound, const Topology& topology, TreeDemand demand, const Rational& factor, const std::string& what, double work) {
  const auto known = bound.inverse_rate.numerator > 0 ? factor.value() * 1e9 / bound.inverse_rate.value() : std::numeric_limits<double>::infinity();
  const auto best = solved(topology, demand, known, work);
  bound.attained = best.exact;
  if (best.rate() <= 0) return give_up(bound, demand.stop && demand.stop());
  const auto proved = [&](const Prices& prices) { return proved_by_prices(topology, demand, prices); };
  if (best.packing) take_rate(bound, topology, best.packing, proved, factor, what);
  if (best.cuts.rate > 0) take_rate(bound, topology, best.cuts, proved, factor, what);
  const auto is_host = [](const Node& node) { return node.kind == NodeKind::host; };
  if (demand.receivers.empty() || std::ranges::none_of(topology.nodes(), is_host)) return;
  // A bound that needs copies in host memory is not reached by plans without them, so say what those reach.
  demand.hosts_copy = false;
  const auto plain = solved(topology, demand, known, work);
  bound.attained = plain.exact;
  if (plain.rate() <= 0 || factor.value() * 1e9 / plain.rate() <= bound.inverse_rate.value() * (1 + 1e-6)) return;
  bound.attained = false;
  const auto reached = bound.algbw_gbps() * bound.inverse_rate.value() / (factor.value() * 1e9 / plain.rate());
  bound.argument += fmt::format("; without copies in host memory at most {:.6g} GB/s", reached);
}

}  // namespace p2plab::bounds
