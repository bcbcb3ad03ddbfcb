// SPDX-License-Identifier: Apache-2.0
// Groups of messages over TCP: all at once, in order for each pair; who loses step or dies is named.
#include "stages/tcp_transport.h"

#include <unistd.h>

#include <numeric>

#include <gtest/gtest.h>

#include "p2plab/run/processes.h"

namespace p2plab::tcp_transport_test {
namespace {

using stages::TcpTransport;
using stages::Transfer;

std::vector<Status> on_ranks(int ranks, Seconds deadline, const std::function<Status(Session&, TcpTransport&)>& body) {
  auto outcomes = run_processes({.ranks = ranks}, [&](Session& session) -> Status {
    const std::atomic<bool> stop{false};
    TcpTransport transport(session, stop, deadline);
    std::vector<Rank> peers;
    for (int r = 0; r < ranks; ++r) {
      if (r != session.rank()) peers.push_back(Rank{r});
    }
    if (auto connected = transport.connect(peers); !connected) return connected;
    return body(session, transport);
  });
  EXPECT_TRUE(outcomes);
  return outcomes ? *std::move(outcomes) : std::vector<Status>{};
}

Error wrong(std::string what) { return Error{ErrorCode::verification_failed, std::move(what)}; }

// Everybody sends everybody two messages of its own at once, larger than what sockets hold.
TEST(TcpTransport, AGroupMovesAllAtOnceAndInOrder) {
  constexpr std::size_t count = 1 << 18;
  const auto outcomes = on_ranks(3, Seconds{30}, [](Session& session, TcpTransport& transport) -> Status {
    for (int round = 0; round < 3; ++round) {
      std::vector<std::uint32_t> mine(2 * count);
      std::iota(mine.begin(), mine.end(), static_cast<std::uint32_t>(session.rank() * 10'000'000 + round));
      std::vector<std::vector<std::uint32_t>> got(3, std::vector<std::uint32_t>(2 * count));
      std::vector<Transfer> sends;
      std::vector<Transfer> receives;
      for (int peer = 0; peer < 3; ++peer) {
        if (peer == session.rank()) continue;
        for (std::size_t half = 0; half < 2; ++half) {
          sends.push_back({Rank{peer}, mine.data() + half * count, count * 4});
          receives.push_back({Rank{peer}, got[static_cast<std::size_t>(peer)].data() + half * count, count * 4});
        }
      }
      if (auto done = transport.exchange(sends, receives, nullptr); !done) return done;
      for (int peer = 0; peer < 3; ++peer) {
        if (peer == session.rank()) continue;
        for (std::size_t i = 0; i < 2 * count; ++i) {
          if (got[static_cast<std::size_t>(peer)][i] != static_cast<std::uint32_t>(peer * 10'000'000 + round) + i) return wrong("not what was sent");
        }
      }
    }
    return {};
  });
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

TEST(TcpTransport, ARankThatHasLostStepIsNamedAndNothingOfItIsWritten) {
  const auto outcomes = on_ranks(2, Seconds{1}, [](Session& session, TcpTransport& transport) -> Status {
    std::uint64_t value = 7;
    if (session.rank() == 0) {
      const std::uint32_t half = 1;
      std::uint32_t copy = half;
      const Transfer send{Rank{1}, &copy, sizeof copy};
      auto done = transport.exchange({&send, 1}, {}, nullptr);
      return done ? session.barrier() : std::move(done);
    }
    const Transfer receive{Rank{0}, &value, sizeof value};
    const auto done = transport.exchange({}, {&receive, 1}, nullptr);
    if (auto all = session.barrier(); !all) return all;
    if (done || value != 7) return wrong("four bytes were taken for eight");
    if (done.error().message != "group 1: rank 0 sends 4 bytes as group 1, where 8 bytes of group 1 are due") return wrong(done.error().message);
    return {};
  });
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

TEST(TcpTransport, ARankThatSendsNothingIsNamedAtTheDeadline) {
  const auto outcomes = on_ranks(2, Seconds{1}, [](Session& session, TcpTransport& transport) -> Status {
    Status good;
    if (session.rank() == 1) {
      std::uint64_t value = 0;
      const Transfer receive{Rank{0}, &value, sizeof value};
      const auto done = transport.exchange({}, {&receive, 1}, nullptr);
      if (done || done.error().message != "group 1: rank 0 has sent nothing for 1 s") good = wrong(done ? "it came" : done.error().message);
    }
    auto all = session.barrier();
    return good ? std::move(all) : std::move(good);
  });
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome) << describe(outcome.error());
}

}  // namespace
}  // namespace p2plab::tcp_transport_test
