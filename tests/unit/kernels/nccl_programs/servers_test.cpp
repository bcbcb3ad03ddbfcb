// SPDX-License-Identifier: Apache-2.0
// Communicators over several servers, on GPUs that are CPU threads: processes that NCCL_HOSTID tells apart, messages between them by an NCCL that
// moves data. P2PLAB_SERVERS_CALLS says how many calls each job makes (60 if it is not set).
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/c/p2plab.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "support/host_gpu/free_address.h"
#include "support/scratch.h"
#include "unit/kernels/shim/program.h"

namespace p2plab::servers_test {
namespace {

const std::string stage = P2PLAB_NCCL_STAGE;

int calls() {
  const char* text = std::getenv("P2PLAB_SERVERS_CALLS");
  return text == nullptr ? 60 : std::atoi(text);
}

struct JobOfServers {
  std::vector<int> server_of;  // by rank
  std::string settings = {};
  std::string meeting = "exchange";
  int seed = 1;
};

test::Ran run(const JobOfServers& job) {
  const auto folder = test::scratch(fmt::format("servers_{}", job.seed));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  auto command =
      fmt::format("export P2PLAB_TEST_FOLDER={} P2PLAB_NCCL={}/nccl/libnccl.so.2 P2PLAB_PREPARE= {}; ", folder.string(), stage, job.settings);
  for (std::size_t r = 0; r < job.server_of.size(); ++r)
    command += fmt::format("NCCL_HOSTID=s{} {}/p2plab_servers_client {}/libp2plab.so.1 {} {} {} {} {} & jobs=\"$jobs $!\"; ", job.server_of[r], stage,
                           stage, job.meeting, r, job.server_of.size(), calls(), job.seed);
  const auto ran = test::ran("{ " + command + "code=0; for job in $jobs; do wait $job || code=1; done; exit $code; }");
  std::filesystem::remove_all(folder);
  return ran;
}

void expect_right(const test::Ran& ran, std::size_t ranks, const std::string& words) {
  ASSERT_EQ(ran.code, 0) << ran.text;
  for (std::size_t r = 0; r < ranks; ++r)
    EXPECT_NE(ran.text.find(fmt::format("rank {}: {} calls right; {}", r, calls(), words)), std::string::npos) << ran.text;
}

TEST(CommunicatorsOverServers, ServeAllCollectivesByStages) {
  expect_right(run({.server_of = {0, 1}, .settings = "P2PLAB_BACKEND=p2p"}), 2, "p2p: one_shot: ");
  expect_right(run({.server_of = {0, 0, 1, 1}, .settings = "P2PLAB_BACKEND=p2p", .seed = 2}), 4, "p2p: hierarchical: ");
}

TEST(CommunicatorsOverServers, SendOneSliceWhileAnotherIsWithinTheServers) {
  const auto ran = run({.server_of = {0, 0, 1, 1}, .settings = "P2PLAB_BACKEND=p2p P2PLAB_SLICES=4 P2PLAB_TEST_LARGE=1", .seed = 10});
  ASSERT_EQ(ran.code, 0) << ran.text;
  for (int r = 0; r < 4; ++r)
    EXPECT_NE(ran.text.find(fmt::format("rank {}: large ones right: p2p: hierarchical: 3 stages over 2 servers", r)), std::string::npos) << ran.text;
  EXPECT_NE(ran.text.find("2 slices, one on the network while another is within the servers"), std::string::npos) << ran.text;
}

// Also in graphs, whose captures the other communicators' streams join; so large all-reduces of two ranks are no longer NCCL's.
TEST(CommunicatorsOverServers, SendByAsManyCommunicatorsAsAreAskedFor) {
  const auto ran = run({.server_of = {0, 1}, .settings = "P2PLAB_CARRIERS=3 P2PLAB_TEST_LARGE=1", .seed = 40});
  ASSERT_EQ(ran.code, 0) << ran.text;
  for (int r = 0; r < 2; ++r) EXPECT_NE(ran.text.find(fmt::format("rank {}: large ones right: p2p: two_shot: ", r)), std::string::npos) << ran.text;
  EXPECT_NE(ran.text.find("; messages by 3 communicators, in parts of 64 KiB and more"), std::string::npos) << ran.text;
  const auto mates = run({.server_of = {0, 0, 1, 1}, .settings = "P2PLAB_BACKEND=p2p P2PLAB_CARRIERS=3 P2PLAB_CARRIER_PART=1", .seed = 47});
  expect_right(mates, 4, "p2p: hierarchical: 3 stages over 2 servers; on CPU threads; messages by 3 communicators, in parts of 1 KiB and more");
  const auto other = run({.server_of = {0, 1}, .settings = "P2PLAB_CARRIERS=9", .seed = 43});
  EXPECT_NE(other.code, 0);
  EXPECT_NE(other.text.find("P2PLAB_CARRIERS"), std::string::npos) << other.text;
}

// As it was measured to pay: over sockets, between servers of one rank.
TEST(CommunicatorsOverServers, SendBySeveralCommunicatorsOverSocketsBetweenSingleRanks) {
  const std::string settings = "P2PLAB_TEST_ALL_REDUCES=1 P2PLAB_BACKEND=p2p NCCL_NET_PLUGIN=none ";
  const auto sockets = run({.server_of = {0, 1}, .settings = settings + "NCCL_NET=Socket", .seed = 44});
  expect_right(sockets, 2, "p2p: one_shot: ");
  EXPECT_NE(sockets.text.find("messages by 4 communicators"), std::string::npos) << sockets.text;
  const auto other = run({.server_of = {0, 1}, .settings = settings + "NCCL_NET=IB", .seed = 45});
  EXPECT_EQ(other.code, 0) << other.text;
  EXPECT_EQ(other.text.find("communicators"), std::string::npos) << other.text;
  const auto mates = run({.server_of = {0, 1, 1}, .settings = settings + "NCCL_NET=Socket", .seed = 46});
  EXPECT_EQ(mates.code, 0) << mates.text;
  EXPECT_EQ(mates.text.find("communicators"), std::string::npos) << mates.text;
}

TEST(CommunicatorsOverServers, ServeRanksThatAreSpreadUnevenly) {
  expect_right(run({.server_of = {0, 1, 0, 2}, .settings = "P2PLAB_BACKEND=p2p", .seed = 3}), 4, "p2p: ");
}

TEST(CommunicatorsOverServers, ServeThroughTheHostWhereThereIsNoPeerAccess) {
  expect_right(run({.server_of = {0, 0, 1}, .settings = "P2PLAB_BACKEND=host", .seed = 4}), 3, "host: ");
}

// What was not measured over servers is NCCL's, and the reason is told.
TEST(CommunicatorsOverServers, LeaveToNcclWhatItIsFasterAt) {
  const auto ran = run({.server_of = {0, 1}, .settings = "NCCL_NET=Socket", .seed = 5});
  expect_right(ran, 2, "p2p: one_shot: ");
  EXPECT_NE(ran.text.find("; nccl 2.28.9: of a broadcast of 2 ranks over servers nothing is known"), std::string::npos) << ran.text;
  const auto other = run({.server_of = {0, 1}, .settings = "P2PLAB_TEST_ALL_REDUCES=1 NCCL_NET=IB", .seed = 47});
  expect_right(other, 2, "nccl 2.28.9: of an all_reduce over servers whose network is no socket of NCCL's nothing is known");
}

// A table that has one plan for all sizes; `nccl`: at 1 KiB it was measured to take 10 us and NCCL 20, at 4 KiB 30 and NCCL 20.
std::string table_of(const std::string& planner, const std::string& machine, bool nccl = false) {
  const auto topology = resolve_topology(machine);
  expects(static_cast<bool>(topology));
  const auto collective = make_collective(CollectiveKind::all_reduce, topology->ranks());
  const auto planners = builtin_planners();
  const auto plan = planners.find(planner)->make()->plan(*topology, collective, {.payload = {.elements = 1024}});
  expects(static_cast<bool>(plan));
  TunedTable table{.topology = *topology, .dtype = DataType::float32, .profile = "h200", .bands = {}};
  TunedBand band{.algorithm = {.name = planner, .parameters = plan->parameters}, .plan = *plan, .reason = "the only one", .sizes = {}};
  band.sizes.push_back({.size = 1_KiB, .predicted = Seconds{1e-5}});
  if (nccl) {
    band.sizes.front().measured = MeasuredSize{.time = Seconds{10e-6}, .nccl = Seconds{20e-6}, .plans = 1};
    band.sizes.push_back(
        {.size = 4_KiB, .predicted = Seconds{3e-5}, .measured = MeasuredSize{.time = Seconds{30e-6}, .nccl = Seconds{20e-6}, .plans = 1}});
    table.measured = MeasuredOn{.executor = "cuda", .version = "0", .date = "today"};
  }
  table.bands.push_back(std::move(band));
  const auto text = write_tuned_yaml(table);
  expects(static_cast<bool>(text));
  const auto path = test::scratch(planner + ".yaml");
  std::ofstream(path) << *text;
  return path.string();
}

TEST(CommunicatorsOverServers, RunThePlansOfTables) {
  int seed = 20;
  for (const auto* planner : {"hierarchical", "ring", "forest"}) {
    const auto settings = "P2PLAB_TEST_ALL_REDUCES=1 P2PLAB_BACKEND=p2p P2PLAB_TUNED=" + table_of(planner, "hgx-h200:nodes=2,gpus=2");
    expect_right(run({.server_of = {0, 0, 1, 1}, .settings = settings, .seed = ++seed}), 4, fmt::format("p2p: {}: ", planner));
  }
}

// So what `auto` takes by a table that was measured beside NCCL is nowhere slower than NCCL.
TEST(CommunicatorsOverServers, LeaveToNcclTheSizesAtWhichATableMeasuredItAsFaster) {
  const auto settings = "P2PLAB_TEST_ALL_REDUCES=1 P2PLAB_TUNED=" + table_of("one_shot", "hgx-h200:nodes=2,gpus=1", true);
  const auto ran = run({.server_of = {0, 1}, .settings = settings, .seed = 50});
  expect_right(ran, 2, "nccl 2.28.9: 20 us for all_reduce, 30 us for the fastest plan, as the table measured at 4 KiB");
}

TEST(CommunicatorsOverServers, RefuseTablesOfOtherServers) {
  const auto settings = "P2PLAB_TEST_ALL_REDUCES=1 P2PLAB_TUNED=" + table_of("ring", "hgx-h200:nodes=2,gpus=2");
  const auto ran = run({.server_of = {0, 1, 0, 1}, .settings = settings, .seed = 30});
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.text.find("between its ranks 0 and 1 there is NVLink, here a network"), std::string::npos) << ran.text;
  const auto one = run({.server_of = {0, 0, 0, 0}, .settings = settings, .seed = 31});
  EXPECT_NE(one.text.find("between its ranks 0 and 2 there is a network, here NVLink"), std::string::npos) << one.text;
}

TEST(CommunicatorsOverServers, MeetAtAnAddress) {
  expect_right(run({.server_of = {0, 1, 1}, .settings = "P2PLAB_BACKEND=p2p", .meeting = test::free_address(), .seed = 6}), 3, "p2p: ");
}

// Each of the others names it within seconds, and a new communicator without it works.
void expect_that_others_go_on(const test::Ran& ran, std::size_t ranks, const std::string& words) {
  for (std::size_t r = 0; r + 1 < ranks; ++r) {
    EXPECT_NE(ran.text.find(fmt::format("rank {} heard after seconds: ", r)), std::string::npos) << ran.text;
    EXPECT_NE(ran.text.find(fmt::format("rank {}: {} calls right; ", r, calls())), std::string::npos) << ran.text;
  }
  std::size_t named = 0;
  for (auto at = ran.text.find(words); at != std::string::npos; at = ran.text.find(words, at + 1)) ++named;
  EXPECT_GE(named, ranks - 1) << ran.text;
}

TEST(CommunicatorsOverServers, NameARankThatIsKilledAndGoOnWithoutIt) {
  const auto ran = run({.server_of = {0, 0, 1}, .settings = fmt::format("P2PLAB_BACKEND=p2p P2PLAB_TEST_LOSS={}", SIGKILL), .seed = 8});
  expect_that_others_go_on(ran, 3, "rank 2: its process (");
}

TEST(CommunicatorsOverServers, NameARankThatIsStoppedAndGoOnWithoutIt) {
  const auto ran =
      run({.server_of = {0, 1, 1}, .settings = fmt::format("P2PLAB_SILENCE=5 P2PLAB_BACKEND=p2p P2PLAB_TEST_LOSS={}", SIGSTOP), .seed = 9});
  expect_that_others_go_on(ran, 3, "rank 2 (");
}

TEST(CommunicatorsOverServers, AreNotDestroyedBeforeGraphsThatHoldTheirCalls) {
  const auto ran =
      run({.server_of = {0, 1}, .settings = "P2PLAB_BACKEND=p2p P2PLAB_CARRIERS=2 P2PLAB_DEADLINE=0.3 P2PLAB_TEST_HELD_GRAPH=1", .seed = 60});
  expect_right(ran, 2, "p2p: one_shot: ");
  for (int r = 0; r < 2; ++r) {
    const auto words = fmt::format("rank {} leaves: {}: error: CUDA graphs (1) still hold calls of rank {}, and NCCL", r, int{P2PLAB_INVALID}, r);
    EXPECT_NE(ran.text.find(words), std::string::npos) << ran.text;
  }
}

TEST(CommunicatorsOverServers, NeedNccl) {
  const auto ran = run({.server_of = {0, 1}, .settings = "P2PLAB_NCCL=/nowhere", .seed = 7});
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.text.find("the ranks are on 2 servers, between which NCCL carries data: "), std::string::npos) << ran.text;
}

}  // namespace
}  // namespace p2plab::servers_test
