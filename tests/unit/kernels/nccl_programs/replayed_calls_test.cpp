// SPDX-License-Identifier: Apache-2.0
// What libp2plab records of calls in graphs, on GPUs that are CPU threads: each replay counted, whatever graph it is in, and told from the capture.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/c/p2plab.h"
#include "p2plab/c/recorded.h"
#include "p2plab/run/monitor.h"
#include "support/host_gpu/streams.h"
#include "support/scratch.h"
#include "unit/kernels/shim/program.h"

namespace p2plab::replayed_calls_test {
namespace {

constexpr std::size_t small = 1024;
constexpr std::size_t large = 4096;

template <class F>
F* function(const char* name) {
  static void* const library = dlopen((std::string{P2PLAB_NCCL_STAGE} + "/libp2plab.so.1").c_str(), RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<F*>(dlsym(library, name));
}

struct Ranks {
  std::array<p2plab_comm*, 2> comms{};
  std::array<void*, 2> streams{host_stream_create(), host_stream_create()};
  std::array<std::vector<float>, 2> input{std::vector<float>(large, 1), std::vector<float>(large, 2)};
  std::array<std::vector<float>, 2> output{std::vector<float>(large), std::vector<float>(large)};

  void call(std::size_t rank, std::size_t count) {
    EXPECT_EQ(function<decltype(p2plab_all_reduce)>("p2plab_all_reduce")(input[rank].data(), output[rank].data(), count, P2PLAB_FLOAT32, P2PLAB_SUM,
                                                                         comms[rank], streams[rank]),
              P2PLAB_OK);
  }
  void wait() const {
    for (auto* const stream : streams) host_stream_wait(stream);
  }
};

// One on each rank.
struct Graph {
  std::array<void*, 2> graphs{};
  Graph(Ranks& ranks, const std::vector<std::size_t>& counts) {
    for (std::size_t r = 0; r < 2; ++r) {
      host_capture_begin(ranks.streams[r]);
      for (const auto count : counts) ranks.call(r, count);
      graphs[r] = host_capture_end(ranks.streams[r]);
    }
  }
  void replay(const Ranks& ranks, int times) const {
    for (int i = 0; i < times; ++i) {
      for (std::size_t r = 0; r < 2; ++r) host_graph_launch(graphs[r], ranks.streams[r]);
    }
    ranks.wait();
  }
  void destroy() const {
    for (auto* const graph : graphs) host_graph_destroy(graph);
  }
};

// Two graphs, one of them captured twice and destroyed; then the communicator goes, with what was not looked at yet.
TEST(Graphs, GiveSumsWheneverTheyAreReplayed) {
  Ranks ranks;
  p2plab_config config = P2PLAB_CONFIG;
  config.prepare = "";
  constexpr std::array devices{0, 1};
  ASSERT_EQ(function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all")(ranks.comms.data(), 2, devices.data(), &config), P2PLAB_OK);
  for (const auto count : {small, large}) {
    const p2plab_call call{P2PLAB_ALL_REDUCE, count, P2PLAB_FLOAT32, P2PLAB_SUM, 0, 0};
    ASSERT_EQ(function<decltype(p2plab_prepare)>("p2plab_prepare")(ranks.comms[0], &call), P2PLAB_OK);
  }
  for (std::size_t r = 0; r < 2; ++r) ranks.call(r, large);
  ranks.wait();
  const Graph first(ranks, {small, small});
  const Graph second(ranks, {large});
  EXPECT_EQ(ranks.output[0][0], 3);
  ranks.output[0].assign(large, 0);
  second.replay(ranks, 30);
  EXPECT_EQ(ranks.output[0], std::vector<float>(large, 3));
  first.replay(ranks, 100);
  const Graph again(ranks, {small, small});
  first.destroy();
  again.replay(ranks, 5);
  // A child that ends in order has no thread to wait for, and its parent's calls are not its own.
  const auto child = fork();
  if (child == 0) {
    std::size_t all = 0;
    std::exit(function<decltype(p2plab_recorded_replays)>("p2plab_recorded_replays")(nullptr, sizeof(p2plab_recorded), 0, &all) == P2PLAB_UNSUPPORTED
                  ? 0
                  : 1);
  }
  int status = 1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (auto* const comm : ranks.comms) function<decltype(p2plab_comm_destroy)>("p2plab_comm_destroy")(comm);
  for (const auto* graph : {&second, &again}) graph->destroy();
}

RecordedProcess record_of(const char* level, const char* each = "0") {
  const auto records = test::scratch("records").parent_path();
  const auto run =
      test::ran(fmt::format("P2PLAB_MONITOR={} P2PLAB_MONITOR_EACH={} P2PLAB_MONITOR_DIR={} {} --gtest_filter=Graphs.GiveSumsWheneverTheyAreReplayed",
                            level, each, records.string(), std::filesystem::read_symlink("/proc/self/exe").string()));
  EXPECT_EQ(run.code, 0) << run.text;
  const auto files = record_files(records.string());
  if (!files || files->size() != 1) return {};
  auto process = read_records(files->front(), {.steps = true});
  EXPECT_TRUE(process) << process.error().message;
  return process ? *std::move(process) : RecordedProcess{};
}

// By rank and by count of elements, how often each captured call was replayed, in the order of capture.
std::map<std::pair<int, std::uint64_t>, std::vector<std::uint64_t>> replays_of(const RecordedProcess& process) {
  std::map<std::pair<int, std::uint64_t>, std::vector<std::uint64_t>> all;
  for (const auto& each : process.replays) all[{process.sides.at(each.call.side).rank, each.call.count}].push_back(each.replays);
  return all;
}

TEST(ReplayedCalls, AreCountedByCaptureAtLevelBasic) {
  const auto process = record_of("basic");
  ASSERT_EQ(process.sides.size(), 2U);
  const std::map<std::pair<int, std::uint64_t>, std::vector<std::uint64_t>> wanted{
      {{0, small}, {100, 100, 5, 5}}, {{0, large}, {30}}, {{1, small}, {100, 100, 5, 5}}, {{1, large}, {30}}};
  EXPECT_EQ(replays_of(process), wanted);
  EXPECT_EQ(process.calls.size(), 2 * (1 + 2 + 1 + 2U));
  EXPECT_EQ(std::ranges::count_if(process.calls, &RecordedCall::captured), 2 * (2 + 1 + 2));
  EXPECT_EQ(std::ranges::count_if(process.calls, &RecordedCall::replayed), 0);
  std::map<std::uint64_t, int> captures;
  for (const auto& each : process.replays) {
    ++captures[each.capture];
    EXPECT_EQ(kind_word(each.call.kind), "all_reduce");
    EXPECT_FALSE(process.name_of(each.call.algorithm).empty());
    EXPECT_GT(each.least, 0U);
    EXPECT_LE(each.least, each.last);
    EXPECT_LE(each.last, each.most);
    EXPECT_GE(each.sum, each.replays * each.least);
    EXPECT_LE(each.sum, each.replays * each.most);
    EXPECT_GT(each.begun, each.call.begun);
  }
  EXPECT_EQ(captures.size(), 6U);  // three on each rank
  EXPECT_EQ(process.not_counted + process.replays_lost, 0U);
}

TEST(ReplayedCalls, AreCallsWithTimesOfTheirOwnAtLevelDetailed) {
  const auto process = record_of("detailed", "1");
  ASSERT_EQ(process.sides.size(), 2U);
  std::map<std::uint64_t, std::uint64_t> replayed;
  for (const auto& call : process.calls) {
    if (call.replayed) ++replayed[call.graph];
    const bool ran = !call.captured || call.replayed;
    EXPECT_EQ(call.device_time > 0, ran) << call.number;
  }
  ASSERT_EQ(process.replays.size(), 2 * 5U);
  for (std::size_t i = 0; i < process.replays.size(); ++i) EXPECT_EQ(replayed[i], process.replays[i].replays);
  EXPECT_EQ(process.replays_lost, 0U);
}

// The second of the two alike in a graph follows the first.
TEST(ReplayedCalls, ThatFollowOthersAreCountedAndNoCallsOfTheirOwn) {
  const auto process = record_of("detailed");
  ASSERT_EQ(process.sides.size(), 2U);
  std::map<std::uint64_t, std::uint64_t> replayed;
  for (const auto& call : process.calls) {
    if (call.replayed) ++replayed[call.graph];
  }
  ASSERT_EQ(process.replays.size(), 2 * 5U);
  int follow = 0;
  for (std::size_t i = 0; i < process.replays.size(); ++i) {
    const auto& each = process.replays[i];
    EXPECT_EQ(replayed[i], each.call.follows ? 0 : each.replays);
    EXPECT_GT(each.sum, 0U);
    follow += each.call.follows ? 1 : 0;
  }
  EXPECT_EQ(follow, 2 * 2);
  const std::map<std::pair<int, std::uint64_t>, std::vector<std::uint64_t>> wanted{
      {{0, small}, {100, 100, 5, 5}}, {{0, large}, {30}}, {{1, small}, {100, 100, 5, 5}}, {{1, large}, {30}}};
  EXPECT_EQ(replays_of(process), wanted);
}

TEST(ReplayedCalls, HaveTheirStepsAtLevelSteps) {
  const auto process = record_of("steps");
  ASSERT_EQ(process.sides.size(), 2U);
  std::map<std::uint64_t, std::set<std::uint32_t>> steps;
  for (const auto& step : process.steps) {
    const auto& call = process.calls.at(step.call);
    EXPECT_EQ(call.number, step.call);
    EXPECT_GE(step.begun, call.begun);
    EXPECT_LE(step.ended, call.begun + call.device_time);
    steps[step.call].insert(step.step);
  }
  std::map<std::pair<std::uint64_t, int>, std::set<std::set<std::uint32_t>>> kinds;  // by count and rank
  for (const auto& call : process.calls) {
    const bool ran = !call.captured || call.replayed;
    EXPECT_EQ(steps.contains(call.number), ran) << call.number;
    if (ran) kinds[{call.count, process.sides.at(call.side).rank}].insert(steps[call.number]);
  }
  // Every call of one program has the same steps, and of two ranks no two are the same rank's.
  EXPECT_EQ(kinds.size(), 4U);
  for (const auto& [call, sets] : kinds) EXPECT_EQ(sets.size(), 1U) << call.first << " " << call.second;
  EXPECT_EQ(process.steps_lost, 0U);
}

}  // namespace
}  // namespace p2plab::replayed_calls_test
