// SPDX-License-Identifier: Apache-2.0
// The host executor on hand-made schedules whose data goes through pinned host memory and along explicit routes, on NVLink pairs over PCIe.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/routes.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/builtin_executors.h"
#include "support/reference.h"

namespace p2plab::relay_test {
namespace {

class Relay : public ::testing::TestWithParam<int> {
 protected:
  Schedule::Builder builder(CollectiveKind kind) const {
    auto made = *Schedule::Builder::create(make_collective(kind, n, root), n);
    for (std::size_t b = 0; b < made.blocks().size(); ++b) made.add_chunk({.block = static_cast<std::int32_t>(b)});
    return made;
  }

  // The path from a GPU over its socket and the other GPU's, even where an NVLink joins the two.
  RouteId over_sockets(Schedule::Builder& to_build, Rank from, Rank to) const {
    std::vector<NodeId> nodes{machine.node_of(from), *machine.routes().host_of(from), *machine.routes().host_of(to), machine.node_of(to)};
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    std::vector<LinkId> path;
    for (std::size_t i = 0; i + 1 < nodes.size(); ++i) path.push_back(link(nodes[i], nodes[i + 1]));
    return to_build.add_route(path);
  }

  LinkId link(NodeId from, NodeId to) const {
    const auto links = machine.out_links(from);
    const auto found = std::ranges::find_if(links, [&](LinkId id) { return machine.link(id).to == to; });
    expects(found != links.end());
    return *found;
  }

  // Proves, lowers and runs it with several payloads, in place and out.
  void expect_right(Schedule::Builder made) {
    auto schedule = std::move(made).build();
    ASSERT_TRUE(schedule) << describe(schedule.error());
    const Plan plan{*std::move(schedule), "by hand"};
    for (const bool in_place : {false, true}) {
      const auto proof = verify(machine, plan.schedule, {.in_place = in_place});
      ASSERT_TRUE(proof) << describe(proof.error());
      for (const auto& payload : {Payload{0}, Payload{1, DataType::uint8}, Payload{1021, DataType::float16, ReduceOp::average},
                                  Payload{4099, DataType::int32, ReduceOp::sum}, Payload{513, DataType::float64, ReduceOp::max}}) {
        for (const auto& tuning : {Tuning{}, Tuning{.blocks_per_lane = 3, .slice = Bytes{64}}}) expect_right(plan, *proof, payload, tuning);
      }
    }
  }

  void expect_right(const Plan& plan, const Proof& proof, const Payload& payload, const Tuning& tuning) {
    const auto program = lower(plan.schedule, proof, payload, tuning);
    ASSERT_TRUE(program) << describe(program.error());
    std::size_t host_bytes = 0;
    for (const auto& memory : program->memory) host_bytes += static_cast<std::size_t>(memory.host.count());
    EXPECT_EQ(host_bytes > 0, payload.elements > 0 && uses_host);
    const auto done = executor->run({&machine, &plan, &*program}, {.warmup = 0, .repeats = 2, .threads = 3});
    ASSERT_TRUE(done) << describe(done.error());
    EXPECT_TRUE(done->check && done->check->passed)
        << payload.elements << ' ' << to_string(payload.type) << " parts " << tuning.blocks_per_lane << " in place " << proof.in_place() << ": "
        << (done->check ? done->check->first_wrong : "no check");
  }

