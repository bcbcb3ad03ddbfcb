// SPDX-License-Identifier: Apache-2.0
// Over TCP nothing is read of who has not shown the secret; ranks with another one are told, and strangers keep nobody.
#include <sys/socket.h>

#include <chrono>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "processes/message.h"
#include "processes/rendezvous_server.h"
#include "processes/tcp.h"
#include "support/host_gpu/free_address.h"
#include "unit/kernels/processes/said_by.h"

namespace p2plab::secret_test {
namespace {

using processes::TcpAddress;
using processes::Token;
using test::outcome;
using test::said_by;

const std::string secret = "a secret of the job";

// As another process would send it.
std::string hello(int rank, int ranks) {
  std::array<int, 2> ends{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const FileDescriptor here{ends[0]};
  const FileDescriptor there{ends[1]};
  processes::send(here.get(), {.rank = rank, .text = processes::greeting(ranks, processes::machine_here())});
  std::array<char, 4096> bytes{};
  const auto size = recv(there.get(), bytes.data(), bytes.size(), 0);
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

TEST(SecretsOfJobs, LetTheRanksMeet) {
  const auto place = *Invitation::from_bytes(Invitation::at(test::free_address(), secret)->bytes());
  EXPECT_EQ(place.token().size(), 32U);
  const auto all = said_by(3, [&](int rank) { return outcome(join(place, {.rank = rank, .ranks = 3})); });
  EXPECT_EQ(all, std::vector<std::string>(3, "joined"));
}

TEST(SecretsOfJobs, AreMissedAloudWhereOthersReachTheAddress) {
  EXPECT_EQ(Invitation::at("node1:29500")->warning(), "whoever reaches node1:29500 can take a rank's place: P2PLAB_SECRET is not set");
  EXPECT_EQ(Invitation::at("node1:29500", secret)->warning(), "");
  for (const auto* here : {"127.0.0.1:29500", "localhost:29500", "[::1]:29500"}) EXPECT_EQ(Invitation::at(here)->warning(), "") << here;
  EXPECT_EQ(Invitation::make()->warning(), "");
}

TEST(SecretsOfJobs, AreLongEnough) {
  EXPECT_TRUE(Invitation::at("127.0.0.1:29500", "0123456789abcdef"));
  const auto guessed = Invitation::at("127.0.0.1:29500", "1234");
  ASSERT_FALSE(guessed);
  EXPECT_EQ(guessed.error().message, "a secret of 4 characters is easily guessed: it needs 16");
}

// One sentence for the rank without it, at once, and one for the others when their time is over.
TEST(SecretsOfJobs, ThatDifferAreNamed) {
  const auto address = test::free_address();
  const auto all = said_by(2, [&](int rank) {
    const auto place = rank == 0 ? Invitation::at(address, secret) : Invitation::at(address);
    return outcome(join(*place, {.rank = rank, .ranks = 2, .gathering = Seconds{0.5}}));
  });
  EXPECT_EQ(all[0], "rank 1 of 2 (1 came with another secret) did not come within 0.5 s");
  EXPECT_EQ(all[1], fmt::format("rank 0 was not met at {}: who listens there has another secret", address));
}

// Nobody takes a rank's place with a greeting that is right but for the secret; nobody keeps the ranks waiting.
TEST(SecretsOfJobs, KeepStrangersFromRanksPlaces) {
  const auto address = test::free_address();
  const auto place = *Invitation::at(address, secret);
  std::jthread noise([&](const std::stop_token& stop) {
    std::mt19937 random(1);
    std::vector<FileDescriptor> kept;
    for (int i = 0; i < 300 && !stop.stop_requested(); ++i) {
      FileDescriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
      const auto where = *TcpAddress::parse(address);
      sockaddr_in to{
          .sin_family = AF_INET, .sin_port = htons(static_cast<std::uint16_t>(where.port)), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
      if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) continue;
      std::string bytes(random() % 80, '\0');
      for (auto& byte : bytes) byte = static_cast<char>(random());
      if (i % 3 == 0) bytes = std::string(32, '\0') + hello(1, 2);
      if (i % 3 == 1) bytes = hello(1, 2);
      [[maybe_unused]] const auto sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      kept.push_back(std::move(socket));
    }
  });
  const auto all = said_by(2, [&](int rank) {
    std::this_thread::sleep_for(std::chrono::milliseconds(rank * 200));
    const auto session = join(place, {.rank = rank, .ranks = 2});
    if (!session) return session.error().message;
    const auto numbers = (*session)->all_gather("rank " + std::to_string(rank));
    return numbers ? numbers->back() : numbers.error().message;
  });
  EXPECT_EQ(all, std::vector<std::string>(2, "rank 1"));
}

// Random bytes, whole messages with changed ones, cut ones: what comes out is a message or nothing, soon.
TEST(Messages, OfRandomBytesAreMessagesOrNone) {
  std::mt19937 random(7);
  const auto good = hello(3, 5);
  int taken = 0;
  for (int i = 0; i < 2000; ++i) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    const FileDescriptor here{ends[0]};
    auto bytes = i % 2 == 0 ? good : std::string(random() % 200, '\0');
    for (auto& byte : bytes) {
      if (i % 2 == 1 || random() % 40 == 0) byte = static_cast<char>(random());
    }
    if (i % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    {
      const FileDescriptor there{ends[1]};
      ASSERT_EQ(::send(there.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    }
    while (const auto message = processes::receive(here.get())) {
      EXPECT_LE(message->text.size(), processes::longest_text);
      ++taken;
    }
  }
  EXPECT_GT(taken, 100);
}

}  // namespace
}  // namespace p2plab::secret_test
