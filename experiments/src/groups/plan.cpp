// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "groups/link_loads.h"
#include "p2plab/experiment/process_groups.h"
#include "p2plab/machine/fabric.h"
#include "p2plab/program/check.h"
#include "p2plab/simulator/machine_change.h"
#include "p2plab/simulator/together.h"

namespace p2plab {

namespace {

constexpr std::size_t most_plans = 4;  // of one group, weighed beside those of others

// A group, the machine that it has to itself, and where that machine's links lie in the whole one.
struct Group {
  Collective collective;
  Evaluator evaluator;
  ChangedMachine whole;
};

// The plans of all groups of one call that were made alike, and their programs with the links of the whole machine.
struct GroupPlans {
  std::string name;
  std::vector<std::shared_ptr<const Evaluation>> plans = {};
  std::vector<Program> programs = {};
  Seconds alone{0};
};

// Links of a part of a machine in the whole: the same ones in the same order.
ChangedMachine in_whole(const Topology& part, const Topology& whole) {
  ChangedMachine machine{whole, {}};
  const auto same = [](const Link& a, const Link& b) { return a.from == b.from && a.to == b.to && a.kind == b.kind && a.bandwidth == b.bandwidth; };
  std::size_t next = 0;
  for (const auto& link : part.links()) {
    while (!same(whole.links()[next], link)) ++next;
    machine.links.emplace_back(static_cast<std::int64_t>(next++));
  }
  return machine;
}

class Together {
 public:
  Together(const Topology& topology, const Profile& profile, const std::vector<GroupCall>& calls, const ProcessGroupsOptions& options)
      : topology_(topology), profile_(profile), calls_(calls), options_(options) {}

  Result<ProcessGroupsPlan> run() {
    for (const auto& call : calls_) {
      if (auto ok = add_groups(call); !ok) return std::move(ok).error();
    }
    for (std::size_t c = 0; c < calls_.size(); ++c) {
      if (auto ok = add_own_ways(c); !ok) return std::move(ok).error();
    }
    ProcessGroupsPlan plan;
    taken_.assign(calls_.size(), 0);
    auto own = simulate(taken_);
    if (!own) return std::move(own).error();
    for (std::size_t c = 0; c < calls_.size() && !stopped(); ++c) add_choice_for_share(c);
    auto best = *own;
    if (auto ok = improve(best); !ok) return std::move(ok).error();
    plan.own = to_seconds(own->makespan);
    plan.time = to_seconds(best.makespan);
    plan.uses = std::move(best.uses);
    plan.weighed = weighed_;
    plan.profile = profile_.name;
    fill(plan, *own, best);
    return plan;
  }

 private:
  bool stopped() const { return options_.stop && options_.stop(); }

  Status add_groups(const GroupCall& call) {
    std::vector<bool> seen(static_cast<std::size_t>(topology_.ranks()));
    auto& groups = groups_.emplace_back();
    for (const auto& ranks : call.groups) {
      for (const auto rank : ranks) {
        if (rank.value < 0 || rank.value >= topology_.ranks())
          return Error{ErrorCode::invalid_input,
                       fmt::format("{} has rank {}, the machine ranks 0 to {}", call.name, rank.value, topology_.ranks() - 1)};
        if (seen[rank.index()]) return Error{ErrorCode::invalid_input, fmt::format("rank {} is in two groups of {}", rank.value, call.name)};
        seen[rank.index()] = true;
      }
      const bool all = options_.relays || static_cast<int>(ranks.size()) == topology_.ranks();
      auto own = all ? Result<Topology>{topology_} : among_members(topology_, ranks);
      if (!own) return std::move(own).error();
      groups.push_back({collective_of(call, ranks), Evaluator(*own, profile_), in_whole(*own, topology_)});
    }
    if (groups.empty()) return Error{ErrorCode::invalid_input, fmt::format("{} has no group", call.name)};
    choices_.emplace_back();
    return {};
  }

  Result<Evaluation> plan_of(const Group& group, const AlgorithmChoice& choice, const Payload& payload,
                             const std::function<void(const std::shared_ptr<const Evaluation>&)>& found = {}) const {
    PlanningOptions options{.stop = options_.stop};
    options.found = found;
    return plan_one(group.evaluator, choice, group.collective, payload, options);
  }

