// SPDX-License-Identifier: Apache-2.0
// A planner of one's own: every receiver reads the root. It is registered beside the built-in ones, and its plan is proved like theirs.
#include <cstdio>

#include <p2plab/machine/presets.h>
#include <p2plab/plan/builtin_planners.h>
#include <p2plab/schedule/verify.h>

using namespace p2plab;

namespace {

int fail(const Error& error) {
  std::fputs(describe(error).c_str(), stderr);
  return exit_code(error);
}

class ReadTheRoot final : public Planner {
 public:
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext&) const override {
    if (collective.kind != CollectiveKind::broadcast) {
      return Error{ErrorCode::unsupported, "read_the_root does broadcast only"};
    }
    auto builder = Schedule::Builder::create(collective, topology.ranks());
    if (!builder) return std::move(builder).error();
    const auto chunk = builder->add_chunk({});
    for (const auto rank : collective.members) builder->copy(rank, input(collective.root, chunk), output(rank, chunk));
    auto schedule = std::move(*builder).build();
    if (!schedule) return std::move(schedule).error();
    return Plan{.schedule = *std::move(schedule), .planner = "read_the_root"};
  }
};

}  // namespace

int main() {
  auto planners = builtin_planners();
  planners.add({"read_the_root", "every receiver reads the root", {}, [] { return std::make_unique<ReadTheRoot>(); }});
  const auto machine = resolve_topology("hgx-h200:gpus=4");
  if (!machine) return fail(machine.error());
  const auto planner = planners.get("algorithm", "read_the_root");
  if (!planner) return fail(planner.error());
  const auto plan = (*planner)->make()->plan(*machine, make_collective(CollectiveKind::broadcast, 4), {});
  if (!plan) return fail(plan.error());
  const auto proof = verify(*machine, plan->schedule);
  if (!proof) return fail(proof.error());
  std::printf("proved: %zu steps\n", plan->schedule.step_count());
}
