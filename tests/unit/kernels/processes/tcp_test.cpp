// SPDX-License-Identifier: Apache-2.0
// Ranks that meet at a TCP address: the same as at a Unix socket, files by their names, and an end to every wait.
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "processes/message.h"
#include "processes/shared_memory.h"
#include "processes/tcp.h"
#include "support/host_gpu/free_address.h"
#include "unit/kernels/processes/said_by.h"

namespace p2plab::tcp_test {
namespace {

using processes::TcpAddress;
using test::free_address;
using test::outcome;
using test::said_by;

Invitation invitation_to(const std::string& address) {
  // As others would get it: as bytes.
  return *Invitation::from_bytes(Invitation::at(address)->bytes());
}

// Who sends a byte now and then keeps nobody: a message that has begun is whole soon, or none.
TEST(RendezvousOverTcp, AMessageThatDripsInIsGivenUp) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const FileDescriptor here{ends[0]};
  const FileDescriptor there{ends[1]};
  const auto began = std::chrono::steady_clock::now();
  std::thread stranger([&] {
    while (::send(there.get(), "p", 1, MSG_NOSIGNAL) == 1) std::this_thread::sleep_for(std::chrono::milliseconds(250));
  });
  EXPECT_FALSE(processes::receive(here.get()));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(4));
  shutdown(here.get(), SHUT_RDWR);
  stranger.join();
}

TEST(RendezvousOverTcp, AnyNumberOfProcessesMeetAndExchangeLongTexts) {
  for (const int ranks : {1, 2, 5}) {
    const auto address = free_address();
    const auto all = said_by(ranks, [&](int rank) -> std::string {
      std::this_thread::sleep_for(std::chrono::milliseconds((ranks - rank) * 5));
      const auto session = join(invitation_to(address), {.rank = rank, .ranks = ranks});
      if (!session) return session.error().message;
      for (int round = 0; round < 5; ++round) {
        const auto length = static_cast<std::size_t>(round % 2 == 0 ? 60 << 10 : 0);
        const auto theirs = (*session)->all_gather(std::string(length, static_cast<char>('a' + rank)));
        if (!theirs) return theirs.error().message;
        for (std::size_t r = 0; r < theirs->size(); ++r) {
          if ((*theirs)[r] != std::string(length, static_cast<char>('a' + r))) return fmt::format("rank {} sent another text", r);
        }
      }
      return "all right";
    });
    EXPECT_EQ(all, std::vector<std::string>(static_cast<std::size_t>(ranks), "all right"));
  }
}

TEST(RendezvousOverTcp, OpenFilesAreSharedAsTheyAreOverUnixSockets) {
  const auto address = free_address();
  const auto all = said_by(3, [&](int rank) -> std::string {
    const auto session = join(invitation_to(address), {.rank = rank, .ranks = 3});
    if (!session) return session.error().message;
    std::string texts;
    for (int round = 0; round < 10; ++round) {
      const auto own = processes::make_shared_file(Bytes{4096});
      const auto mine = processes::Mapping::map(own->get(), Bytes{4096});
      mine->bytes()[0] = static_cast<std::byte>('a' + rank);
      const auto files = (*session)->share(own->get());
      if (!files) return files.error().message;
      for (const auto& file : *files) {
        const auto theirs = processes::Mapping::map(file.get(), Bytes{4096});
        if (!theirs) return theirs.error().message;
        texts += static_cast<char>(theirs->bytes()[0]);
        theirs->bytes()[1 + static_cast<std::size_t>(rank)] = std::byte{1};
      }
      if (auto met = (*session)->barrier(); !met) return met.error().message;
      for (std::size_t r = 0; r < 3; ++r) {
        if (mine->bytes()[1 + r] != std::byte{1}) return fmt::format("what rank {} wrote is not seen", r);
      }
    }
    return texts;
  });
  EXPECT_EQ(all, std::vector<std::string>(3, "abcabcabcabcabcabcabcabcabcabc"));
}

TEST(RendezvousOverTcp, OneAddressServesOneJobAfterAnother) {
  const auto address = free_address();
  const auto all = said_by(3, [&](int rank) -> std::string {
    for (int job = 0; job < 20; ++job) {
      const auto session = join(invitation_to(address), {.rank = rank, .ranks = 3});
      if (!session) return session.error().message;
    }
    return "20 jobs";
  });
  EXPECT_EQ(all, std::vector<std::string>(3, "20 jobs"));
}

TEST(RendezvousOverTcp, RanksOfAnotherMachineTurnAllBackWithOneSentence) {
  const auto address = free_address();
  const auto all =
      said_by(3, [&](int rank) { return outcome(join(invitation_to(address), {.rank = rank, .ranks = 3, .machine = rank == 1 ? "another" : ""})); });
  EXPECT_EQ(all, std::vector<std::string>(3, "rank 1 is on another machine than rank 0: all ranks of a communicator live on one"));
}

