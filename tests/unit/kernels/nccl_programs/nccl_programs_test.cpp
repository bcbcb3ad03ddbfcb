// SPDX-License-Identifier: Apache-2.0
// Programs of NCCL calls, drawn from seeds, under the shim: what is served and what is passed on are right side by side, whatever is in groups, in
// place, split, on two streams, of ten types. P2PLAB_NCCL_PROGRAMS says how many run (300 if it is not set).
#include <cstdlib>
#include <filesystem>
#include <regex>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/run/monitor.h"
#include "support/scratch.h"
#include "unit/kernels/shim/program.h"

namespace p2plab::nccl_programs_test {
namespace {

const std::string stage = P2PLAB_NCCL_STAGE;

struct Told {
  long calls = 0;
  long served = 0;
  long passed_on = 0;
};

// Sums over the lines "rank 0: 800 calls right; served 300, passed on 500 (...)", of which there must be one a rank.
Told told(const std::string& text, int ranks) {
  Told sum;
  const std::regex line(R"(rank \d+: (\d+) calls right; served (\d+), passed on (\d+) )");
  int lines = 0;
  for (auto found = std::sregex_iterator(text.begin(), text.end(), line); found != std::sregex_iterator(); ++found, ++lines) {
    sum.calls += std::stol((*found)[1]);
    sum.served += std::stol((*found)[2]);
    sum.passed_on += std::stol((*found)[3]);
  }
  EXPECT_EQ(lines, ranks) << text;
  return sum;
}

// `server_of`: by rank; empty: all are of one. `others`: what all ranks but the first load; empty: the same.
test::Ran job(const std::string& settings, const std::string& library, int ranks, int programs, int seed, const std::vector<int>& server_of = {},
              const std::string& others = {}) {
  const auto folder = test::scratch(fmt::format("nccl_programs_{}_{}", seed, ranks));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  auto command = fmt::format("export P2PLAB_TEST_FOLDER={} P2PLAB_NCCL={}/nccl/libnccl.so.2 {}; ", folder.string(), stage, settings);
  for (int r = 0; r < ranks; ++r) {
    if (!server_of.empty()) command += fmt::format("NCCL_HOSTID=s{} ", server_of[static_cast<std::size_t>(r)]);
    command += fmt::format("{}/p2plab_nccl_client {} {} {} {} {} & jobs=\"$jobs $!\"; ", stage, r > 0 && !others.empty() ? others : library, r, ranks,
                           programs, seed);
  }
  const auto run = test::ran("{ " + command + "code=0; for job in $jobs; do wait $job || code=1; done; exit $code; }");
  std::filesystem::remove_all(folder);
  return run;
}

int programs() {
  const char* text = std::getenv("P2PLAB_NCCL_PROGRAMS");
  return text == nullptr ? 300 : std::atoi(text);
}

TEST(NcclPrograms, AreRightBeforeTheShimStandsThere) {
  const auto run = job("", stage + "/nccl/libnccl.so.2", 3, 10, 1);
  EXPECT_EQ(run.code, 0) << run.text;
  EXPECT_NE(run.text.find("calls right; NCCL itself"), std::string::npos) << run.text;
}

// A rank with the shim and others without it: NCCL serves all of it, in one order, also within groups.
TEST(NcclPrograms, AreRightWhereOnlyOneRankHasTheShim) {
  const auto run = job("P2PLAB_JOIN=0.05", stage + "/libp2plab-nccl.so", 3, programs() / 10, 2, {}, stage + "/nccl/libnccl.so.2");
  EXPECT_EQ(run.code, 0) << run.text;
  EXPECT_NE(run.text.find("calls right; served 0, "), std::string::npos) << run.text;
}

TEST(NcclPrograms, AreRightUnderTheShimWhoeverServesThem) {
  constexpr int jobs = 6;
  Told all;
  for (int seed = 1; seed <= jobs; ++seed) {
    const int ranks = 2 + seed % 3;
    // Of every other job some sizes are ready from the beginning; of the others all is made while calls go on.
    const std::string settings = seed % 2 == 0 ? "P2PLAB_PREPARE=all_reduce:float32:sum:256B-4KiB,all_gather:1KiB,broadcast:8KiB" : "P2PLAB_PREPARE=";
    const auto run = job(settings, stage + "/libp2plab-nccl.so", ranks, std::max(1, programs() / jobs), seed);
    ASSERT_EQ(run.code, 0) << "seed " << seed << ": " << run.text;
    const auto sum = told(run.text, ranks);
    all.calls += sum.calls;
    all.served += sum.served;
    all.passed_on += sum.passed_on;
  }
  RecordProperty("calls", static_cast<int>(all.calls));
  RecordProperty("served", static_cast<int>(all.served));
  EXPECT_GT(all.served, all.calls / 10) << all.passed_on << " of " << all.calls << " were passed on";
  EXPECT_GT(all.passed_on, all.calls / 10);
}

TEST(NcclPrograms, AreNcclsWhereItWasAskedFor) {
  const auto run = job("P2PLAB_BACKEND=nccl", stage + "/libp2plab-nccl.so", 2, 5, 7);
  ASSERT_EQ(run.code, 0) << run.text;
  EXPECT_EQ(told(run.text, 2).served, 0) << run.text;
  EXPECT_NE(run.text.find(", left to NCCL "), std::string::npos) << run.text;
}

// What the shim says that it served and passed on is what is recorded, each call once by the shim, and once more by libp2plab if that served it.
TEST(NcclPrograms, AreRecordedCallByCall) {
  const auto records = test::scratch("records/x").parent_path();
  std::filesystem::create_directories(records);
  const auto settings =
      fmt::format("P2PLAB_MONITOR=detailed P2PLAB_MONITOR_DIR={} P2PLAB_PREPARE=all_reduce:float32:sum:256B-4KiB", records.string());
  const auto run = job(settings, stage + "/libp2plab-nccl.so", 2, std::max(1, programs() / 10), 5);
  ASSERT_EQ(run.code, 0) << run.text;
  const auto all = told(run.text, 2);
  long served = 0;
  long passed_on = 0;
  long inside = 0;
  long timed = 0;
  const auto files = record_files(records.string());
  ASSERT_TRUE(files);
  for (const auto& file : *files) {
    const auto process = read_records(file);
    ASSERT_TRUE(process) << process.error().message;
    EXPECT_EQ(process->state, ProcessState::ended);
    EXPECT_EQ(process->dropped, 0U);
    for (const auto& call : process->calls) {
      passed_on += call.passed_on ? 1 : 0;
      inside += call.recorded_inside ? 1 : 0;
      if (process->source != "p2plab" || call.progress != CallProgress::queued) continue;
      ++served;
      timed += call.device_time != 0 ? 1 : 0;
      EXPECT_FALSE(process->name_of(call.algorithm).empty());
      EXPECT_EQ(backend_word(call.backend), "p2p");
    }
  }
  EXPECT_EQ(served, all.served);
  EXPECT_EQ(inside, all.served);
  // Sends and receives are NCCL's and not recorded here.
  long pairs = 0;
  const std::regex others(R"(other calls (\d+))");
  for (auto found = std::sregex_iterator(run.text.begin(), run.text.end(), others); found != std::sregex_iterator(); ++found)
    pairs += std::stol((*found)[1]);
  EXPECT_EQ(passed_on, all.passed_on - pairs);
  EXPECT_GT(timed, served / 2);
}

// Through the host's memory the same comes out, said once.
TEST(NcclPrograms, AreRightWithoutPeerAccess) {
  const auto run = job("P2PLAB_TEST_REACH=none P2PLAB_PREPARE=", stage + "/libp2plab-nccl.so", 3, std::max(1, programs() / 10), 99);
  ASSERT_EQ(run.code, 0) << run.text;
  EXPECT_NE(run.text.find("there is no peer access between GPU"), std::string::npos) << run.text;
  EXPECT_GT(told(run.text, 3).served, programs() / 10);
}

test::Ran job_over(const std::vector<int>& server_of, const std::string& settings, int programs, int seed) {
  return job("P2PLAB_PREPARE= " + settings, stage + "/libp2plab-nccl.so", static_cast<int>(server_of.size()), std::max(1, programs), seed, server_of);
}

// What our plans by stages serve, in groups and out of them, and what NCCL serves are right side by side.
TEST(NcclPrograms, OverServersAreServedByStagesWhereThatIsAskedFor) {
  int seed = 100;
  for (const auto& servers : {std::vector{0, 1}, {0, 0, 1, 1}, {0, 1, 0}}) {
    const auto run = job_over(servers, "P2PLAB_BACKEND=p2p", programs() / 10, ++seed);
    ASSERT_EQ(run.code, 0) << run.text;
    EXPECT_GT(told(run.text, static_cast<int>(servers.size())).served, programs() / 10) << run.text;
    EXPECT_NE(run.text.find(" on 2 servers: plans by stages serve what they are known to be faster at, NCCL the rest"), std::string::npos)
        << run.text;
  }
}

// By further communicators, which the shim makes by the program's NCCL.
TEST(NcclPrograms, OverServersAreServedBySeveralCommunicators) {
  const auto run = job_over({0, 1}, "P2PLAB_BACKEND=p2p P2PLAB_CARRIERS=3 P2PLAB_CARRIER_PART=1", programs() / 10, 64);
  ASSERT_EQ(run.code, 0) << run.text;
  EXPECT_GT(told(run.text, 2).served, programs() / 10) << run.text;
}

// What nobody has measured is NCCL's; all-reduces of two ranks are ours.
TEST(NcclPrograms, OverServersAreNcclsWhereItIsNotKnownToBeSlower) {
  const auto two = job_over({0, 1}, "NCCL_NET=Socket", programs() / 10, 120);
  ASSERT_EQ(two.code, 0) << two.text;
  EXPECT_GT(told(two.text, 2).served, 0) << two.text;
  EXPECT_NE(two.text.find(", left to NCCL "), std::string::npos) << two.text;
  const auto three = job_over({0, 1, 2}, "", programs() / 30, 121);
  ASSERT_EQ(three.code, 0) << three.text;
  const auto all = told(three.text, 3);
  EXPECT_GT(all.passed_on, 5 * all.served) << three.text;  // parts of it are of one rank, or of two
}

// NCCL_COMM_ID is read by each rank for itself: then ranks meet on one machine only. NCCL's order of sums is none that is fixed.
TEST(NcclPrograms, OverServersAreRightWithoutAPlaceToMeetAndAnOrderOfSumsIsRefused) {
  EXPECT_EQ(job_over({0, 1}, "NCCL_COMM_ID=127.0.0.1:1 P2PLAB_BACKEND=p2p", programs() / 30, 130).code, 0);
  const auto fixed = job_over({0, 1}, "P2PLAB_ORDER=fixed", 1, 140);
  EXPECT_NE(fixed.text.find("NCCL serves all calls: error: the ranks are on 2 servers"), std::string::npos) << fixed.text;
}

}  // namespace
}  // namespace p2plab::nccl_programs_test
