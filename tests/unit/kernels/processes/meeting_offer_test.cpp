// SPDX-License-Identifier: Apache-2.0
// Where ranks meet that exchanged bytes before, and by which address.
#include <thread>

#include "detect/interfaces.h"
#include "unit/kernels/processes/said_by.h"

namespace p2plab::meeting_offer_test {
namespace {

using Bytes128 = std::array<char, Invitation::size>;

TEST(MeetingOffers, OfOneMachineLeadToASocketOfIt) {
  const auto zero = MeetingOffer::make(0);
  const auto one = MeetingOffer::make(1);
  ASSERT_TRUE(zero && one);
  const std::vector<Bytes128> all{zero->bytes(), one->bytes()};
  const auto place = MeetingOffer::settle(all);
  ASSERT_TRUE(place);
  EXPECT_FALSE(place->over_tcp());
  EXPECT_EQ(place->place(), MeetingOffer::settle(std::vector<Bytes128>{zero->bytes(), zero->bytes()})->place());
}

// As if rank 1 were elsewhere: its place is another.
TEST(MeetingOffers, OfSeveralMachinesLeadToThePortOfRankZero) {
  setenv("P2PLAB_INTERFACE", "127.0.0.1", 1);
  auto zero = MeetingOffer::make(0);
  unsetenv("P2PLAB_INTERFACE");
  ASSERT_TRUE(zero) << zero.error().message;
  auto other = MeetingOffer::make(1)->bytes();
  auto& digit = other[15];
  digit = digit == '0' ? '1' : '0';
  const std::vector<Bytes128> all{zero->bytes(), other};
  const auto place = MeetingOffer::settle(all);
  ASSERT_TRUE(place) << place.error().message;
  EXPECT_TRUE(place->over_tcp());
  EXPECT_EQ(place->token().size(), 32U);
  EXPECT_EQ(place->place().substr(0, 14), "tcp/127.0.0.1:");
  std::thread one([&] { EXPECT_EQ(test::outcome(join(*place, {.rank = 1, .ranks = 2, .several_machines = true})), "joined"); });
  EXPECT_EQ(test::outcome(join(*place, {.rank = 0, .ranks = 2, .several_machines = true}, zero->take_listener())), "joined");
  one.join();
}

// An offer without an address does among ranks of one machine.
TEST(MeetingOffers, NeedANetworkAmongSeveralMachinesOnly) {
  const auto without = MeetingOffer::make(1)->bytes();
  EXPECT_TRUE(MeetingOffer::settle(std::vector<Bytes128>{without, without}));
  auto other = without;
  other[15] = other[15] == '0' ? '1' : '0';
  const auto place = MeetingOffer::settle(std::vector<Bytes128>{without, other});
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().message, "rank 0 has no network interface that is up, by which ranks of other machines could reach it");
}

TEST(MeetingOffers, ThatAreNoneNameTheRank) {
  const auto zero = MeetingOffer::make(0)->bytes();
  for (const std::size_t damaged : {std::size_t{0}, std::size_t{20}, std::size_t{127}}) {
    auto bytes = zero;
    bytes[damaged] = 'z';
    const auto place = MeetingOffer::settle(std::vector<Bytes128>{zero, bytes});
    ASSERT_FALSE(place) << damaged;
    EXPECT_EQ(place.error().message, "rank 1 exchanged nothing that this version of p2plab understands");
  }
  EXPECT_FALSE(MeetingOffer::settle(std::vector<Bytes128>{Bytes128{}}));
}

TEST(Interfaces, AreChosenByNameAddressOrKind) {
  const std::vector<detect::InterfaceAddress> all{{"lo", "127.0.0.1", true, false},
                                                  {"docker0", "172.17.0.1", false, false},
                                                  {"ib0", "fd00::5", false, true},
                                                  {"eth0", "10.0.0.5", false, false},
                                                  {"eth1", "192.168.1.5", false, false}};
  using detect::choose_address;
  EXPECT_EQ(*choose_address(all, ""), "10.0.0.5");
  EXPECT_EQ(*choose_address(all, "eth1"), "192.168.1.5");
  EXPECT_EQ(*choose_address(all, "172.17.0.1"), "172.17.0.1");
  EXPECT_EQ(*choose_address(all, "ib0"), "fd00::5");
  EXPECT_EQ(*choose_address({all[0], all[1]}, ""), "172.17.0.1");
  EXPECT_EQ(*choose_address({all[0]}, ""), "127.0.0.1");
  const auto none = choose_address(all, "eth7");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("P2PLAB_INTERFACE='eth7' is no interface here; there are lo (127.0.0.1), docker0"), std::string::npos);
  EXPECT_FALSE(choose_address({}, ""));
}

// Many ranks meet, and hear each other.
TEST(Rendezvous, OfAHundredRanks) {
  const auto place = *Invitation::make();
  const auto all = test::said_by(100, [&](int rank) -> std::string {
    const auto session = join(place, {.rank = rank, .ranks = 100});
    if (!session) return session.error().message;
    const auto numbers = (*session)->all_gather(std::to_string(rank));
    return numbers ? numbers->back() : numbers.error().message;
  });
  EXPECT_EQ(all, std::vector<std::string>(100, "99"));
  EXPECT_EQ(test::outcome(join(place, {.rank = 0, .ranks = 1025})), "rank 0 of 1025: ranks are 0 to n-1, of at most 1024");
}

}  // namespace
}  // namespace p2plab::meeting_offer_test
