// SPDX-License-Identifier: Apache-2.0
// Ranks that never wait for each other choose alike: programs are made late, at any moment, while calls go on.
#include <algorithm>
#include <chrono>
#include <functional>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/run/processes.h"
#include "runtime/agreed_programs.h"

namespace p2plab::agreed_programs_test {
namespace {

using namespace runtime;
using std::chrono::microseconds;

class Nothing final : public ReadyProgram {
 public:
  NotedItems noted(int) const override { return {}; }
  Status run(int, const Call&, const DeviceBuffers&, void*) const override { return {}; }
  Status state() const override { return {}; }
  std::string describe() const override { return "nothing"; }
};

// Takes its time, refuses odd counts.
class SlowMaker final : public ProgramMaker {
 public:
  explicit SlowMaker(unsigned seed, Session* session = nullptr, int longest = 3000) : random_(seed), session_(session), longest_(longest) {}
  Result<std::unique_ptr<ReadyProgram>> make(const Call& call) override {
    if (session_ != nullptr) {
      const auto all = session_->all_gather(runtime::describe(call));
      if (!all) return all.error();
      if (std::ranges::find(*all, "over") != all->end()) return Error{ErrorCode::unsupported, "another rank declines"};
      for (const auto& theirs : *all) {
        if (theirs != all->front()) return Error{ErrorCode::unsupported, "ranks make different programs"};
      }
    }
    ++made_;
    std::this_thread::sleep_for(microseconds(random_() % static_cast<unsigned>(longest_)));
    if (call.count % 2 == 1) return Error{ErrorCode::unsupported, fmt::format("{} is odd", call.count)};
    return std::unique_ptr<ReadyProgram>(std::make_unique<Nothing>());
  }
  void decline(const Call&, const Error&) override {
    if (session_ != nullptr) static_cast<void>(static_cast<bool>(session_->all_gather("over")));
  }
  int made() const { return made_; }

 private:
  std::atomic<int> made_ = 0;
  std::mt19937 random_;
  Session* session_;
  int longest_;
};

Call of(std::int64_t count) { return {.kind = CollectiveKind::all_reduce, .type = DataType::float16, .count = count}; }

// At least 3000 calls of ten lengths, in an order that all ranks share, each rank at a pace of its own: by which calls were served, as text.
Result<std::string> served_by(Session& session, unsigned seed) {
  SlowMaker maker(seed * 100 + static_cast<unsigned>(session.rank()), &session);
  AgreedPrograms programs(&session, maker, {.ranks_here = {session.rank()}});
  std::mt19937 common(seed);
  std::mt19937 own(seed + 1000 * static_cast<unsigned>(session.rank() + 1));
  std::string served;
  std::optional<Call> wider;
  if (seed % 2 == 0) {
    wider = of(100);
    programs.want(*wider);
  }
  // On a busy machine all 3000 may pass before a program is made: then more, as many on all ranks if they are served alike.
  bool any = false;
  for (int i = 0; i < 3000 || (!any && i < 1'000'000); ++i) {
    const auto program = programs.next(session.rank(), of(static_cast<std::int64_t>(1 + common() % 10)), wider, false);
    if (!program) return program.error();
    any = any || *program != nullptr;
    served += *program != nullptr ? '1' : '0';
    if (own() % 16 == 0) std::this_thread::sleep_for(microseconds(own() % 100));
  }
  programs.finish();
  return served;
}

TEST(AgreedPrograms, ServeTheSameCallsOnAllRanks) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    const auto outcomes = run_processes({.ranks = seed == 4 ? 5 : 3}, [&](Session& session) -> Status {
      const auto served = served_by(session, seed);
      if (!served) return served.error();
      // The texts of all, compared by all; the session is free again.
      const auto all = session.all_gather(*served);
      if (!all) return all.error();
      for (const auto& theirs : *all) {
        if (theirs != *served) return Error{ErrorCode::verification_failed, "ranks were served differently"};
      }
      if (served->find('1') == std::string::npos || served->front() == '1') return Error{ErrorCode::verification_failed, "all or nothing was served"};
      return {};
    });
    ASSERT_TRUE(outcomes);
    for (const auto& outcome : *outcomes) EXPECT_TRUE(outcome) << seed << ": " << describe(outcome.error());
  }
}

