// SPDX-License-Identifier: Apache-2.0
// Auto (the word `auto` cannot name a function, hence the file): asks every other planner, in its usual form and in a few others, and takes the plan
// that is predicted fastest for this payload on this machine. Rounds and bytes are the winner's. Optimal among its candidates as far as the
// prediction is; NCCL's tuner and vLLM's size tables choose among fewer, by constants fitted on other machines. Candidates whose busiest link alone
// needs longer than the best so far are left out unpredicted. Without a predictor it estimates: payload through the busiest link plus a latency per
// round.
#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "common/data_flow.h"
#include "common/estimate.h"
#include "p2plab/schedule/analysis.h"

namespace p2plab {

namespace {

// Further forms of known planners that are best somewhere; planners not named here compete in their usual form.
struct Variant {
  const char* planner;
  const char* parameter;
  const char* value;
  std::size_t most_members = 1 << 20;  // for larger groups planning takes longer than it gains
};
constexpr std::size_t small = 16;
constexpr std::array variants{
    Variant{"one_shot", "mode", "push"},    Variant{"two_shot", "mode", "pull"},    Variant{"two_shot", "mode", "direct"},
    Variant{"ring", "rings", "8"},          Variant{"ring", "fabric", "any"},       Variant{"halving_doubling", "form", "doubling"},
    Variant{"tree", "trees", "1"},          Variant{"tree", "arity", "1"},          Variant{"hierarchical", "across", "ring"},
    Variant{"forest", "trees", "1", small}, Variant{"forest", "trees", "4", small}, Variant{"latency", "chunks", "2", small},
};

// Pieces rounded to whole elements move at most this much load from one link to another where chunks are not tiny.
constexpr double rounding = 0.01;
constexpr std::int64_t tiny_chunk = 4096;  // bytes

struct Candidate {
  std::string name;  // "ring (rings=8)"
  Plan plan;
  Seconds time{0};
  bool left_out = false;  // its busiest link alone needs longer than another candidate
};

class Auto final : public Planner {
 public:
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext& context) const override {
    auto parameters = complete_parameters("auto", known(), context.parameters);
    if (!parameters) return std::move(parameters).error();
    auto limit = time_limit(*parameters, context);
    if (!limit) return std::move(limit).error();
    if (auto blocks = contract(collective, topology.ranks()); !blocks) return std::move(blocks).error();
    const auto begin = std::chrono::steady_clock::now();
    std::vector<Candidate> found;
    std::vector<std::string> refusals;
    for (const auto& [entry, given] : entrants(context, collective.members.size())) {
      const auto passed = std::chrono::steady_clock::now() - begin;
      if (*limit && !found.empty() && passed > **limit) {
        tell(context, name_of(*entry, given), std::nullopt);
        continue;
      }
      auto candidate = ask(*entry, given, least_of(found), topology, collective, context);
      if (candidate) {
        tell(context, candidate->name, candidate->left_out ? std::nullopt : std::optional{candidate->time});
        if (!candidate->left_out) found.push_back(*std::move(candidate));
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

  static std::vector<ParameterInfo> known() {
    return {{"deadline", "seconds after which no further candidate is tried, as in 10; none: all are", "none"}};
  }

 private:
  struct Entrant {
    const Entry<Planner>* entry;
    Parameters parameters;
  };

  static std::vector<Entrant> entrants(const PlanContext& context, std::size_t members) {
    std::vector<Entrant> all;
    if (context.candidates == nullptr) return all;
    for (const auto& entry : context.candidates->entries()) {
      if (entry.name != "auto") all.push_back({&entry, {}});
    }
    for (const auto& variant : variants) {
      const auto* entry = context.candidates->find(variant.planner);
      if (entry != nullptr && members <= variant.most_members) all.push_back({entry, {{variant.parameter, variant.value}}});
    }
    return all;
  }

  static std::string name_of(const Entry<Planner>& entry, const Parameters& given) {
    auto name = entry.name;
    for (const auto& [key, value] : given) name += fmt::format(" ({}={})", key, value);
    return name;
  }

  static void tell(const PlanContext& context, const std::string& name, std::optional<Seconds> time) {
    if (context.considered) context.considered(name, time);
  }

  static Result<std::optional<Seconds>> time_limit(const Parameters& parameters, const PlanContext& context) {
    if (parameters.at("deadline") == "none") return context.time_limit;
    auto seconds = integer_parameter(parameters, "deadline", 0, 86400);
    if (!seconds) return std::move(seconds).error();
    return std::optional{Seconds{static_cast<double>(*seconds)}};
  }

  static std::optional<Seconds> least_of(const std::vector<Candidate>& found) {
    std::optional<Seconds> least;
    for (const auto& candidate : found) least = std::min(candidate.time, least.value_or(candidate.time));
    return least;
  }

  // The busiest link, group or port has to carry its share of the payload, whatever the tuning.
  static bool beaten(const Plan& plan, Seconds best, const Topology& topology, const PlanContext& context) {
    const auto bytes = context.payload.size().count();
    if (bytes < tiny_chunk * static_cast<std::int64_t>(plan.schedule.chunks().size())) return false;
    const auto busiest = bottleneck(topology, link_loads(topology, *context.routes, plan.schedule)).seconds_per_byte;
    return static_cast<double>(bytes) * busiest * (1 - rounding) > best.count();
  }

  static Result<Candidate> ask(const Entry<Planner>& entry, const Parameters& given, std::optional<Seconds> best, const Topology& topology,
                               const Collective& collective, const PlanContext& context) {
    auto inner = context;
    inner.parameters = given;
    inner.candidates = nullptr;
    inner.predict = {};
    auto plan = entry.make()->plan(topology, collective, inner);
    if (!plan) return std::move(plan).error();
    auto name = name_of(entry, given);
    if (best && beaten(*plan, *best, topology, context)) return Candidate{std::move(name), *std::move(plan), Seconds{0}, true};
    auto time =
        context.predict ? context.predict(*plan) : Result<Seconds>{estimated_time(topology, *context.routes, plan->schedule, context.payload.size())};
    if (!time) return std::move(time).error();
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
  return {"auto", "whichever planner is predicted fastest for this payload on this machine", Auto::known(), [] { return std::make_unique<Auto>(); }};
}
}  // namespace planners

}  // namespace p2plab
