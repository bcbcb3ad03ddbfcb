// SPDX-License-Identifier: Apache-2.0
// The verifier proves good schedules and names what is wrong with bad ones.
#include <gtest/gtest.h>

#include "p2plab/machine/routes.h"
#include "p2plab/schedule/verify.h"

namespace p2plab::verify_test {
namespace {

Topology full_mesh(int n) {
  Topology::Builder builder("mesh");
  for (int i = 0; i < n; ++i) builder.add_node({.name = "gpu" + std::to_string(i)});
  for (int a = 0; a < n; ++a) {
    for (int b = 0; b < n; ++b) {
      if (a != b) builder.add_link({NodeId{a}, NodeId{b}, LinkKind::nvlink, GBps(25), Seconds{1e-6}});
    }
  }
  return *std::move(builder).build();
}

Schedule::Builder all_reduce(int n) {
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::all_reduce, n), n);
  builder.add_chunk({});
  return builder;
}

const ChunkId chunk{0};

TEST(Verify, ProvesAOneShotPull) {
  const auto machine = full_mesh(3);
  auto builder = all_reduce(3);
  for (int r = 0; r < 3; ++r) {
    builder.add_step(Rank{r}, std::array{input(Rank{0}, chunk), input(Rank{1}, chunk), input(Rank{2}, chunk)}, std::array{output(Rank{r}, chunk)});
  }
  const auto schedule = *std::move(builder).build();
  EXPECT_TRUE(verify(machine, schedule));
  // In place, rank 0's result replaces an input that rank 1 still reads.
  const auto in_place = verify(machine, schedule, {.in_place = true});
  ASSERT_FALSE(in_place);
  EXPECT_EQ(in_place.error().code, ErrorCode::verification_failed);
  EXPECT_EQ(in_place.error().message,
            "step 1: rank 1 adds rank 1 input[0], which holds the contributions of {1}, to a sum that already holds {0, 1, 2}");
}

TEST(Verify, InPlaceKnowsWhichOfTheTwoBuffersARankHas) {
  const auto machine = full_mesh(2);
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 2), 2);
  builder.add_chunk({});
  builder.copy(Rank{0}, input(Rank{0}, chunk), output(Rank{1}, chunk));
  builder.copy(Rank{0}, input(Rank{1}, chunk), output(Rank{0}, chunk));
  const auto silent = verify(machine, *std::move(builder).build(), {.in_place = true});
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().message, "step 1: reads rank 1 input[0], but that rank gives no such chunk");
  builder = *Schedule::Builder::create(make_collective(CollectiveKind::reduce, 2), 2);
  builder.add_chunk({});
  builder.add_step(Rank{0}, std::array{input(Rank{0}, chunk), output(Rank{1}, chunk)}, std::array{output(Rank{0}, chunk)});
  const auto no_receiver = verify(machine, *std::move(builder).build(), {.in_place = true});
  ASSERT_FALSE(no_receiver);
  EXPECT_EQ(no_receiver.error().message, "step 0: reads rank 1 output[0], but that rank receives no such chunk");
}

TEST(Verify, NamesAContributionAddedTwice) {
  const auto machine = full_mesh(2);
  auto builder = all_reduce(2);
  builder.add_step(Rank{0}, std::array{input(Rank{0}, chunk), input(Rank{0}, chunk)}, std::array{output(Rank{0}, chunk)});
  const auto proof = verify(machine, *std::move(builder).build());
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().message, "step 0: rank 0 adds rank 0 input[0], which holds the contributions of {0}, to a sum that already holds {0}");
}

TEST(Verify, NamesAResultThatIsMissing) {
  const auto machine = full_mesh(2);
  auto builder = all_reduce(2);
  builder.add_step(Rank{0}, std::array{input(Rank{0}, chunk), input(Rank{1}, chunk)}, std::array{output(Rank{0}, chunk)});
  const auto proof = verify(machine, *std::move(builder).build());
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().message, "at the end rank 1 output[0] must hold the contributions of {0, 1}, found nothing");
}

TEST(Schedule, AMillionStepsTakeLessThanAHundredMegabytes) {
  constexpr int steps = 1'000'000;
  auto builder = all_reduce(8);
  for (int i = 0; i < steps; ++i)
    builder.add_step(Rank{i % 8}, std::array{input(Rank{i % 8}, chunk)}, std::array{scratch(Rank{(i + 1) % 8}, i % 64)});
  const auto schedule = *std::move(builder).build();
  EXPECT_EQ(schedule.step_count(), static_cast<std::size_t>(steps));
  EXPECT_LT(schedule.memory(), 100'000'000U);
}

TEST(Schedule, NamesTheStepThatIsMalformed) {
  auto builder = all_reduce(2);
  builder.copy(Rank{0}, input(Rank{0}, chunk), output(Rank{0}, chunk));
  builder.copy(Rank{0}, input(Rank{0}, ChunkId{7}), output(Rank{0}, chunk));
  const auto schedule = std::move(builder).build();
  ASSERT_FALSE(schedule);
  EXPECT_EQ(schedule.error().message, "step 1: names chunk 7 of 1");
}

