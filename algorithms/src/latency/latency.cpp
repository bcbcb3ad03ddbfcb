// SPDX-License-Identifier: Apache-2.0
// Latency: as few steps as the machine allows, and in them as few rounds as can be found; data moves in steps, a round is what the narrowest link
// needs for one chunk (SCCL's model; Cai et al., 2021). Steps: the longest distance, with `steps` more of them for fewer bytes a link. Optimal for
// small payloads; `p2plab frontier` shows what more steps gain. Up to 8 GPUs by integer program over the uses of each link in each step, shrunk by
// the machine's symmetry; beyond, greedy shortest-path routing by least load. reduce and reduce_scatter are broadcast and all_gather run
// backwards; all_reduce is, whichever is estimated fastest, everyone getting everything, an in-flight reduction (partial sums are forwarded), or
// reduce_scatter and all_gather.
#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "common/estimate.h"
#include "latency/variants.h"

namespace p2plab {

namespace {

constexpr int most_asked = 64;  // chunks and steps

class LatencyPlanner final : public Planner {
 public:
  bool reads_payload(const Collective&, const Parameters&) const override { return false; }

  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    return least_estimated(topology, plans(topology, collective, context), context.payload.size());
  }

  Result<std::vector<Plan>> plans(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("latency", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto problem = read(*parameters);
    if (!problem) return std::move(problem).error();
    if (auto ok = check(collective, topology.ranks()); !ok) return std::move(ok).error();
    if (topology.ranks() > most_ranks) {
      return unsupported("latency", collective.kind, fmt::format("the machine has {} GPUs, it plans for up to {}", topology.ranks(), most_ranks),
                         "use tree or two_shot");
    }
    problem->effort.stop = context.ending();
    LatencyVariants variants(topology, collective, problem->fabric, problem->effort);
    if (variants.least_steps() < 0)
      return unsupported("latency", collective.kind, "some member cannot be reached, not even through others", "take ranks that are joined");
    return all(variants, *problem, *parameters, collective.kind);
  }

  static std::vector<ParameterInfo> known() {
    return {{"chunks", "pieces of each block (all_reduce: of the payload), 1 to 64; auto: one, or what suits the variant", "auto"},
            {"steps", "the most steps, 1 to 64; auto: the fewest possible", "auto"},
            {"rounds", "refuse plans of more rounds; auto: any", "auto"},
            {"search", "exact: by integer program; quick: never; auto: where that is small", "auto"},
            {"fabric", "nvlink: only GPU links; any: PCIe and networks too; auto: GPU links if they join all members", "auto"}};
  }

 private:
  struct Problem {
    int chunks = 0;
    int steps = 0;
    int rounds = 0;
    StepFabric fabric = StepFabric::automatic;
    StepEffort effort = {};
  };

  static Result<Problem> read(const Parameters& parameters) {
    Problem problem;
    for (const auto& [name, value, most] :
         {std::tuple{"chunks", &problem.chunks, most_asked}, {"steps", &problem.steps, most_asked}, {"rounds", &problem.rounds, 1 << 20}}) {
      if (parameters.at(name) == "auto") continue;
      auto number = integer_parameter(parameters, name, 1, most);
      if (!number) return std::move(number).error();
      *value = static_cast<int>(*number);
    }
    static const std::array<std::string, 3> searches{"auto", "exact", "quick"};
    auto search = word_parameter(parameters, "search", searches);
    if (!search) return std::move(search).error();
    if (*search == "exact") problem.effort = {.most_columns = 4000, .nodes = 3000};
    if (*search == "quick") problem.effort = {.most_columns = 0, .nodes = 0};
    static const std::array<std::string, 3> fabrics{"auto", "nvlink", "any"};
    auto fabric = word_parameter(parameters, "fabric", fabrics);
    if (!fabric) return std::move(fabric).error();
    problem.fabric = *fabric == "auto" ? StepFabric::automatic : (*fabric == "nvlink" ? StepFabric::nvlink : StepFabric::any);
    return problem;
  }

  static Result<std::vector<Plan>> all(LatencyVariants& variants, const Problem& problem, const Parameters& parameters, CollectiveKind kind) {
    std::vector<Plan> plans;
    for (const auto& variant : variants.list(problem.chunks, problem.steps)) {
      if (problem.rounds > 0 && variant.rounds > problem.rounds) continue;
      auto used = parameters;
      used["chunks"] = std::to_string(variant.chunks);
      used["steps"] = std::to_string(variant.steps);
      used["rounds"] = std::to_string(variant.rounds);
      auto plan = variants.plan(variant, {std::move(used), describe(variant, variants)});
      if (!plan) return std::move(plan).error();
      plans.push_back(*std::move(plan));
    }
    if (!plans.empty()) return plans;
    const auto why = problem.steps > 0 && problem.steps < variants.least_steps()
                         ? fmt::format("{} steps are too few, {} are needed", problem.steps, variants.least_steps())
                         : fmt::format("no plan of {} rounds was found", problem.rounds);
    return unsupported("latency", kind, why, "`p2plab frontier` lists what is possible");
  }

  static std::string describe(const LatencyVariant& variant, const LatencyVariants& variants) {
    const char* what = variant.sum ? "in-flight reduction: " : (variant.scatter ? "reduce-scatter, then all-gather: " : "");
    return fmt::format("{}{} chunk{} in {} step{} (least possible {}) of {} round{} together{}, a round being one chunk over {:.4g} GB/s", what,
                       variant.chunks, variant.chunks == 1 ? "" : "s", variant.steps, variant.steps == 1 ? "" : "s", variants.least_steps(),
                       variant.rounds, variant.rounds == 1 ? "" : "s", variant.proved ? ", the fewest possible" : "", variants.model().unit * 1e-9);
  }
};

}  // namespace

namespace planners {
Entry<Planner> latency() {
  return {"latency", "fewest steps, and in them the fewest rounds: small payloads on any graph", LatencyPlanner::known(),
          [] { return std::make_unique<LatencyPlanner>(); }};
}
}  // namespace planners

}  // namespace p2plab
