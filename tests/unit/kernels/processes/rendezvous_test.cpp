// SPDX-License-Identifier: Apache-2.0
// Processes that nobody launched together meet by an invitation: all of them, or all hear the same reason why not.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/run/rendezvous.h"
#include "processes/rendezvous_server.h"
#include "unit/kernels/processes/said_by.h"

namespace p2plab::rendezvous_test {
namespace {

using test::outcome;
using test::said_by;

TEST(Rendezvous, LetsRankZeroHaveASocketForEachOfMany) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{std::min<rlim_t>(256, before.rlim_max), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_TRUE(processes::listen_at("p2plab-test-open-files-" + std::to_string(getpid())));
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, std::min<rlim_t>(4096, before.rlim_max));
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST(Rendezvous, AnyNumberOfProcessesMeetAndExchange) {
  for (const int ranks : {1, 2, 3, 5, 8}) {
    const auto bytes = (*Invitation::make()).bytes();
    const auto all = said_by(ranks, [&](int rank) -> std::string {
      // As others would: late, in any order, with nothing but the bytes.
      std::this_thread::sleep_for(std::chrono::milliseconds((ranks - rank) * 3));
      const auto session = join(*Invitation::from_bytes(bytes), {.rank = rank, .ranks = ranks});
      if (!session) return session.error().message;
      std::string texts;
      for (int round = 0; round < 20; ++round) {
        const auto theirs = (*session)->all_gather(std::to_string(rank * 100 + round));
        if (!theirs) return theirs.error().message;
        if (round == 19) {
          for (const auto& text : *theirs) texts += text + " ";
        }
      }
      return texts;
    });
    std::string wanted;
    for (int r = 0; r < ranks; ++r) wanted += std::to_string(r * 100 + 19) + " ";
    for (const auto& text : all) EXPECT_EQ(text, wanted) << ranks;
  }
}

TEST(Rendezvous, OfOneThatNeverJoinsAllOthersHearByItsNumber) {
  const auto invitation = *Invitation::make();
  const auto all = said_by(3, [&](int rank) {
    if (rank == 1) return std::string{"stayed away"};
    return outcome(join(invitation, {.rank = rank, .ranks = 3, .gathering = Seconds{0.3}}));
  });
  EXPECT_EQ(all, (std::vector<std::string>{"rank 1 of 3 did not come within 0.3 s", "stayed away", "rank 1 of 3 did not come within 0.3 s"}));
}

TEST(Rendezvous, WithoutRankZeroTheOthersEndInTime) {
  const auto invitation = *Invitation::make();
  EXPECT_EQ(outcome(join(invitation, {.rank = 1, .ranks = 2, .gathering = Seconds{0.2}})), "rank 0 did not come within 0.2 s");
}

TEST(Rendezvous, OfOneThatIsKilledWhileTheOthersWaitAllHearAtOnce) {
  const auto invitation = *Invitation::make();
  const auto begun = std::chrono::steady_clock::now();
  const auto all = said_by(3, [&](int rank) -> std::string {
    const auto session = join(invitation, {.rank = rank, .ranks = 3});
    if (!session) return session.error().message;
    if (rank == 2) kill(getpid(), SIGKILL);
    const auto theirs = (*session)->all_gather("here");
    return theirs ? "answered" : theirs.error().message.substr(0, 20);
  });
  EXPECT_EQ(all[0], "rank 2: its process ");
  EXPECT_EQ(all[1], all[0]);
  EXPECT_EQ(all[2], "killed");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

TEST(Rendezvous, OfOneThatGivesUpAllHearWhy) {
  const auto invitation = *Invitation::make();
  const auto all = said_by(2, [&](int rank) -> std::string {
    const auto session = join(invitation, {.rank = rank, .ranks = 2});
    if (!session) return session.error().message;
    if (rank == 1) abandon(**session, "had enough");
    const auto theirs = (*session)->all_gather("here");
    return theirs ? "answered" : theirs.error().message;
  });
  EXPECT_EQ(all, (std::vector<std::string>{"rank 1: had enough", "had enough"}));
}

TEST(Rendezvous, AnotherVersionOrNumberOfRanksTurnsAllBackWithOneSentence) {
  const auto invitation = *Invitation::make();
  const auto versions = said_by(3, [&](int rank) { return outcome(join(invitation, {.rank = rank, .ranks = 3, .version = rank == 1 ? 9 : 0})); });
  EXPECT_EQ(versions, std::vector<std::string>(3, "rank 1 speaks version 9 of the protocol, rank 0 version 4"));
  const auto counts = said_by(2, [&](int rank) { return outcome(join(*Invitation::make(), {.rank = 5, .ranks = 2 + rank})); });
  EXPECT_EQ(counts[0], "rank 5 of 2: ranks are 0 to n-1, of at most 1024");
  const auto other = *Invitation::make();
  const auto different = said_by(2, [&](int rank) { return outcome(join(other, {.rank = rank, .ranks = 2 + rank})); });
  EXPECT_EQ(different, std::vector<std::string>(2, "rank 1 came to a job of 3 ranks, rank 0 to one of 2 ranks"));
}

TEST(Rendezvous, ARankThatComesTwiceIsFound) {
  const auto invitation = *Invitation::make();
  const auto all = said_by(3, [&](int rank) { return outcome(join(invitation, {.rank = rank == 2 ? 1 : rank, .ranks = 3})); });
  for (const auto& text : all) EXPECT_EQ(text.substr(0, 29), "rank 1 came twice: as process") << text;
}

// Strangers who say nothing, nonsense, or go at once do not keep the ranks from meeting.
// Names that follow from a job's can be guessed.
TEST(Rendezvous, NobodyFollowsAnotherUsersRankZero) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be two users";
  const std::string name = "p2plab-test-another-user-" + std::to_string(getpid());
  std::array<int, 2> ready{};
  ASSERT_EQ(pipe(ready.data()), 0);
  const auto other = fork();
  if (other == 0) {
    if (setuid(65534) != 0) _exit(1);
    const auto listener = processes::listen_at(name);
    if (write(ready[1], "x", 1) == 1) pause();
    _exit(listener ? 0 : 1);
  }
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  const auto met = processes::connect_to(name, {}, Seconds{5});
  EXPECT_EQ(met ? std::string{"met"} : met.error().message, "where rank 0 is awaited listens a process of another user");
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
}

TEST(Rendezvous, StrangersHarmNobody) {
  const auto invitation = *Invitation::make();
  std::vector<FileDescriptor> silent;
  std::jthread noise([&](const std::stop_token& stop) {
    for (int i = 0; i < 20 && !stop.stop_requested(); ++i) {
      auto socket = processes::connect_to(invitation.place(), {}, Seconds{0.2});
      if (!socket) continue;
      if (i % 2 == 0) [[maybe_unused]]
        const auto written = write(socket->get(), "nonsense", 8);
      silent.push_back(*std::move(socket));
    }
  });
  const auto all = said_by(2, [&](int rank) {
    std::this_thread::sleep_for(std::chrono::milliseconds(rank * 50));
    return outcome(join(invitation, {.rank = rank, .ranks = 2}));
  });
  EXPECT_EQ(all, std::vector<std::string>(2, "joined"));
}

TEST(Rendezvous, BytesThatAreNoInvitationAreRefused) {
  const auto good = (*Invitation::make()).bytes();
  EXPECT_EQ(Invitation::from_bytes(good)->bytes(), good);
  const auto message = [](const std::array<char, Invitation::size>& bytes) {
    const auto read = Invitation::from_bytes(bytes);
    return read ? std::string{"taken"} : read.error().message;
  };
  EXPECT_EQ(message({}), "this is no unique id of p2plab, or one of another version");
  std::array<char, Invitation::size> full{};
  full.fill('x');
  EXPECT_EQ(message(full), "this is no unique id of p2plab");
  auto elsewhere = good;
  elsewhere[16] = elsewhere[16] == '0' ? '1' : '0';
  EXPECT_EQ(message(elsewhere), "this unique id was made on another machine: all ranks of a communicator live on one, or meet at an address");
  // Whatever one byte becomes, it is this place or refused.
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char byte : {'\0', ' ', 'g', '/', '\x7f'}) {
      auto bytes = good;
      bytes[i] = byte;
      const auto read = Invitation::from_bytes(bytes);
      if (read) {
        EXPECT_EQ(read->place().size(), 39U);
      }
    }
  }
  EXPECT_EQ(Invitation::named("a").place(), Invitation::named("a").place());
  EXPECT_NE(Invitation::named("a").place(), Invitation::named("b").place());
}

}  // namespace
}  // namespace p2plab::rendezvous_test