TEST(Verify, RefusesToReadAcrossAGpu) {
  Topology::Builder line("line");
  for (int i = 0; i < 3; ++i) line.add_node({.name = "gpu" + std::to_string(i)});
  line.add_duplex(NodeId{0}, NodeId{1}, LinkKind::nvlink, GBps(25), Seconds{1e-6});
  line.add_duplex(NodeId{1}, NodeId{2}, LinkKind::nvlink, GBps(25), Seconds{1e-6});
  const auto machine = *std::move(line).build();
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 3), 3);
  builder.add_chunk({});
  builder.copy(Rank{2}, input(Rank{0}, chunk), output(Rank{2}, chunk));
  const auto proof = verify(machine, *std::move(builder).build());
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().message, "step 0: rank 2 reads rank 0 input[0], but the machine has no path for that (GPUs do not forward)");
}

TEST(Verify, ChecksAnExplicitRouteLinkByLink) {
  const auto machine = full_mesh(3);
  const auto find = [&](int a, int b) {
    for (const auto id : machine.out_links(NodeId{a})) {
      if (machine.link(id).to == NodeId{b}) return id;
    }
    return LinkId{-1};
  };
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 3), 3);
  builder.add_chunk({});
  const auto through_gpu = builder.add_route(std::array{find(0, 1), find(1, 2)});
  builder.add_step(Rank{2}, std::array{input(Rank{0}, chunk)}, std::array{output(Rank{2}, chunk)}, std::array{through_gpu, default_route});
  const auto proof = verify(machine, *std::move(builder).build());
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().message, "step 0: route 0 passes through gpu1; GPUs do not forward");
}

// From the switch to another one and back, which takes links that the shortest way leaves to others.
TEST(Verify, RefusesARouteThatComesToANodeTwice) {
  Topology::Builder line("detour");
  for (int i = 0; i < 2; ++i) line.add_node({.name = "gpu" + std::to_string(i)});
  for (int i = 0; i < 2; ++i) line.add_node({.name = "switch" + std::to_string(i), .kind = NodeKind::nvswitch});
  for (const auto& [a, b] : {std::pair{0, 2}, std::pair{1, 2}, std::pair{2, 3}})
    line.add_duplex(NodeId{a}, NodeId{b}, LinkKind::nvlink, GBps(25), Seconds{1e-6});
  const auto machine = *std::move(line).build();
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 2), 2);
  builder.add_chunk({});
  const auto detour = builder.add_route(std::array{LinkId{0}, LinkId{4}, LinkId{5}, LinkId{3}});
  builder.add_step(Rank{1}, std::array{input(Rank{0}, chunk)}, std::array{output(Rank{1}, chunk)}, std::array{detour, default_route});
  const auto proof = verify(machine, *std::move(builder).build());
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().message, "step 0: route 0 comes to switch0 twice");
}

// Two GPUs at the ends of a line of switches.
Topology long_line(int switches) {
  Topology::Builder builder("line");
  auto last = builder.add_node({.name = "gpu0"});
  for (int i = 0; i <= switches; ++i) {
    const bool end = i == switches;
    const auto next = builder.add_node({.name = end ? "gpu1" : "switch" + std::to_string(i), .kind = end ? NodeKind::gpu : NodeKind::nvswitch});
    builder.add_duplex(last, next, LinkKind::nvlink, GBps(25), Seconds{1e-6});
    last = next;
  }
  return *std::move(builder).build();
}

// A broadcast that names one route for each of 2000 places, in 4096 images that move nothing.
Schedule naming_often(std::span<const LinkId> links) {
  constexpr int images = 4096;
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 2, Rank{0}), 2);
  for (int i = 0; i < images; ++i) builder.add_chunk({0, 1, 0});
  const auto route = builder.add_route(links);
  const auto from = input(Rank{0}, ChunkId{0});
  builder.copy(Rank{0}, from, output(Rank{0}, ChunkId{0}));
  std::vector<Location> to{output(Rank{1}, ChunkId{0})};
  while (to.size() < 2000) to.push_back(scratch(Rank{1}, static_cast<std::int64_t>(to.size())));
  std::vector<RouteId> along(to.size() + 1, route);
  along.front() = default_route;
  builder.add_step(Rank{0}, {&from, 1}, to, along);
  builder.fold(std::vector<ScheduleImage>(images, {{Rank{0}, Rank{1}}}));
  return *std::move(builder).build();
}

TEST(Verify, ARouteIsWalkedOnceHoweverOftenStepsAndImagesNameIt) {
  const auto machine = long_line(1000);
  const auto& routes = machine.routes();
  const auto way = routes.between(Rank{0}, Rank{1});
  const auto proof = verify(machine, naming_often(way));
  EXPECT_TRUE(proof) << describe(proof.error());
  // Back by one switch and there again.
  std::vector<LinkId> longer(way.begin(), way.end());
  longer.insert(longer.end() - 1, {routes.between(Rank{1}, Rank{0})[1], way[999]});
  const auto wrong = verify(machine, naming_often(longer));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "step 1: route 0 has 1003 links, more than the machine has nodes (1002)");
}

}  // namespace
}  // namespace p2plab::verify_test
