// SPDX-License-Identifier: Apache-2.0
// Faults in real processes: ranks that wait for each other in shared memory and record their calls; one is killed, stopped, or calls something else.
// What is recorded names it while the others still wait.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <functional>
#include <new>
#include <thread>

#include <gtest/gtest.h>

#include "monitor/explain.h"
#include "monitor/recorder.h"
#include "monitor/watcher.h"
#include "support/scratch.h"

namespace p2plab::monitor::live_faults_test {
namespace {

constexpr int ranks = 3;
constexpr int odd = 1;
constexpr int calls = 50;
constexpr int bad_call = 40;

using Counts = std::array<std::atomic<int>, 64>;

// What a rank does before call `c`, and the call that it then makes; a rank that names another one never meets the others.
using Act = std::function<void(int rank, int c, CallInfo& info)>;

void rank_main(const std::string& folder, Counts& arrived, int rank, const Act& act) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto recorder = Recorder::open({.source = "host", .level = Level::detailed, .folder = folder.c_str(), .calls = 256});
  const int side = recorder == nullptr ? -1 : recorder->add_side({.communicator = 9, .rank = rank, .ranks = ranks, .name = "world"});
  for (int c = 0; c < calls; ++c) {
    CallInfo info{.count = 256, .bytes = 1024, .kind = all_reduce, .type = 7, .op = 0, .backend = Backend::cpu};
    act(rank, c, info);
    const bool joins = info.kind == all_reduce && info.count == 256;
    const auto number = recorder->begin(side, info);
    auto& here = arrived.at(static_cast<std::size_t>(c));
    if (joins) ++here;
    while (here < ranks) std::this_thread::sleep_for(std::chrono::microseconds{200});
    recorder->end(number, Progress::done);
  }
  recorder->close_side(side);
}

class LiveFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    void* const memory = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    arrived_ = new (memory) Counts{};
    folder_ = test::scratch("records").parent_path().string();
  }
  void start(const Act& act) {
    for (int rank = 0; rank < ranks; ++rank) {
      const auto pid = fork();
      if (pid == 0) {
        rank_main(folder_, *arrived_, rank, act);
        _exit(0);
      }
      children_.push_back(pid);
    }
  }
  // Looks until something is said, as `p2plab monitor` does; at most 5 s.
  std::vector<Verdict> verdicts() {
    Watcher watcher({.folder = folder_});
    for (int look = 0; look < 100; ++look) {
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
      // A child that was killed is gone once it was waited for.
      for (const auto pid : children_) waitpid(pid, nullptr, WNOHANG);
      EXPECT_TRUE(watcher.look());
      const auto now = watcher.current(true);
      if (now.size() < ranks) continue;
      auto found = explain(logs_of(now, monotonic_now()), {.stuck = Seconds{0.1}, .straggles = Seconds{3600}});
      if (!found.empty()) return found;
    }
    return {};
  }
  void TearDown() override {
    for (const auto pid : children_) kill(pid, SIGKILL);
    for (const auto pid : children_) waitpid(pid, nullptr, 0);
    munmap(arrived_, sizeof(Counts));
  }
  void names(Cause cause, const Act& act) {
    start(act);
    const auto found = verdicts();
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(to_string(found.front().cause), to_string(cause)) << found.front().what;
    EXPECT_EQ(found.front().rank, odd) << found.front().what;
  }
  Counts* arrived_ = nullptr;
  std::string folder_;
  std::vector<pid_t> children_;
};

TEST_F(LiveFaults, ARankThatWasKilledIsNamed) {
  names(Cause::rank_died, [](int rank, int c, CallInfo&) {
    if (rank == odd && c == bad_call) raise(SIGKILL);
  });
}

TEST_F(LiveFaults, ARankThatWasStoppedIsNamed) {
  names(Cause::rank_stopped, [](int rank, int c, CallInfo&) {
    if (rank == odd && c == bad_call) raise(SIGSTOP);
  });
}

TEST_F(LiveFaults, ARankThatDoesNotComeIsNamed) {
  names(Cause::rank_is_late, [](int rank, int c, CallInfo&) {
    if (rank == odd && c == bad_call) std::this_thread::sleep_for(std::chrono::hours{1});
  });
}

TEST_F(LiveFaults, ARankThatCallsAnotherCollectiveIsNamed) {
  names(Cause::different_collectives, [](int rank, int c, CallInfo& info) {
    if (rank == odd && c == bad_call) info.kind = static_cast<Kind>(2);
  });
}

TEST_F(LiveFaults, ARankThatGivesAnotherSizeIsNamed) {
  names(Cause::sizes_differ, [](int rank, int c, CallInfo& info) {
    if (rank == odd && c == bad_call) info.count = 255;
  });
}

// Who waits for it begins early and ends late; it begins late.
TEST_F(LiveFaults, ARankThatIsTenMillisecondsLateIsNamedAndNotThoseWhoWait) {
  start([](int rank, int, CallInfo&) {
    if (rank == odd) std::this_thread::sleep_for(std::chrono::milliseconds{10});
  });
  for (const auto pid : children_) waitpid(pid, nullptr, 0);
  Watcher watcher({.folder = folder_});
  ASSERT_TRUE(watcher.look());
  const auto found = explain(logs_of(watcher.current(true), monotonic_now()));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().cause, Cause::straggler);
  EXPECT_EQ(found.front().rank, odd) << found.front().what;
}

TEST_F(LiveFaults, OfRanksThatEndInOrderNothingIsSaid) {
  start([](int, int, CallInfo&) {});
  for (const auto pid : children_) waitpid(pid, nullptr, 0);
  Watcher watcher({.folder = folder_});
  ASSERT_TRUE(watcher.look());
  const auto all = watcher.current(true);
  ASSERT_EQ(all.size(), 3U);
  const auto found = explain(logs_of(all, monotonic_now() + 10'000'000'000), {.straggles = Seconds{3600}});
  EXPECT_TRUE(found.empty()) << found.front().what;
  EXPECT_EQ(all.front()->calls.size(), static_cast<std::size_t>(calls));
}

}  // namespace
}  // namespace p2plab::monitor::live_faults_test