TEST(RendezvousOverTcp, WithoutRankZeroOrWithOthersListeningTheWaitEnds) {
  const auto address = free_address();
  EXPECT_EQ(outcome(join(invitation_to(address), {.rank = 1, .ranks = 2, .gathering = Seconds{0.2}})),
            "rank 0 was not met at " + address + " within 0.2 s: nobody listens there");
  // Some other server: silent, as one that waits for a request; or one that greets.
  const auto other = processes::listen_at(*TcpAddress::parse(address));
  ASSERT_TRUE(other);
  EXPECT_EQ(outcome(join(invitation_to(address), {.rank = 1, .ranks = 2, .gathering = Seconds{0.2}})),
            "rank 0 was not met at " + address + " within 0.2 s: who listens there does not answer as p2plab does");
  EXPECT_EQ(outcome(join(invitation_to(address), {.rank = 0, .ranks = 2})),
            "rank 0 cannot wait for the others at " + address + ": another program listens there");
  const auto greets = free_address();
  const auto listener = processes::listen_at(*TcpAddress::parse(greets));
  std::jthread server([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const FileDescriptor taken{accept(listener->get(), nullptr, nullptr)};
      if (taken.get() >= 0) [[maybe_unused]]
        const auto sent = send(taken.get(), "220 mail", 8, MSG_NOSIGNAL);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  EXPECT_EQ(outcome(join(invitation_to(greets), {.rank = 1, .ranks = 2, .gathering = Seconds{5}})),
            "rank 0 was not met at " + greets + " within 5 s: who listens there is not p2plab");
}

TEST(RendezvousOverTcp, OfOneThatIsKilledAllHearAtOnce) {
  const auto address = free_address();
  const auto all = said_by(3, [&](int rank) -> std::string {
    const auto session = join(invitation_to(address), {.rank = rank, .ranks = 3});
    if (!session) return session.error().message;
    if (rank == 2) kill(getpid(), SIGKILL);
    const auto theirs = (*session)->all_gather("here");
    return theirs ? "answered" : theirs.error().message.substr(0, 20);
  });
  EXPECT_EQ(all, (std::vector<std::string>{"rank 2: its process ", "rank 2: its process ", "killed"}));
}

// Strangers who say nothing, or only the beginning of something, do not keep the ranks from meeting.
TEST(RendezvousOverTcp, StrangersHarmNobody) {
  const auto address = free_address();
  std::vector<FileDescriptor> kept;
  std::jthread noise([&](const std::stop_token& stop) {
    for (int i = 0; i < 9 && !stop.stop_requested(); ++i) {
      auto socket = processes::connect_to(*TcpAddress::parse(address), {}, Seconds{0.3});
      if (!socket) continue;
      constexpr std::array<std::string_view, 3> said{"", "1p2p", "GET / HTTP/1.1\r\nHost: here\r\n\r\n"};
      const auto text = said[static_cast<std::size_t>(i) % said.size()];
      [[maybe_unused]] const auto sent = send(socket->get(), text.data(), text.size(), MSG_NOSIGNAL);
      kept.push_back(*std::move(socket));
    }
  });
  const auto all = said_by(2, [&](int rank) {
    std::this_thread::sleep_for(std::chrono::milliseconds(rank * 100));
    return outcome(join(invitation_to(address), {.rank = rank, .ranks = 2}));
  });
  EXPECT_EQ(all, std::vector<std::string>(2, "joined"));
}

TEST(RendezvousOverTcp, AddressesAreReadStrictly) {
  EXPECT_EQ(TcpAddress::parse("[::1]:29500")->host, "::1");
  EXPECT_EQ(TcpAddress::parse("[::1]:29500")->text(), "[::1]:29500");
  EXPECT_EQ(TcpAddress::parse("node-3.rack_1:65535")->port, 65535);
  for (const std::string text :
       {"", ":", "host", "host:", ":1", "host:0", "host:65536", "host:-1", "host:1x", "host: 1", "a b:1", "::1:80", "a/b:1"}) {
    const auto read = Invitation::at(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().message.substr(0, text.size() + 27), "'" + text + "' is no address to meet at") << read.error().message;
  }
  EXPECT_FALSE(Invitation::at(std::string(61, 'a') + ":29500"));
  EXPECT_TRUE(Invitation::at(std::string(60, 'a') + ":29500")->bytes().back() == 0);
}

// A number that leads to another file, as it would in another PID namespace, is not taken for the right one.
TEST(RendezvousOverTcp, AFileThatIsAnotherIsRefused) {
  const auto file = processes::make_shared_file(Bytes{4096});
  EXPECT_TRUE(processes::open_file(processes::name_of_file(file->get())));
  const auto wrong = fmt::format("{} {} 1 1", getpid(), file->get());
  const auto refused = processes::open_file(wrong);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("it is another file"), std::string::npos) << refused.error().message;
  for (const auto* text : {"", "1", "no file", "2147483647 3 1 1"}) EXPECT_FALSE(processes::open_file(text)) << text;
}

}  // namespace
}  // namespace p2plab::tcp_test
