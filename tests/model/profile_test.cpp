// SPDX-License-Identifier: Apache-2.0
// Profile files: units, intervals, sources, quirks, and what a mistake is told.
#include <array>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "support/simulated.h"

namespace p2plab::profile_test {
namespace {

using test::at_rate;
using test::one_us;

const std::string complete =
    "version: 1\nname: mine\nlaunch: 3 us\nsignal_peer: {value: 1 us, low: 0.5 us, high: 2 us, source: 'flags, 2026'}\nsignal_local: 0 "
    "us\nslice_cost: ideal\n"
    "store_rate: {value: 45.8 GB/s, low: 40 GB/s, high: 50 GB/s}\nload_rate: ideal\nreduce_rate: 90 GB/s\nlink_efficiency: 0.8\n";

TEST(Profile, ReadsUnitsIntervalsAndSources) {
  const auto good = parse_profile(complete + "source: a bench\noutstanding: 8\nquirks: {pcie_read: 0.9}\n", "mine.yaml");
  ASSERT_TRUE(good) << describe(good.error());
  EXPECT_EQ(good->launch, Seconds{3e-6});
  EXPECT_EQ(good->store_rate, GBps(45.8));
  EXPECT_EQ(good->outstanding, 8);
  EXPECT_FALSE(good->load_rate);
  EXPECT_EQ(good->quirks.pcie_read, 0.9);
  ASSERT_EQ(good->numbers.size(), 2U);
  EXPECT_EQ(good->numbers[0], (NumberInfo{"signal_peer", 0.5e-6, 2e-6, "flags, 2026"}));
  EXPECT_EQ(good->numbers[1], (NumberInfo{"store_rate", 40e9, 50e9, "a bench"}));
  EXPECT_EQ(fastest(*good).signal_peer, Seconds{0.5e-6});
  EXPECT_EQ(fastest(*good).store_rate, GBps(50));
  EXPECT_EQ(slowest(*good).signal_peer, Seconds{2e-6});
  EXPECT_EQ(slowest(*good).store_rate, GBps(40));
  EXPECT_EQ(slowest(*good).launch, good->launch);
}

TEST(Profile, EveryMistakeIsToldWithItsPlaceAtOnce) {
  const auto bad = parse_profile(
      "version: 1\nname: mine\nlaunhc: 3 us\noutstanding: -1\nlink_efficiency: nan\nstore_rate: -4 GB/s\n"
      "signal_peer: {value: 1 us, low: 2 us, high: 3 us}\nreduce_rate: {low: 1 GB/s}\nload_rate: .inf GB/s\nquirks: {pcie_raed: 2}\n",
      "bad.yaml");
  ASSERT_FALSE(bad);
  const auto text = describe(bad.error());
  for (const char* place :
       {"bad.yaml:3:1", "bad.yaml:4:", "bad.yaml:5:", "bad.yaml:6:", "bad.yaml:7:", "bad.yaml:8:", "bad.yaml:9:", "bad.yaml:10:"}) {
    EXPECT_NE(text.find(place), std::string::npos) << place << '\n' << text;
  }
  for (const char* word :
       {"launch", "key 'signal_local' is missing", "key 'slice_cost' is missing", "does not hold its value", "key 'value' is missing", "pcie_read"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << '\n' << text;
  }
}

TEST(Profile, ImpossibleNumbersAreToldWhereTheyStandInIntervalsToo) {
  const auto good = [](const std::string& launch, const std::string& rate) {
    return "version: 1\nname: x\nlaunch: " + launch + "\nsignal_peer: 0 us\nsignal_local: 0 us\nslice_cost: 0 us\nstore_rate: " + rate +
           "\nload_rate: ideal\nreduce_rate: ideal\nlink_efficiency: 1\n";
  };
  ASSERT_TRUE(parse_profile(good("2 us", "20 GB/s"), "x.yaml"));
  const std::vector<std::array<std::string, 3>> bad{
      {"nan us", "1 GB/s", "expected a time"},      {"-1 us", "1 GB/s", "a time cannot be negative"},
      {"1e300 us", "1 GB/s", "at most 1 s"},        {"{value: 1 us, low: 0 us, high: 1e300 s}", "1 GB/s", "at most 1 s"},
      {"1 us", "nan GB/s", "expected a bandwidth"}, {"1 us", "1e-300 GB/s", "above zero"},
      {"1 us", "1e300 GB/s", "more than 2^63"},     {"1 us", "{value: 1 GB/s, low: 0 GB/s, high: 2 GB/s}", "above zero"}};
  for (const auto& [launch, rate, words] : bad) {
    const auto profile = parse_profile(good(launch, rate), "x.yaml");
    ASSERT_FALSE(profile) << launch << rate;
    const auto told = describe(profile.error());
    EXPECT_NE(told.find(words), std::string::npos) << told;
    EXPECT_NE(told.find(launch == "1 us" ? "x.yaml:7:" : "x.yaml:3:"), std::string::npos) << told;
  }
}

TEST(Profile, EveryOneOfTheProjectIsValidAndSaysWhereItsNumbersComeFrom) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(P2PLAB_SOURCE_DIR "/profiles")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto profile = load_profile(entry.path().string());
    ASSERT_TRUE(profile) << describe(profile.error());
    EXPECT_TRUE(profile->store_rate && profile->load_rate) << entry.path();
    EXPECT_GE(profile->numbers.size(), 9U) << entry.path();
    for (const auto& number : profile->numbers) {
      EXPECT_FALSE(number.source.empty()) << entry.path() << ' ' << number.name;
      EXPECT_TRUE(number.low < number.high || number.name == "start_skew") << entry.path() << ' ' << number.name;
    }
    ++files;
  }
  EXPECT_GE(files, 8);
}

TEST(Profile, ThatComesWithTheProgramIsFoundByItsName) {
  EXPECT_TRUE(load_profile("h200"));
  EXPECT_TRUE(load_profile("anywhere/h200"));  // as a config names it, relative to its folder
  const auto wrong = load_profile("h20");
  ASSERT_FALSE(wrong);
  EXPECT_NE(describe(wrong.error()).find("unknown profile 'h20'"), std::string::npos) << describe(wrong.error());
  EXPECT_NE(describe(wrong.error()).find("/profiles (P2PLAB_PROFILES names another folder)"), std::string::npos) << describe(wrong.error());
  EXPECT_NE(describe(wrong.error()).find("h200"), std::string::npos) << describe(wrong.error());
}

TEST(Profile, IsLookedForInEachFolderThatIsNamed) {
  const char* const was = std::getenv("P2PLAB_PROFILES");
  const std::string kept = was == nullptr ? "" : was;
  setenv("P2PLAB_PROFILES", "/first:/second/one", 1);
  const auto folders = profile_folders();
  was == nullptr ? unsetenv("P2PLAB_PROFILES") : setenv("P2PLAB_PROFILES", kept.c_str(), 1);
  ASSERT_GE(folders.size(), 2U);
  EXPECT_EQ(folders[0], "/first");
  EXPECT_EQ(folders[1], "/second/one");
}

TEST(Profile, AnIntervalsEndsEncloseEveryProfileInside) {
  const auto machine = test::one_switch(4);
  const auto program = test::planned(machine, "two_shot", CollectiveKind::all_reduce, 1_MiB, {}, {.blocks_per_lane = 4, .slice = 16_KiB});
  const auto profile = *load_profile(P2PLAB_SOURCE_DIR "/profiles/h200.yaml");
  const auto low = test::makespan(machine, program, fastest(profile));
  const auto high = test::makespan(machine, program, slowest(profile));
  EXPECT_LT(low, high);
  for (const auto& number : profile.numbers) {
    const auto moved = test::makespan(machine, program, with_number(profile, number.name, 0.5 * (number.low + number.high)));
    EXPECT_LE(low, moved) << number.name;
    EXPECT_LE(moved, high) << number.name;
  }
}

// Two GPUs through a PCIe root, and a third.
Topology pcie_root(int n) {
  auto builder = test::with_gpus("root", n);
  const auto root = builder.add_node({.name = "root", .kind = NodeKind::host});
  for (int i = 0; i < n; ++i) builder.add_duplex(NodeId{i}, root, LinkKind::pcie, GBps(20), Seconds{1e-6});
  return test::built(std::move(builder));
}

// One copy from rank 0 to 1, read or written.
Program one_copy(const Topology& machine, bool reads) {
  auto collective = make_collective(CollectiveKind::send_receive, machine.ranks());
  collective.pairs = {{Rank{0}, Rank{1}}};
  auto steps = *Schedule::Builder::create(collective, machine.ranks());
  const auto chunk = steps.add_chunk({});
  steps.copy(reads ? Rank{1} : Rank{0}, input(Rank{0}, chunk), output(Rank{1}, chunk));
  return test::lowered(machine, *std::move(steps).build(), 1_MiB);
}

TEST(Quirks, LoadsOverPcieReachTheirShareOfWhatStoresReach) {
  const auto machine = pcie_root(2);
  const Profile profile{.quirks = {.pcie_read = 0.5}};
  EXPECT_EQ(test::makespan(machine, one_copy(machine, false), profile), 2 * one_us + at_rate(1 << 20, 20));
  EXPECT_EQ(test::makespan(machine, one_copy(machine, true), profile), 2 * one_us + at_rate(1 << 20, 10));
}

TEST(Quirks, LoadsSlowDownOnlyWhereTheOtherDirectionIsBusyToo) {
  const auto machine = test::full_mesh(2);
  const Profile profile{.quirks = {.duplex_read = 0.5}};
  EXPECT_EQ(test::makespan(machine, one_copy(machine, true), profile), one_us + at_rate(1 << 20, 25));
  const auto both = test::planned(machine, "one_shot", CollectiveKind::all_reduce, 1_MiB, {{"mode", "pull"}});
  EXPECT_EQ(test::makespan(machine, both, profile), one_us + at_rate(1 << 20, 12.5));
}

TEST(Quirks, AnInstructionThatStoresToOrLoadsFromSeveralRanksGetsAShareOfTheirLinks) {
  const auto machine = test::full_mesh(3);
  const Profile profile{.quirks = {.fan_in = 0.25, .fan_out = 0.5}};
  const auto time = [&](const char* planner, CollectiveKind kind, const char* mode) {
    return test::makespan(machine, test::planned(machine, planner, kind, 1_MiB, {{"mode", mode}}), profile);
  };
  // One block to two others, and one block from two others; a ring's hop has one neighbour.
  EXPECT_EQ(time("one_shot", CollectiveKind::broadcast, "push"), one_us + at_rate(1 << 20, 12.5));
  EXPECT_EQ(time("one_shot", CollectiveKind::all_reduce, "pull"), one_us + at_rate(1 << 20, 6.25));
  EXPECT_EQ(test::makespan(machine, one_copy(machine, false), profile), one_us + at_rate(1 << 20, 25));
}

TEST(Copies, ShareAGpusEnginesAndStartEachSlice) {
  const auto machine = test::full_mesh(3);
  const Profile profile{.copy_start = Seconds{10e-6}, .copy_rate = Bandwidth::bytes_per_second(30'000'000'000), .copy_efficiency = 0.8};
  const auto one = test::pairs(3, {{Rank{0}, Rank{1}}});
  const auto two = test::pairs(3, {{Rank{0}, Rank{1}}, {Rank{0}, Rank{2}}});
  const Tuning whole{.protocol = Protocol::copy};
  EXPECT_EQ(test::makespan(machine, test::lowered(machine, one, 1_MiB, whole), profile), 10 * one_us + one_us + at_rate(1 << 20, 20));
  // Both at 20 GB/s would need 40: the engines take what 30 GB/s do.
  const auto shared = test::makespan(machine, test::lowered(machine, two, 1_MiB, whole), profile);
  EXPECT_GE(shared, 10 * one_us + one_us + 2 * at_rate(1 << 20, 30));
  EXPECT_LT(shared, 10 * one_us + one_us + 2 * at_rate(1 << 20, 20));
}

TEST(Quirks, AMinimumTransferOutOfRangeIsToldWhereItStands) {
  for (const auto* size : {"0 B", "2 MiB"}) {
    const auto bad = parse_profile(complete + "quirks: {fan_out: 0.9, minimum_transfer: " + size + "}\n", "mine.yaml");
    ASSERT_FALSE(bad) << size;
    EXPECT_NE(describe(bad.error()).find("error: a minimum transfer has from 1 to 1048576 bytes"), std::string::npos) << describe(bad.error());
    EXPECT_NE(describe(bad.error()).find(":42: error"), std::string::npos) << describe(bad.error());
  }
}

TEST(Quirks, TheMinimumTransferIsReadByItsFormerName) {
  const auto former = parse_profile(complete + "quirks: {granule: 256 B}\n", "mine.yaml");  // old word
  ASSERT_TRUE(former) << describe(former.error());
  EXPECT_EQ(former->quirks.minimum_transfer, Bytes{256});
  ASSERT_EQ(former->warnings.size(), 1U);
  EXPECT_NE(former->warnings[0].find("is called 'minimum_transfer' now; version 0.3 will not read the old word"), std::string::npos);
}

TEST(Quirks, LinksCarryWholeMinimumTransfers) {
  const auto machine = test::full_mesh(2);
  const Profile profile{.quirks = {.minimum_transfer = Bytes{4096}}};
  const auto plan = test::pairs(2, {{Rank{0}, Rank{1}}});
  EXPECT_EQ(test::makespan(machine, test::lowered(machine, plan, Bytes{16}), profile), one_us + at_rate(4096, 25));
  EXPECT_EQ(test::makespan(machine, test::lowered(machine, plan, Bytes{4096}), profile), one_us + at_rate(4096, 25));
  EXPECT_EQ(test::makespan(machine, test::lowered(machine, plan, Bytes{4112}), profile), one_us + at_rate(8192, 25));
}

TEST(Quirks, PostedWritesCollapseWhereSeveralGpusStoreThroughOneRoot) {
  const auto machine = pcie_root(3);
  const Profile profile{.quirks = {.posted_writes = 0.1}};
  const auto one = test::lowered(machine, test::pairs(3, {{Rank{0}, Rank{2}}}), 1_MiB);
  EXPECT_EQ(test::makespan(machine, one, profile), 2 * one_us + at_rate(1 << 20, 20));
  const auto two = test::lowered(machine, test::pairs(3, {{Rank{0}, Rank{2}}, {Rank{1}, Rank{2}}}), 1_MiB);
  EXPECT_EQ(test::makespan(machine, two, profile), 2 * one_us + 2 * at_rate(1 << 20, 2));
  EXPECT_EQ(test::makespan(machine, two), 2 * one_us + 2 * at_rate(1 << 20, 20));
}

// Head-of-line blocking: only where a GPU stores to several that others store to as well.
TEST(Quirks, AFullExchangeOverPcieGetsItsShareAndAShiftAll) {
  const auto machine = pcie_root(3);
  const Profile profile{.quirks = {.exchange = 0.5}};
  const auto shift = test::lowered(machine, test::pairs(3, {{Rank{0}, Rank{1}}, {Rank{1}, Rank{2}}, {Rank{2}, Rank{0}}}), 1_MiB);
  EXPECT_EQ(test::makespan(machine, shift, profile), test::makespan(machine, shift));
  const auto all = test::lowered(
      machine,
      test::pairs(3, {{Rank{0}, Rank{1}}, {Rank{0}, Rank{2}}, {Rank{1}, Rank{0}}, {Rank{1}, Rank{2}}, {Rank{2}, Rank{0}}, {Rank{2}, Rank{1}}}),
      1_MiB);
  EXPECT_LT(test::makespan(machine, all), 2 * one_us + 2 * at_rate(1 << 20, 10));
  EXPECT_GE(test::makespan(machine, all, profile), 2 * one_us + 2 * at_rate(1 << 20, 10));
}

}  // namespace
}  // namespace p2plab::profile_test
