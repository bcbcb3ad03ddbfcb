// SPDX-License-Identifier: Apache-2.0
#include "latency/variants.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace p2plab {

namespace {

constexpr double rounding_error = 1e-6;
constexpr int further_steps = 3;         // beyond the fewest, each tried; then only the number asked for
constexpr int most_summing_members = 8;  // all-reduce by in-flight reduction is searched for up to here
constexpr std::size_t most_sum_columns = 1000;
constexpr int most_sum_nodes = 20;
constexpr int most_rounds_more = 2;  // than steps, by in-flight reduction: with more rounds reduce-scatter and all-gather do as well or better

StepModel model_for(const Topology& topology, const Collective& collective, StepFabric fabric) {
  auto model = step_model(topology, collective.members, fabric);
  return runs_backwards(collective.kind) ? reversed(model) : model;
}

StepTask task_for(const Collective& collective, int ranks) {
  const auto blocks = contract(collective, ranks);
  expects(static_cast<bool>(blocks));
  return task_of(collective, *blocks, ranks);
}

}  // namespace

LatencyVariants::LatencyVariants(const Topology& topology, const Collective& collective, StepFabric fabric, StepEffort effort)
    : topology_(topology),
      collective_(collective),
      effort_(std::move(effort)),
      model_(model_for(topology, collective, fabric)),
      task_(task_for(collective, topology.ranks())),
      search_(std::make_unique<StepSearch>(model_, task_, effort_)) {
  if (!sums()) return;
  reversed_model_ = reversed(model_);
  reversed_search_ = std::make_unique<StepSearch>(reversed_model_, task_, effort_);
  if (collective.members.size() > most_summing_members) return;
  const auto n = static_cast<std::size_t>(topology.ranks());
  for (const auto root : collective.members) {
    if (std::ranges::find(collective.silent, root) != collective.silent.end()) continue;
    StepTask task{true, std::vector<std::vector<int>>(n, std::vector<int>(n))};
    for (const auto rank : collective.members) task.wanted[root.index()][rank.index()] = rank == root ? 0 : 1;
    root_tasks_.push_back(std::move(task));
  }
  symmetry_ = free_symmetry(model_, task_);
  for (const auto& task : root_tasks_) root_searches_.push_back(std::make_unique<StepSearch>(model_, task, effort_));
}

LatencyVariant LatencyVariants::plain(StepPoint point) const {
  const int rounds = point.plan.total_rounds();
  return {
      .chunks = point.plan.chunks, .steps = point.plan.steps(), .rounds = rounds, .proved = point.proved && !sums(), .gather = std::move(point.plan)};
}

// Reduce-scatter and all-gather, each in about half of the steps.
std::optional<LatencyVariant> LatencyVariants::both(int chunks, int steps) {
  const int less = steps - steps / 2;
  const int first = std::max(reversed_search_->least_steps(), less);
  auto scatter = reversed_search_->fewest_rounds(chunks, first);
  auto gather = search_->fewest_rounds(chunks, std::max(search_->least_steps(), steps - first));
  if (!scatter || !gather) return std::nullopt;
  LatencyVariant variant{.chunks = chunks * static_cast<int>(collective_.members.size()),
                         .steps = scatter->plan.steps() + gather->plan.steps(),
                         .rounds = scatter->plan.total_rounds() + gather->plan.total_rounds()};
  variant.gather = std::move(gather->plan);
  variant.scatter = std::move(scatter->plan);
  return variant;
}

std::vector<LatencyVariant> LatencyVariants::list(int chunks, int steps) {
  std::vector<LatencyVariant> all;
  const int least = least_steps();
  if (least < 0 || (steps > 0 && steps < least)) return all;
  const auto members = static_cast<int>(collective_.members.size());
  const int enough = steps > 0 ? steps : least;
  for (int most = least; most <= enough; most = most < least + further_steps ? most + 1 : std::max(most + 1, enough)) {
    auto point = search_->fewest_rounds(std::max(chunks, 1), most);
    if (!point || (!all.empty() && all.back().rounds <= point->plan.total_rounds())) continue;
    all.assign(1, plain(*std::move(point)));
  }
  if (!sums() || least == 0) return all;
  const int doubled = steps > 0 ? steps : 2 * least;
  if (doubled >= 2 * least && (chunks == 0 || chunks % members == 0)) {
    if (auto variant = both(chunks == 0 ? 1 : chunks / members, doubled)) all.push_back(*std::move(variant));
  }
  for (auto& variant : sum_variants(least, chunks == 0 ? 2 : chunks, 0, {})) {
    if (chunks == 0 || variant.chunks == chunks) all.push_back(std::move(variant));
  }
  return all;
}

// In-flight reductions: for each number of rounds the most chunks, if those are more than what `known` variants have in as few steps and rounds.
std::vector<LatencyVariant> LatencyVariants::sum_variants(int steps, int most_chunks, double least_ratio, const std::vector<LatencyVariant>& known) {
  std::vector<LatencyVariant> all;
  if (root_searches_.empty() || steps < 2) return all;
  double best = std::numeric_limits<double>::infinity();  // rounds a chunk
  for (int rounds = steps; rounds < best * most_chunks * (1 - rounding_error) && rounds <= steps + most_rounds_more; ++rounds) {
    for (const auto& variant : known) {
      if (variant.steps <= steps && variant.rounds <= rounds) best = std::min(best, variant.ratio());
    }
    for (int chunks = std::min(most_chunks, most_reduced(steps, rounds, least_ratio)); chunks > 0 && rounds < best * chunks * (1 - rounding_error);
         --chunks) {
      auto variant = sum_variant(chunks, steps, rounds);
      if (!variant) continue;
      best = variant->ratio();
      all.push_back(*std::move(variant));
      break;
    }
    if (effort_.stop && effort_.stop()) break;
  }
  return all;
}