// Ranks that had others serve them at first begin at different calls, some of which had asked for programs already.
TEST(AgreedPrograms, CountTheCallsThatOthersServed) {
  const auto outcomes = run_processes({.ranks = 3}, [](Session& session) -> Status {
    SlowMaker maker(7, &session);
    const auto rank = session.rank();
    AgreedPrograms programs(&session, maker, {.ranks_here = {rank}});
    std::vector<Call> calls;
    std::mt19937 common(17);
    for (int i = 0; i < 3000; ++i) calls.push_back(of(static_cast<std::int64_t>(1 + common() % 40)));
    const auto first = static_cast<std::size_t>(97 * rank);
    programs.want(of(2));
    programs.count(rank, std::span(calls).first(first));
    std::string served(first, '0');
    for (auto i = first; i < calls.size(); ++i) {
      const auto program = programs.next(rank, calls[i], std::nullopt, false);
      if (!program) return program.error();
      served += *program != nullptr ? '1' : '0';
      std::this_thread::sleep_for(microseconds(20));
    }
    for (const int count : {2, 20, 40}) {
      if (auto ready = programs.prepare(of(count)); !ready) return ready;
    }
    programs.finish();
    const auto all = session.all_gather(served);
    if (!all) return all.error();
    for (const auto& theirs : *all) {
      if (theirs != served) return Error{ErrorCode::verification_failed, "ranks were served differently"};
    }
    const auto begun = served.find('1');
    if (begun == std::string::npos || begun < 2 * 97) return Error{ErrorCode::verification_failed, fmt::format("served from call {}", begun)};
    // All programs that can be made were made: none was refused because ranks meant different ones.
    for (const int count : {2, 20, 40}) {
      if (!programs.describe(of(count)).starts_with("nothing")) return Error{ErrorCode::verification_failed, programs.describe(of(count))};
    }
    return {};
  });
  ASSERT_TRUE(outcomes);
  for (const auto& outcome : *outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

// Whoever ends a communicator does not wait for the hundreds of programs that its calls may have asked for; one rank ends earlier than the other.
TEST(AgreedPrograms, FinishDeclinesWhatWasOnlyAskedFor) {
  const auto outcomes = run_processes({.ranks = 2}, [](Session& session) -> Status {
    SlowMaker maker(13, &session, 40'000);
    const auto rank = session.rank();
    AgreedPrograms programs(&session, maker, {.ranks_here = {rank}});
    constexpr int asked = 100;
    for (int i = 1; i <= asked; ++i) programs.want(of(2 * i));
    if (rank == 1) std::this_thread::sleep_for(microseconds(20'000));
    programs.finish();
    if (maker.made() >= asked) return Error{ErrorCode::verification_failed, "all were made"};
    const auto last = programs.describe(of(2 * asked));
    if (!last.starts_with("no program: ")) return Error{ErrorCode::verification_failed, last};
    // Both made the same ones.
    const auto all = session.all_gather(std::to_string(programs.size()));
    if (!all) return all.error();
    return all->front() == all->back() ? Status{} : Status{Error{ErrorCode::verification_failed, "ranks made different programs"}};
  });
  ASSERT_TRUE(outcomes);
  for (const auto& outcome : *outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

// Where nothing else can serve, a call waits for its program, and the call that waits is the first that it serves.
TEST(AgreedPrograms, ACallWithoutAnythingElseWaitsForItsProgram) {
  const auto outcomes = run_processes({.ranks = 2}, [](Session& session) -> Status {
    SlowMaker maker(11, &session);
    const auto rank = session.rank();
    AgreedPrograms programs(&session, maker, {.ranks_here = {rank}});
    for (const int count : {2, 4, 2, 6, 8, 8}) {
      if (rank == 1) std::this_thread::sleep_for(microseconds(500));
      const auto program = programs.next(rank, of(count), std::nullopt, true);
      if (!program) return program.error();
      if (*program == nullptr) return Error{ErrorCode::verification_failed, "a call went by unserved"};
    }
    const auto odd = programs.next(rank, of(3), std::nullopt, true);
    if (odd || odd.error().message != "rank 0: 3 is odd") return Error{ErrorCode::verification_failed, odd ? "taken" : odd.error().message};
    programs.finish();
    return {};
  });
  ASSERT_TRUE(outcomes);
  for (const auto& outcome : *outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

TEST(AgreedPrograms, RanksOfOneProcessNeedNoSession) {
  SlowMaker maker(5);
  AgreedPrograms programs(nullptr, maker, {.ranks_here = {0, 1, 2}});
  std::array<std::string, 3> served;
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < 3; ++rank) {
      threads.emplace_back([&, rank] {
        std::mt19937 own(static_cast<unsigned>(rank));
        for (int i = 0; i < 2000; ++i) {
          const auto program = programs.next(rank, of(1 + i % 7), std::nullopt, false);
          served[static_cast<std::size_t>(rank)] += program && *program != nullptr ? '1' : '0';
          if (own() % 8 == 0) std::this_thread::sleep_for(microseconds(own() % 50));
        }
      });
    }
  }
  EXPECT_EQ(served[0], served[1]);
  EXPECT_EQ(served[0], served[2]);
  EXPECT_NE(served[0].find('1'), std::string::npos);
  EXPECT_EQ(programs.describe(of(3)), "no program: 3 is odd");
  EXPECT_EQ(programs.prepare(of(20)) ? "" : "refused", std::string{});
  EXPECT_EQ(programs.prepare(of(21)) ? "" : "refused", std::string{"refused"});
}

// A rank that ends leaves the others with what is ready, and with the reason why there is no more.
TEST(AgreedPrograms, ALostRankEndsWhatIsMadeAndNothingWaits) {
  const auto outcomes = run_processes({.ranks = 2, .timeout = Seconds{2}}, [](Session& session) -> Status {
    SlowMaker maker(3);
    const auto rank = session.rank();
    AgreedPrograms programs(&session, maker, {.ranks_here = {rank}});
    if (auto ready = programs.prepare(of(2)); !ready) return ready;
    if (rank == 1) _exit(3);
    const auto refused = programs.prepare(of(4));
    if (refused) return Error{ErrorCode::verification_failed, "made without the other rank"};
    const auto ready = programs.next(rank, of(2), std::nullopt, false);
    if (!ready || *ready == nullptr) return Error{ErrorCode::verification_failed, "what was ready is gone"};
    const auto state = programs.state();
    return state ? Status{Error{ErrorCode::verification_failed, "no word of the loss"}} : Status{};
  });
  ASSERT_TRUE(outcomes);
  EXPECT_TRUE((*outcomes)[0]) << describe((*outcomes)[0].error());
  EXPECT_FALSE((*outcomes)[1]);
}

}  // namespace
}  // namespace p2plab::agreed_programs_test
