// SPDX-License-Identifier: Apache-2.0
// A user of the library who adds a planner of their own and has it proved.
#include <p2plab/machine/topology.h>
#include <p2plab/plan/builtin_planners.h>
#include <p2plab/program/lower.h>
#include <p2plab/schedule/verify.h>

#include <array>
#include <cstdio>

using namespace p2plab;

namespace {

// Everyone reads the root: right for a broadcast, and only for that.
class ReadTheRoot final : public Planner {
 public:
  Result<Plan> plan(const Topology& topology, const Collective& collective, const PlanContext&) const override {
    if (collective.kind != CollectiveKind::broadcast) return Error{ErrorCode::unsupported, "only broadcast"};
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
  Topology::Builder builder("pair");
  const auto a = builder.add_node({.name = "a"});
  const auto b = builder.add_node({.name = "b"});
  builder.add_duplex(a, b, LinkKind::nvlink, GBps(50), Seconds{1e-6});
  const auto topology = *std::move(builder).build();
  const Routes routes(topology);

  auto planners = builtin_planners();
  planners.add({"read_the_root", "everyone reads the root", {}, [] { return std::make_unique<ReadTheRoot>(); }});
  const auto* mine = planners.find("read_the_root");
  const auto plan = mine->make()->plan(topology, make_collective(CollectiveKind::broadcast, 2), {.routes = &routes});
  const auto proof = plan ? verify(topology, routes, plan->schedule) : Result<Proof>{plan.error()};
  const auto program = proof ? lower(plan->schedule, *proof, {.elements = 1000}, {}) : Result<Program>{proof.error()};
  if (!program) {
    std::fputs(describe(program.error()).c_str(), stderr);
    return exit_code(program.error());
  }
  std::printf("proved, %zu instructions\n", program->instructions.size());
}