std::optional<LatencyVariant> LatencyVariants::sum_variant(int chunks, int steps, int rounds) {
  const StepEffort effort{std::min(effort_.most_columns, most_sum_columns), std::min(effort_.nodes, most_sum_nodes), effort_.stop};
  auto sum = travelling_sum(model_, collective_.members, symmetry_, {chunks, steps, rounds}, effort, sum_work_);
  if (sum.answer == SearchAnswer::impossible && all_give()) {
    auto& most = most_by_steps_[{steps, rounds}];
    most = std::min(most, chunks - 1);
  }
  if (sum.answer != SearchAnswer::found) return std::nullopt;
  LatencyVariant variant{.chunks = chunks, .steps = steps, .rounds = rounds};
  variant.sum = std::move(sum.plan);
  return variant;
}

// No all-reduce moves more chunks in so many steps and rounds: the links' bandwidth, the slowest broadcast, and both with the count of messages.
int LatencyVariants::most_reduced(int steps, int rounds, double least_ratio) {
  constexpr int any = 1 << 20;
  const auto found = most_by_steps_.emplace(std::pair{steps, rounds}, any);
  auto& known = found.first->second;
  if (!found.second) return known;
  const auto take = [&](std::optional<double> most) {
    if (most) known = std::min(known, static_cast<int>(std::min<double>(*most + rounding_error, any)));
  };
  if (least_ratio > 0) take(rounds / least_ratio);
  take(most_for_a_root(steps, rounds));
  if (all_give()) take(most_sums(model_, collective_.members, symmetry_, steps, rounds, effort_));
  return known;
}

// All-reduce brings what any sender has to all others, so it is no faster than the slowest broadcast; nor than the links allow.
std::optional<double> LatencyVariants::most_for_a_root(int steps, int rounds) {
  std::optional<double> least;
  for (const auto& search : root_searches_) {
    const auto most = search->most_chunks(steps, rounds);
    if (!most) return std::nullopt;
    least = std::min(*most, least.value_or(*most));
  }
  return least;
}

// What bandwidth and fractional transfers say of the variants that are not proved.
void LatencyVariants::limit(std::vector<LatencyVariant>& variants, double least_ratio) {
  for (auto& variant : variants) {
    double most = least_ratio > 0 ? variant.rounds / least_ratio : 0;
    if (const auto broken = variant.proved ? std::nullopt : search_->most_chunks(variant.steps, variant.rounds)) most = std::min(most, *broken);
    variant.most_chunks = variant.proved ? variant.chunks : static_cast<int>(most + rounding_error);
  }
}

void LatencyVariants::prove(std::vector<LatencyVariant>& variants, double least_ratio) {
  for (auto& variant : variants) {
    const int most = root_searches_.empty() ? static_cast<int>(variant.rounds / least_ratio + rounding_error)
                                            : most_reduced(variant.steps, variant.rounds, least_ratio);
    variant.most_chunks = std::max(most, variant.chunks);
    variant.proved = variant.most_chunks == variant.chunks;
  }
}

std::vector<LatencyVariant> LatencyVariants::frontier(int most_chunks, int most_steps, double least_ratio) {
  std::vector<LatencyVariant> all;
  const auto gathers = search_->frontier(most_chunks, most_steps, sums() ? 0 : least_ratio);
  for (const auto& point : gathers) all.push_back(plain(point));
  if (!sums()) {
    limit(all, least_ratio);
    return all;
  }
  for (const auto& scatter : reversed_search_->frontier(most_chunks, most_steps, 0)) {
    for (const auto& gather : gathers) {
      if (scatter.plan.chunks != gather.plan.chunks) continue;
      all.push_back({.chunks = gather.plan.chunks * static_cast<int>(collective_.members.size()),
                     .steps = scatter.plan.steps() + gather.plan.steps(),
                     .rounds = scatter.plan.total_rounds() + gather.plan.total_rounds(),
                     .gather = gather.plan,
                     .scatter = scatter.plan});
    }
  }
  for (int steps = least_steps(); steps <= most_steps; ++steps) {
    for (auto& variant : sum_variants(steps, most_chunks, least_ratio, all)) all.push_back(std::move(variant));
  }
  std::ranges::stable_sort(all, {}, [](const LatencyVariant& f) { return std::tuple(f.steps, f.rounds, f.ratio()); });
  std::vector<LatencyVariant> kept;
  for (auto& variant : all) {
    const auto beats = [&](const LatencyVariant& other) {
      return other.rounds <= variant.rounds && other.ratio() <= variant.ratio() * (1 + rounding_error);
    };
    const auto lower = [&](const LatencyVariant& other) { return other.ratio() <= variant.ratio() * (1 + rounding_error); };
    if (std::ranges::none_of(kept, beats) && std::ranges::none_of(kept, [&](const LatencyVariant& o) { return o.steps < variant.steps && lower(o); }))
      kept.push_back(std::move(variant));
  }
  prove(kept, least_ratio);
  return kept;
}

Result<Plan> LatencyVariants::plan(const LatencyVariant& variant, PlanWords words) const {
  if (variant.sum) return emit_sum(topology_, collective_, *variant.sum, std::move(words));
  if (variant.scatter) return emit_both(topology_, collective_, *variant.scatter, variant.gather, std::move(words));
  if (sums()) return emit_gathered(topology_, collective_, variant.gather, std::move(words));
  return emit(topology_, collective_, variant.gather, std::move(words));
}

}  // namespace p2plab
