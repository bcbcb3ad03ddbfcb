// SPDX-License-Identifier: Apache-2.0
// What a machine is asked for is made once, for all its copies, whoever asks first.
#include <array>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "p2plab/detail/symmetry.h"
#include "p2plab/machine/routes.h"
#include "support/reference.h"

namespace p2plab::on_demand_test {
namespace {

template <class Machine>
concept GivesRoutes = requires(Machine&& machine) {
  std::forward<Machine>(machine).routes();
};
static_assert(GivesRoutes<const Topology&> && !GivesRoutes<Topology>, "a temporary machine would take its routes along");

TEST(OnDemand, CopiesShareWhatWasFound) {
  const auto machine = test::machine("dgx-v100");
  const auto copy = machine;
  EXPECT_EQ(&machine.routes(), &copy.routes());
  EXPECT_EQ(&machine.symmetries(), &copy.symmetries());
  EXPECT_EQ(&machine.fingerprint(), &copy.fingerprint());
  const auto alike = test::machine("dgx-v100");
  EXPECT_NE(&machine.routes(), &alike.routes());
  EXPECT_EQ(machine.fingerprint(), alike.fingerprint());
}

TEST(OnDemand, RoutesLiveAsLongAsAnyCopy) {
  std::optional machine = test::machine("hgx-h200:gpus=4");
  const auto& routes = machine->routes();
  const auto copy = *machine;
  machine.reset();
  EXPECT_EQ(routes.between(Rank{0}, Rank{3}).size(), 2U);
  EXPECT_EQ(&routes, &copy.routes());
}

TEST(OnDemand, ThreadsThatAskAtOnceGetTheSame) {
  for (int round = 0; round < 50; ++round) {
    const auto machine = test::machine("hgx-h200:gpus=8");
    std::array<const Routes*, 4> seen{};
    std::vector<std::thread> threads;
    for (auto& mine : seen) threads.emplace_back([&] { mine = &machine.routes(); });
    for (auto& thread : threads) thread.join();
    for (const auto* routes : seen) EXPECT_EQ(routes, &machine.routes());
  }
}

}  // namespace
}  // namespace p2plab::on_demand_test