  // Errors: a program that does not hold on the whole machine.
  Status add_to(GroupPlans& choice, const Group& group, std::shared_ptr<const Evaluation> plan) const {
    auto program = on_machine(plan->program, group.whole);
    if (!program) return std::move(program).error();
    if (auto held = check(topology_, *program); !held) return std::move(held).error();
    choice.programs.push_back(*std::move(program));
    choice.alone = std::max(choice.alone, plan->prediction.time);
    choice.plans.push_back(std::move(plan));
    return {};
  }

  // The plans that are fastest for the first group alone, best first, made for each of the others, too.
  Status add_own_ways(std::size_t c) {
    const auto& call = calls_[c];
    const auto& groups = groups_[c];
    std::map<std::string, std::shared_ptr<const Evaluation>> found;
    auto best = plan_of(groups.front(), call.algorithm, call.payload, [&](const std::shared_ptr<const Evaluation>& one) {
      found.emplace(AlgorithmChoice{one->plan().planner, one->plan().parameters}.label(), one);
    });
    if (!best) return std::move(best).error();
    std::vector<std::shared_ptr<const Evaluation>> plans{std::make_shared<const Evaluation>(*std::move(best))};
    const AlgorithmChoice first{plans.front()->plan().planner, plans.front()->plan().parameters};
    for (const auto& [label, one] : found) {
      if (label != first.label()) plans.push_back(one);
    }
    std::stable_sort(plans.begin() + 1, plans.end(), [](const auto& a, const auto& b) { return a->prediction.time < b->prediction.time; });
    plans.resize(std::min(plans.size(), most_plans));
    for (auto& plan : plans) {
      if (!choices_[c].empty() && stopped()) break;
      auto ok = add_choice(c, std::move(plan));
      if (!ok && choices_[c].empty()) return ok;
    }
    return {};
  }

  Status add_choice(std::size_t c, std::shared_ptr<const Evaluation> first) {
    const auto& groups = groups_[c];
    const AlgorithmChoice choice{first->plan().planner, first->plan().parameters};
    GroupPlans plans{.name = first->plan().planner};
    if (auto ok = add_to(plans, groups.front(), std::move(first)); !ok) return ok;
    for (std::size_t g = 1; g < groups.size(); ++g) {
      auto plan = plan_of(groups[g], choice, calls_[c].payload);
      // Groups that lie otherwise on the machine may need another planner.
      if (!plan) plan = plan_of(groups[g], calls_[c].algorithm, calls_[c].payload);
      if (!plan) return std::move(plan).error();
      if (auto ok = add_to(plans, groups[g], std::make_shared<const Evaluation>(*std::move(plan))); !ok) return ok;
    }
    choices_[c].push_back(std::move(plans));
    return {};
  }

  // Plans for what a group has of links that others use as well: their bandwidth by the share of its bytes.
  void add_choice_for_share(std::size_t c) {
    const auto loads = all_loads();
    GroupPlans plans{.name = "for its share"};
    std::string planner;
    bool shares = false;
    for (std::size_t g = 0; g < groups_[c].size(); ++g) {
      const auto& group = groups_[c][g];
      const auto mine = link_loads(topology_, choices_[c].front().programs[g]);
      std::vector<double> factors;
      for (const auto link : group.whole.links) {
        const auto all = loads[link.index()];
        // What carries nothing of this group yet would be shared with those who are there.
        const auto part = all > 0 ? std::max(mine[link.index()] / all, 0.1) : 1;
        shares = shares || (part < 1 && mine[link.index()] > 0);
        factors.push_back(part);
      }
      if (!shares) return;
      const Evaluator narrowed(scale_links(group.evaluator.topology(), factors), profile_);
      auto plan = plan_one(narrowed, calls_[c].algorithm, group.collective, calls_[c].payload, {.stop = options_.stop});
      if (!plan) return;
      planner = plan->plan().planner;
      auto proved = group.evaluator.prove(plan->plan(), false);
      if (!proved) return;
      auto evaluated = group.evaluator.evaluate_as(*std::move(proved), calls_[c].payload, plan->program.tuning);
      if (!evaluated || !add_to(plans, group, std::make_shared<const Evaluation>(*std::move(evaluated)))) return;
    }
    plans.name = planner + " " + plans.name;
    choices_[c].push_back(std::move(plans));
  }