  const int n = GetParam();
  const Rank root{n / 2};
  const Topology machine = test::machine("nvlink-pairs:sockets=2,gpus=" + std::to_string(n));
  const Registry<Executor> executors = builtin_executors();
  const std::unique_ptr<Executor> executor = executors.find("host")->make();
  bool uses_host = true;
};

// GPU -> its pinned host memory -> every GPU.
TEST_P(Relay, AllGatherThroughEachGiversHostMemory) {
  auto made = builder(CollectiveKind::all_gather);
  for (int r = 0; r < n; ++r) made.copy(Rank{r}, input(Rank{r}, ChunkId{r}), host(Rank{r}, 0));
  for (int r = 0; r < n; ++r) {
    for (int from = 0; from < n; ++from) made.copy(Rank{r}, host(Rank{from}, 0), output(Rank{r}, ChunkId{from}));
  }
  expect_right(std::move(made));
}

// The root pushes into every receiver's host memory; each fetches its own.
TEST_P(Relay, BroadcastThroughEachReceiversHostMemory) {
  auto made = builder(CollectiveKind::broadcast);
  const ChunkId chunk{0};
  std::vector<Location> mailboxes;
  for (int r = 0; r < n; ++r) mailboxes.push_back(host(Rank{r}, 2));
  made.add_step(root, std::array{input(root, chunk)}, mailboxes);
  for (int r = 0; r < n; ++r) made.copy(Rank{r}, host(Rank{r}, 2), output(Rank{r}, chunk));
  expect_right(std::move(made));
}

// All inputs into the root's host memory; it adds them there and passes the sum on through the same slot.
TEST_P(Relay, AllReduceThatAddsInTheRootsHostMemory) {
  auto made = builder(CollectiveKind::all_reduce);
  const ChunkId chunk{0};
  std::vector<Location> slots;
  for (int r = 0; r < n; ++r) {
    slots.push_back(host(root, r));
    made.copy(Rank{r}, input(Rank{r}, chunk), slots.back());
  }
  made.add_step(root, slots, std::array{slots.front()});
  for (int r = 0; r < n; ++r) made.copy(Rank{r}, slots.front(), output(Rank{r}, chunk));
  expect_right(std::move(made));
}

// Every GPU reads every other along a route over the sockets; both NVLink and route lead there.
TEST_P(Relay, AllGatherAlongExplicitRoutes) {
  uses_host = false;
  auto made = builder(CollectiveKind::all_gather);
  for (int r = 0; r < n; ++r) {
    for (int from = 0; from < n; ++from) {
      const ChunkId chunk{from};
      const auto route = from == r ? default_route : over_sockets(made, Rank{from}, Rank{r});
      made.add_step(Rank{r}, std::array{input(Rank{from}, chunk)}, std::array{output(Rank{r}, chunk)}, std::array{route, default_route});
    }
  }
  expect_right(std::move(made));
}

// A chain of pushes that add on the way, every hop along a route; the last one's result goes back through its host memory.
TEST_P(Relay, AllReduceByAChainOfExplicitRoutesAndBackThroughHostMemory) {
  auto made = builder(CollectiveKind::all_reduce);
  const ChunkId chunk{0};
  for (int r = 0; r + 1 < n; ++r) {
    const auto route = over_sockets(made, Rank{r}, Rank{r + 1});
    const std::array to{scratch(Rank{r + 1}, 0)};
    if (r == 0) {
      made.add_step(Rank{r}, std::array{input(Rank{r}, chunk)}, to, std::array{default_route, route});
    } else {
      made.add_step(Rank{r}, std::array{input(Rank{r}, chunk), scratch(Rank{r}, 0)}, to, std::array{default_route, default_route, route});
    }
  }
  const Rank last{n - 1};
  made.add_step(last, std::array{scratch(last, 0), input(last, chunk)}, std::array{host(last, 1)});
  for (int r = 0; r < n; ++r) {
    const std::array down{r == n - 1 ? link(*machine.routes().host_of(last), machine.node_of(last)) : LinkId{0}};
    const auto route = r == n - 1 ? made.add_route(down) : default_route;
    made.add_step(Rank{r}, std::array{host(last, 1)}, std::array{output(Rank{r}, chunk)}, std::array{route, default_route});
  }
  expect_right(std::move(made));
}

TEST_P(Relay, ProgramsCarryTheRoutesOfTheirSchedule) {
  auto made = builder(CollectiveKind::broadcast);
  const ChunkId chunk{0};
  for (int r = 0; r < n; ++r) {
    const auto route = Rank{r} == root ? default_route : over_sockets(made, root, Rank{r});
    made.add_step(root, std::array{input(root, chunk)}, std::array{output(Rank{r}, chunk)}, std::array{default_route, route});
  }
  const auto schedule = *std::move(made).build();
  const auto program = lower(schedule, *verify(machine, schedule), {100}, {});
  ASSERT_TRUE(program);
  int routed = 0;
  for (const auto& operand : program->operands) {
    if (operand.route == default_route) continue;
    const auto path = program->route(operand.route);
    EXPECT_EQ(machine.link(path.front()).from, machine.node_of(root));
    EXPECT_EQ(machine.link(path.back()).to, machine.node_of(operand.rank));
    EXPECT_EQ(machine.link(path.front()).kind, LinkKind::pcie);
    ++routed;
  }
  EXPECT_EQ(routed, n - 1);
}

INSTANTIATE_TEST_SUITE_P(Ranks, Relay, ::testing::Values(2, 3, 5, 8));

}  // namespace
}  // namespace p2plab::relay_test
