// SPDX-License-Identifier: Apache-2.0
// Process groups at once: what they share they share, and plans are taken that suit all of them.
#include "p2plab/experiment/process_groups.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_io.h"

namespace p2plab::process_groups_test {
namespace {

Topology machine(const Parameters& parameters) { return *make_preset("hgx-h100", parameters); }

std::vector<std::vector<int>> numbers(const Result<std::vector<std::vector<Rank>>>& groups) {
  std::vector<std::vector<int>> all;
  for (const auto& group : *groups) {
    auto& one = all.emplace_back();
    for (const auto rank : group) one.push_back(static_cast<int>(rank.value));
  }
  return all;
}

GroupCall call(const RankLayout& layout, const std::string& along, CollectiveKind kind, Bytes size) {
  return {.name = along, .groups = *layout.groups(along), .kind = kind, .payload = payload_of(size, DataType::float16, ReduceOp::sum)};
}

ProcessGroupsPlan planned(const Topology& topology, const std::vector<GroupCall>& calls, const ProcessGroupsOptions& options = {}) {
  auto plan = plan_process_groups(topology, *load_profile("h100"), calls, options);
  EXPECT_TRUE(plan) << (plan ? "" : plan.error().message);
  return plan ? *std::move(plan) : ProcessGroupsPlan{};
}

TEST(RankLayout, NumbersItsFirstDimensionFastest) {
  const auto layout = *rank_layout("tp=2,ep=2,dp=2");
  EXPECT_EQ(layout.ranks(), 8);
  EXPECT_EQ(numbers(layout.groups("tp")), (std::vector<std::vector<int>>{{0, 1}, {2, 3}, {4, 5}, {6, 7}}));
  EXPECT_EQ(numbers(layout.groups("dp")), (std::vector<std::vector<int>>{{0, 4}, {1, 5}, {2, 6}, {3, 7}}));
  EXPECT_EQ(numbers(layout.groups("dp+ep")), (std::vector<std::vector<int>>{{0, 2, 4, 6}, {1, 3, 5, 7}}));
  EXPECT_EQ(layout.groups("pp").error().notes.front(), "it has tp, ep, dp");
  for (const auto* wrong : {"", "tp", "tp=0", "tp=2,tp=2", "tp=4096,dp=2", "=2", "tp=2x"}) EXPECT_FALSE(rank_layout(wrong)) << wrong;
}

TEST(ProcessGroups, OfDifferentServersTakeWhatEachTakesAlone) {
  const auto plan = planned(machine({{"nodes", "2"}, {"gpus", "4"}}), {call(*rank_layout("tp=4,dp=2"), "tp", CollectiveKind::all_reduce, 1_MiB)});
  EXPECT_EQ(to_sim_time(plan.time), to_sim_time(plan.calls[0].alone));
  EXPECT_EQ(plan.calls[0].groups.size(), 2U);
}

TEST(ProcessGroups, WithANicInCommonTakeTwiceAsLong) {
  const auto two = machine({{"nodes", "2"}, {"gpus", "2"}, {"nics", "1"}});
  const auto layout = *rank_layout("tp=2,dp=2");
  const auto plan = planned(two, {call(layout, "dp", CollectiveKind::all_reduce, 64_MiB)});
  EXPECT_NEAR(plan.time / plan.calls[0].alone, 2, 0.01);
  // 128 MiB leave each server at 50 GB/s.
  ASSERT_TRUE(plan.bound);
  EXPECT_NEAR(plan.bound->count(), 2.0 * (64 << 20) / 50e9, 1e-9);
  EXPECT_EQ(plan.argument, "134.2 MB of all calls must leave the server of gpu0 at 50 GB/s");
  EXPECT_GE(plan.time, *plan.bound);
}

// One group of two is fastest by all NICs of its servers; where all groups do so they are in each other's way.
TEST(ProcessGroups, TakePlansThatLeaveLinksToOthers) {
  const auto servers = machine({{"nodes", "2"}, {"gpus", "4"}});
  const auto layout = *rank_layout("tp=4,dp=2");
  const std::vector<GroupCall> calls{call(layout, "dp", CollectiveKind::all_reduce, 16_MiB), call(layout, "tp", CollectiveKind::all_reduce, 4_MiB)};
  const auto plan = planned(servers, calls, {.relays = true});
  EXPECT_LT(plan.calls[0].alone * 3, plan.time);
  EXPECT_LT(plan.time, plan.own * 0.98);
  EXPECT_NE(plan.calls[0].plan, plan.calls[0].own_plan);
  EXPECT_GE(plan.time, *plan.bound);
  const auto text = to_text(plan, calls, servers);
  EXPECT_NE(text.find("sooner than with each group's own best plan"), std::string::npos) << text;
}

TEST(ProcessGroups, OnlyOneOfManyHasToRelayNothing) {
  const auto servers = machine({{"nodes", "2"}, {"gpus", "4"}});
  GroupCall one{.name = "pair", .groups = {{Rank{0}, Rank{4}}}, .payload = payload_of(64_MiB, DataType::float16, ReduceOp::sum)};
  EXPECT_LT(planned(servers, {one}, {.relays = true}).time * 3, planned(servers, {one}).time);
}

TEST(ProcessGroups, EveryCollectiveIsBounded) {
  const auto two = machine({{"nodes", "2"}, {"gpus", "2"}});
  const auto layout = *rank_layout("tp=2,dp=2");
  for (const auto kind : all_collective_kinds()) {
    const std::vector<GroupCall> calls{call(layout, "dp", kind, 4_MiB), call(layout, "tp", CollectiveKind::all_reduce, 4_MiB)};
    const auto plan = planned(two, calls);
    ASSERT_TRUE(plan.bound) << to_string(kind);
    EXPECT_GE(plan.time, *plan.bound) << to_string(kind) << ": " << plan.argument;
    EXPECT_LE(plan.time, plan.own) << to_string(kind);
  }
}

// PCIe beside NVLink is for a group of all ranks' plan, so it is for its bound.
TEST(ProcessGroups, OfAllRanksAreBoundedOnTheWholeMachine) {
  const auto* text = R"(version: 1
name: pair
nodes: [{name: gpu0, kind: gpu}, {name: gpu1, kind: gpu}, {name: root, kind: host, forwards_peers: true}]
links:
  - {between: [gpu0, gpu1], bandwidth: 25 GB/s, kind: nvlink}
  - {between: [gpu0, root], bandwidth: 25 GB/s, kind: pcie}
  - {between: [gpu1, root], bandwidth: 25 GB/s, kind: pcie}
)";
  const auto pair = read_topology(text, "pair.yaml");
  ASSERT_TRUE(pair) << describe(pair.error());
  const GroupCall both{.name = "both", .groups = {{Rank{0}, Rank{1}}}, .payload = payload_of(64_MiB, DataType::float16, ReduceOp::sum)};
  const auto plan = plan_process_groups(*pair, {}, {both});
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_TRUE(plan->bound);
  EXPECT_GE(plan->time, *plan->bound) << plan->argument;
}

TEST(ProcessGroups, WhatIsWrongIsSaid) {
  const auto two = machine({{"gpus", "2"}});
  const auto payload = payload_of(1_MiB, DataType::float16, ReduceOp::sum);
  const auto refused = [&](const GroupCall& one) { return plan_process_groups(two, {}, {one}).error().message; };
  EXPECT_EQ(refused({.name = "dp", .groups = {{Rank{0}, Rank{2}}}, .payload = payload}), "dp has rank 2, the machine ranks 0 to 1");
  EXPECT_EQ(refused({.name = "dp", .groups = {{Rank{0}}, {Rank{0}}}, .payload = payload}), "rank 0 is in two groups of dp");
  EXPECT_FALSE(plan_process_groups(two, {}, {}));
}

TEST(ProcessGroups, AConfigSaysTheSameAsTheCommand) {
  const auto* text = R"(version: 1
kind: groups
name: training
topology: {preset: hgx-h100, nodes: 2, gpus: 2}
layout: {tp: 2, dp: 2}
calls:
  - {along: dp, collective: all_reduce, size: 64 MiB}
  - {ranks: [[0, 1]], name: pair, collective: all_gather, size: 1 MiB, dtype: float32, algorithm: ring}
)";
  EXPECT_TRUE(is_process_groups(text, "groups.yaml"));
  const auto config = read_process_groups(text, "groups.yaml");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->calls.size(), 2U);
  EXPECT_EQ(numbers(config->calls[0].groups), (std::vector<std::vector<int>>{{0, 2}, {1, 3}}));
  EXPECT_EQ(config->calls[1].payload.size(), 1_MiB);
  EXPECT_EQ(config->calls[1].algorithm.name, "ring");
  auto wrong = std::string(text);
  wrong.replace(wrong.find("along: dp"), 9, "along: pp");
  EXPECT_FALSE(read_process_groups(wrong, "groups.yaml"));
  wrong = text;
  wrong.replace(wrong.find("dp: 2"), 5, "dp: 4");
  EXPECT_EQ(read_process_groups(wrong, "groups.yaml").error().message, "the layout has 8 ranks, the machine 4 GPUs");
  wrong = text;
  wrong.replace(wrong.find("along: dp, "), 11, "");
  EXPECT_FALSE(read_process_groups(wrong, "groups.yaml"));
}

