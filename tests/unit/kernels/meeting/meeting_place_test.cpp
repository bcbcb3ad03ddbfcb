// SPDX-License-Identifier: Apache-2.0
// Ranks that were given a place in a few bytes exchange there what they need to meet, whoever else comes by.
#include "meeting/meeting_place.h"

#include <pthread.h>
#include <sys/socket.h>

#include <chrono>
#include <csignal>
#include <future>
#include <thread>

#include <gtest/gtest.h>

namespace p2plab::processes::meeting_place_test {
namespace {

const std::string secret = "0123456789abcdef0123456789abcdef";

// A place of a test's own, at loopback.
struct OpenPlace {
  PlaceToMeet place;
  std::unique_ptr<MeetingPlace> server;
};

OpenPlace open_place() {
  auto port = listen_at_any_port("127.0.0.1");
  EXPECT_TRUE(port);
  OpenPlace open{{port->address, token_of(secret)}, nullptr};
  open.server = std::make_unique<MeetingPlace>(std::move(port->listener), open.place.token);
  return open;
}

TEST(PlaceToMeet, IsTheSameAfterItsBytes) {
  for (const auto* host : {"127.0.0.1", "10.20.30.40", "2001:db8::17", "::1"}) {
    const PlaceToMeet place{{.host = host, .port = 54321}, token_of(secret)};
    const auto again = PlaceToMeet::from(place.bytes());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->address.text(), place.address.text());
    EXPECT_TRUE(equal(again->token, place.token));
  }
  EXPECT_FALSE(PlaceToMeet::from(std::array<char, PlaceToMeet::size>{}));
}

TEST(MeetingPlace, GivesEveryRankWhatAllGave) {
  const auto open = open_place();
  std::vector<std::future<Result<std::vector<std::string>>>> ranks;
  // Two exchanges at once, of 9 and 3 ranks.
  for (int r = 0; r < 12; ++r) {
    ranks.push_back(std::async(std::launch::async, [&, r] {
      const bool first = r < 9;
      return exchange_at(open.place, first ? "a" : "b", first ? r : r - 9, first ? 9 : 3, "rank " + std::to_string(100 + r), Seconds{10});
    }));
  }
  for (int r = 0; r < 12; ++r) {
    const auto all = ranks[static_cast<std::size_t>(r)].get();
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_EQ(all->size(), r < 9 ? 9U : 3U);
    EXPECT_EQ(all->back(), r < 9 ? "rank 108" : "rank 111");
  }
}

TEST(MeetingPlace, IsOpenToNobodyWithAnotherSecretAndGoesOn) {
  const auto open = open_place();
  auto stranger = open.place;
  stranger.token = token_of("f" + secret.substr(1));
  const auto refused = exchange_at(stranger, "a", 0, 1, "x", Seconds{5});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("has another secret"), std::string::npos) << refused.error().message;
  // One that says nothing, and one that leaves amid its word.
  const auto silent = connect_to(open.place.address, open.place.token, Seconds{5});
  ASSERT_TRUE(silent);
  {
    const auto leaving = connect_to(open.place.address, open.place.token, Seconds{5});
    ASSERT_TRUE(leaving);
    EXPECT_EQ(::send(leaving->get(), "abc", 3, MSG_NOSIGNAL), 3);
  }
  EXPECT_TRUE(exchange_at(open.place, "a", 0, 1, "x", Seconds{5}));
}

TEST(MeetingPlace, AnExchangeThatLacksARankEndsInTime) {
  const auto open = open_place();
  const auto alone = exchange_at(open.place, "a", 0, 2, "x", Seconds{0.1});
  ASSERT_FALSE(alone);
  EXPECT_NE(alone.error().message.find("not all 2 ranks came within 0.1 s at 127.0.0.1:"), std::string::npos) << alone.error().message;
}

// A handler after which the system goes on waiting, as signal(2) sets them.
TEST(MeetingPlace, SignalsDoNotMakeAnExchangeWaitLonger) {
  struct sigaction quiet {};
  quiet.sa_handler = [](int) {};
  quiet.sa_flags = SA_RESTART;
  struct sigaction before {};
  ASSERT_EQ(sigaction(SIGUSR1, &quiet, &before), 0);
  const auto open = open_place();
  {
    const std::jthread signals([self = pthread_self()](const std::stop_token& stop) {
      for (int i = 0; i < 300 && !stop.stop_requested(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
        pthread_kill(self, SIGUSR1);
      }
    });
    // Ends what would wait without end.
    const std::jthread late([&](const std::stop_token& stop) {
      for (int i = 0; i < 200 && !stop.stop_requested(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds{10});
      if (stop.stop_requested()) return;
      EXPECT_TRUE(exchange_at(open.place, "a", 1, 2, "y", Seconds{1}));
    });
    EXPECT_FALSE(exchange_at(open.place, "a", 0, 2, "x", Seconds{0.3}));
  }
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(MeetingPlace, OfAProcessIsOneForAllThatAsk) {
  const auto one = MeetingPlace::of_process();
  const auto again = MeetingPlace::of_process();
  ASSERT_TRUE(one && again);
  EXPECT_EQ(one->bytes(), again->bytes());
  EXPECT_TRUE(exchange_at(*one, "a", 0, 1, "x", Seconds{5}));
}

}  // namespace
}  // namespace p2plab::processes::meeting_place_test