  std::vector<double> all_loads() const {
    std::vector<double> all(topology_.links().size());
    for (const auto& choices : choices_) {
      for (const auto& program : choices.front().programs) {
        const auto one = link_loads(topology_, program);
        for (std::size_t l = 0; l < all.size(); ++l) all[l] += one[l];
      }
    }
    return all;
  }

  Result<TogetherResult> simulate(const std::vector<std::size_t>& taken) {
    std::vector<const Program*> programs;
    for (std::size_t c = 0; c < calls_.size(); ++c) {
      for (const auto& program : choices_[c][taken[c]].programs) programs.push_back(&program);
    }
    ++weighed_;
    return simulate_together(topology_, programs, profile_);
  }

  // All end sooner by so much that it is worth a call's delay; else each of them, and all no later.
  static bool better_than(const TogetherResult& one, const TogetherResult& best) {
    constexpr double worth = 0.005;
    const auto sum = [](const TogetherResult& result) {
      SimTime all{0};
      for (const auto finish : result.finish) all += finish;
      return all;
    };
    const auto gained =
        static_cast<double>((best.makespan - one.makespan).count()) / static_cast<double>(std::max<std::int64_t>(best.makespan.count(), 1));
    return gained > worth || (gained >= 0 && sum(one) < sum(best));
  }

  Status improve(TogetherResult& best) {
    for (bool better = true; better;) {
      better = false;
      for (std::size_t c = 0; c < calls_.size(); ++c) {
        for (std::size_t w = 0; w < choices_[c].size(); ++w) {
          if (stopped()) return {};
          auto other = taken_;
          other[c] = w;
          if (other == taken_ || !tried_.insert(other).second) continue;
          auto result = simulate(other);
          if (!result) return std::move(result).error();
          if (!better_than(*result, best)) continue;
          best = *std::move(result);
          taken_ = std::move(other);
          better = true;
        }
      }
    }
    return {};
  }

  // The latest of a call's groups.
  Seconds ends(const TogetherResult& result, std::size_t call) const {
    std::size_t first = 0;
    for (std::size_t c = 0; c < call; ++c) first += groups_[c].size();
    SimTime latest{0};
    for (std::size_t g = 0; g < groups_[call].size(); ++g) latest = std::max(latest, result.finish[first + g]);
    return to_seconds(latest);
  }

  void fill(ProcessGroupsPlan& plan, const TogetherResult& own, const TogetherResult& best) const {
    std::vector<int> blocks(static_cast<std::size_t>(topology_.ranks()));
    for (std::size_t c = 0; c < calls_.size(); ++c) {
      const auto& choice = choices_[c][taken_[c]];
      const auto& first = choices_[c].front();
      GroupCallPlan call{.own_plan = first.name, .alone = first.alone, .beside_own = ends(own, c), .plan = choice.name, .time = ends(best, c)};
      for (std::size_t g = 0; g < choice.plans.size(); ++g) {
        call.groups.push_back(*choice.plans[g]);
        call.machines.push_back(groups_[c][g].evaluator.topology());
        for (const auto rank : groups_[c][g].collective.members) blocks[rank.index()] += choice.programs[g].blocks();
      }
      plan.calls.push_back(std::move(call));
    }
    plan.blocks = *std::ranges::max_element(blocks);
    auto [time, argument] = bound_of_all(topology_, calls_, options_);
    if (time.count() > 0) plan.bound = time;
    plan.argument = std::move(argument);
  }

  const Topology& topology_;
  const Profile& profile_;
  const std::vector<GroupCall>& calls_;
  const ProcessGroupsOptions& options_;
  std::vector<std::vector<Group>> groups_;        // by call
  std::vector<std::vector<GroupPlans>> choices_;  // by call: the fastest alone first
  std::vector<std::size_t> taken_;                // by call
  std::set<std::vector<std::size_t>> tried_;
  int weighed_ = 0;
};

}  // namespace

Result<ProcessGroupsPlan> plan_process_groups(const Topology& topology, const Profile& profile, const std::vector<GroupCall>& calls,
                                              const ProcessGroupsOptions& options) {
  if (calls.empty()) return Error{ErrorCode::usage, "no call is given"};
  return Together{topology, profile, calls, options}.run();
}

}  // namespace p2plab