TEST(ProcessGroups, AConfigsMistakesHaveTheirPlaces) {
  const auto config = read_process_groups(R"(version: 1
kind: groups
name: training
topology: {preset: hgx-h100, gpus: 4}
calls:
  - {ranks: [[0, 1], [2, 4]], collective: all_reduce, size: 1 MiB}
  - {ranks: [[0, 1], [1, 2]], collective: all_reduce, size: 1 MiB, algorithm: rign}
)",
                                          "groups.yaml");
  ASSERT_FALSE(config);
  const auto text = describe(config.error());
  EXPECT_NE(text.find("groups.yaml:6:26: error: the machine has ranks 0 to 3"), std::string::npos) << text;
  EXPECT_NE(text.find("groups.yaml:7:23: error: rank 1 is there twice"), std::string::npos) << text;
  EXPECT_NE(text.find("did you mean 'ring'?"), std::string::npos) << text;
}

// A pipeline's last stage may be smaller, a rank may be alone, and calls may share ranks.
TEST(ProcessGroups, OfOtherSizesOfOneRankAndThatOverlapArePlanned) {
  const auto payload = payload_of(64_KiB, DataType::float16, ReduceOp::sum);
  const auto ranks = [](std::initializer_list<int> all) {
    std::vector<Rank> group;
    for (const auto rank : all) group.emplace_back(rank);
    return group;
  };
  for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::broadcast, CollectiveKind::all_to_all, CollectiveKind::send_receive}) {
    const GroupCall uneven{.name = "pp", .groups = {ranks({0, 1, 2, 3}), ranks({4, 5, 6}), ranks({7})}, .kind = kind, .payload = payload};
    const GroupCall across{.name = "dp", .groups = {ranks({3, 4, 7})}, .kind = kind, .payload = payload};
    const auto plan = planned(machine({}), {uneven, across});
    ASSERT_EQ(plan.calls.size(), 2U) << to_string(kind);
    EXPECT_EQ(plan.calls[0].groups.size(), 3U);
    EXPECT_GE(plan.time, plan.calls[1].alone);
    EXPECT_TRUE(!plan.bound || *plan.bound <= plan.time) << to_string(kind) << ": " << plan.argument;
  }
}

}  // namespace
}  // namespace p2plab::process_groups_test
