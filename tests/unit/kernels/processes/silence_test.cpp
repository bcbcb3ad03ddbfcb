// SPDX-License-Identifier: Apache-2.0
// Processes that stand still are named in bounded time, wherever they are; those that are only late are waited for.
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "processes/message.h"
#include "processes/silence.h"
#include "support/host_gpu/free_address.h"
#include "unit/kernels/processes/said_by.h"

namespace p2plab::silence_test {
namespace {

using test::said_by;

// One rank stops; `other`, who hears of it, ends it.
std::vector<std::string> stopped(const Invitation& place, int which, int other) {
  return said_by(3, [&](int rank) -> std::string {
    const auto session = join(place, {.rank = rank, .ranks = 3, .silence = Seconds{1}});
    if (!session) return session.error().message;
    const auto numbers = (*session)->all_gather(std::to_string(getpid()));
    if (!numbers) return numbers.error().message;
    if (rank == which) raise(SIGSTOP);
    const auto theirs = (*session)->all_gather("here");
    if (rank == other) kill(std::stoi((*numbers)[static_cast<std::size_t>(which)]), SIGKILL);
    return theirs ? "answered" : theirs.error().message;
  });
}

// While ranks gather nobody may answer, so a stopped one's socket fills.
TEST(RanksThatStandStill, DoNotKeepWhoTellsThemThatItLives) {
  for (const int type : {SOCK_SEQPACKET, SOCK_STREAM}) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, type, 0, ends.data()), 0);
    const FileDescriptor here{ends[0]};
    FileDescriptor there{ends[1]};
    for (int word = 0; word < 20'000; ++word) ASSERT_TRUE(processes::send_if_room(here.get(), {.kind = processes::MessageKind::alive, .rank = -1}));
    EXPECT_EQ(processes::receive(there.get())->kind, processes::MessageKind::alive);
    there = {};
    EXPECT_FALSE(processes::send_if_room(here.get(), {}));
  }
}

TEST(RanksThatStandStill, AreNamedToAll) {
  const auto began = std::chrono::steady_clock::now();
  const auto over_tcp = stopped(*Invitation::at(test::free_address()), 2, 0);
  EXPECT_NE(over_tcp[0].find("nothing was heard of the process of rank 2 ("), std::string::npos) << over_tcp[0];
  EXPECT_EQ(over_tcp[1], over_tcp[0]);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(RanksThatStandStill, AreNamedWhereTheSystemSaysSo) {
  const auto place = *Invitation::make();
  const auto all = said_by(2, [&](int rank) -> std::string {
    const auto session = join(place, {.rank = rank, .ranks = 2});  // silence for 10 s would be none
    if (!session) return session.error().message;
    const auto numbers = (*session)->all_gather(std::to_string(getpid()));
    if (rank == 1) raise(SIGSTOP);
    const auto theirs = (*session)->all_gather("here");
    kill(std::stoi(numbers->back()), SIGKILL);
    return theirs ? "answered" : theirs.error().message;
  });
  EXPECT_NE(all[0].find(") was stopped by a signal and stands still"), std::string::npos) << all[0];
}

TEST(RanksThatStandStill, MayBeTheOneThatServesTheOthers) {
  const auto all = stopped(*Invitation::at(test::free_address()), 0, 1);
  EXPECT_EQ(all[1], "nothing was heard of the process of rank 0, where the ranks met, for 1 s: it, or its machine, stands still");
}

// Who waits for a late rank hears meanwhile that the others live.
TEST(RanksThatAreLate, AreWaitedForBeyondASilence) {
  const auto place = *Invitation::at(test::free_address());
  const auto all = said_by(2, [&](int rank) {
    std::this_thread::sleep_for(std::chrono::milliseconds(rank * 2500));
    return test::outcome(join(place, {.rank = rank, .ranks = 2, .silence = Seconds{2}}));
  });
  EXPECT_EQ(all, std::vector<std::string>(2, "joined"));
}

TEST(Silence, CountsLooksSinceTheLastWord) {
  processes::Silence silence(Seconds{1});
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(silence.look());
  silence.heard();
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(silence.look());
  EXPECT_TRUE(silence.look());
}

TEST(Silence, LastsForAsLongAsTheVariableSays) {
  EXPECT_EQ(*processes::silence_limit(), Seconds{10});
  setenv("P2PLAB_SILENCE", "30", 1);
  EXPECT_EQ(*processes::silence_limit(), Seconds{30});
  EXPECT_EQ(*processes::silence_limit(Seconds{2}), Seconds{2});
  for (const auto* text : {"", "0", "0.5", "soon", "1e9"}) {
    setenv("P2PLAB_SILENCE", text, 1);
    const auto limit = processes::silence_limit();
    ASSERT_FALSE(limit) << text;
    EXPECT_NE(limit.error().message.find(fmt::format("P2PLAB_SILENCE='{}': a process may be silent for 1 to 86400 s", text)), std::string::npos);
  }
  unsetenv("P2PLAB_SILENCE");
}

}  // namespace
}  // namespace p2plab::silence_test
