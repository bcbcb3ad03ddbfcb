// Auto (the word `auto` cannot name a function, hence the file): asks every other planner, in its usual form and in a few others, and takes the plan
// that is predicted fastest for this payload on this machine. Rounds and bytes are the winner's. Optimal among its candidates as far as the
// prediction is; NCCL's tuner and vLLM's size tables choose among fewer, by constants fitted on other machines. Without a predictor it estimates:
// payload through the busiest link plus a latency per round.
#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "data_flow.h"
#include "estimate.h"

namespace p2plab {

namespace {

// Further forms of known planners that are best somewhere; planners not named here compete in their usual form.
struct Variant {
  const char* planner;
  const char* parameter;
  const char* value;
};
constexpr std::array variants{
    Variant{"one_shot", "mode", "push"}, Variant{"two_shot", "mode", "pull"}, Variant{"two_shot", "mode", "direct"},
    Variant{"ring", "rings", "8"},       Variant{"ring", "fabric", "any"},    Variant{"halving_doubling", "form", "doubling"},
    Variant{"tree", "trees", "1"},       Variant{"tree", "arity", "1"},       Variant{"hierarchical", "across", "ring"},
};

struct Candidate {
  std::string name;  // "ring (rings=8)"
  Plan plan;
  Seconds time{0};
};

class Auto final : public Planner {
 public:
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("auto", {}, context.parameters);
    if (!parameters) return std::move(parameters).error();
    if (auto blocks = contract(collective, topology.ranks()); !blocks) return std::move(blocks).error();
    const auto begin = std::chrono::steady_clock::now();
    std::vector<Candidate> found;
    std::vector<std::string> refusals;
    for (const auto& [entry, given] : entrants(context)) {
      const auto passed = std::chrono::steady_clock::now() - begin;
      if (context.time_limit && !found.empty() && passed > *context.time_limit) break;
      auto candidate = ask(*entry, given, topology, collective, context);
      if (candidate) {
        found.push_back(*std::move(candidate));
      } else if (candidate.error().code == ErrorCode::unsupported) {
        if (given.empty()) refusals.push_back(candidate.error().message);
      } else {
        return std::move(candidate).error();
      }
    }
    if (found.empty()) {
      auto error =
          unsupported("auto", collective.kind, "none of the other planners does it on this machine", "take ranks that are joined, with --ranks");
      error.notes.insert(error.notes.end(), refusals.begin(), refusals.end());
      return error;
    }
    return choose(std::move(found), static_cast<bool>(context.predict));
  }

 private:
  struct Entrant {
    const Entry<Planner>* entry;
    Parameters parameters;
  };

  static std::vector<Entrant> entrants(const PlanContext& context) {
    std::vector<Entrant> all;
    if (context.candidates == nullptr) return all;
    for (const auto& entry : context.candidates->entries()) {
      if (entry.name != "auto") all.push_back({&entry, {}});
    }
    for (const auto& variant : variants) {
      const auto* entry = context.candidates->find(variant.planner);
      if (entry != nullptr) all.push_back({entry, {{variant.parameter, variant.value}}});
    }
    return all;
  }

  static Result<Candidate> ask(const Entry<Planner>& entry, const Parameters& given, const Topology& topology, const Collective& collective,
                               const PlanContext& context) {
    auto inner = context;
    inner.parameters = given;
    inner.candidates = nullptr;
    inner.predict = {};
    auto plan = entry.make()->plan(topology, collective, inner);
    if (!plan) return std::move(plan).error();
    auto time =
        context.predict ? context.predict(*plan) : Result<Seconds>{estimated_time(topology, *context.routes, plan->schedule, context.payload.size())};
    if (!time) return std::move(time).error();
    auto name = entry.name;
    for (const auto& [key, value] : given) name += fmt::format(" ({}={})", key, value);
    return Candidate{std::move(name), *std::move(plan), *time};
  }

  // The least time; the earlier candidate among equals. The runner-up is the best plan of another planner.
  static Plan choose(std::vector<Candidate> found, bool predicted) {
    std::ranges::stable_sort(found, {}, [](const Candidate& c) { return c.time.count(); });
    auto& best = found.front();
    const auto next = std::ranges::find_if(found, [&](const Candidate& c) { return c.plan.planner != best.plan.planner; });
    const auto* verb = predicted ? "predicted" : "estimated";
    auto reason = fmt::format("{}, {} {:.2f} us", best.name, verb, microseconds(best.time));
    if (next != found.end()) {
      const double more = best.time.count() > 0 ? (next->time.count() / best.time.count() - 1) * 100 : 0;
      reason += fmt::format("; next {}, {:.2f} us ({:.1f} % more)", next->name, microseconds(next->time), more);
    }
    auto plan = std::move(best.plan);
    plan.reason = fmt::format("{}; {}", reason, plan.reason);
    return plan;
  }
};

}  // namespace

namespace planners {
Entry<Planner> automatic() {
  return {"auto", "whichever planner is predicted fastest for this payload on this machine", {}, [] { return std::make_unique<Auto>(); }};
}
}  // namespace planners

}  // namespace p2plab
