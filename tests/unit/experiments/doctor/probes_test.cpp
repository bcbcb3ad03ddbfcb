// SPDX-License-Identifier: Apache-2.0
// The matrix of pairs on CPU memory: right where nothing is broken, and each kind of fault named, with its pair, in time.
#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "doctor/probes/verdict.h"
#include "support/machines.h"

namespace p2plab::probes_test {
namespace {

using doctor::ProbeEnd;
using Kind = MemoryFault::Kind;

constexpr int gpus = 4;
// How long a probe may take: what is healthy ends, however busy this machine is; what hangs is given up soon.
doctor::ProbeLimits limits_for(const std::vector<MemoryFault>& faults) {
  const bool hangs = std::ranges::any_of(faults, [](const MemoryFault& fault) { return fault.kind == Kind::stuck; });
  return {.start = Seconds{60}, .probe = Seconds{hangs ? 3.0 : 60.0}};
}

bool all_granted(int /*from*/, int /*to*/) { return true; }

// Four GPUs on a switch; every access reaches 0.9 of its links.
Topology machine() { return test::one_switch(gpus, GBps(100)); }

std::vector<doctor::ProbeRecord> probed(const std::vector<MemoryFault>& faults) {
  const auto make = [faults]() -> Result<std::unique_ptr<PairProber>> {
    return host_pair_prober({.devices = gpus, .faults = faults, .rate = [](const PairProbe& probe) {
                               return GBps(0.9 * doctor::rate_of_links(probe, machine()).gbps());
                             }});
  };
  const auto probes = doctor::matrix_of(gpus);
  auto records = doctor::run_matrix(probes, doctor::forked(make, probes), limits_for(faults));
  EXPECT_TRUE(records) << describe(records.error());
  return records ? *std::move(records) : std::vector<doctor::ProbeRecord>{};
}

TEST(Matrix, HasEveryOrderedPairByEveryAccess) {
  const auto probes = doctor::matrix_of(gpus);
  for (const auto access : {PairAccess::copy_engine, PairAccess::stores, PairAccess::loads, PairAccess::atomics, PairAccess::flag})
    EXPECT_EQ(std::ranges::count(probes, access, &PairProbe::access), gpus * (gpus - 1));
  EXPECT_EQ(std::ranges::count(probes, PairAccess::both_ways, &PairProbe::access), gpus * (gpus - 1) / 2);
  EXPECT_EQ(std::ranges::count(probes, PairAccess::all_at_once, &PairProbe::access), gpus - 1);
}

TEST(Matrix, WholeMemoryIsRightEverywhereAndNothingIsFound) {
  const auto records = probed({});
  ASSERT_EQ(records.size(), doctor::matrix_of(gpus).size());
  for (const auto& record : records) {
    EXPECT_EQ(record.end, ProbeEnd::done);
    EXPECT_GT(record.outcome.compared, 0);
    EXPECT_TRUE(record.outcome.right());
  }
  const auto found = doctor::judge(records, machine(), all_granted);
  EXPECT_TRUE(found.empty()) << found.front().name << ": " << found.front().what;
}

// Three flows share no link of a switch; on a shared bus of the same width each gets a third.
TEST(Matrix, LinksAreSharedByAllThatPassThemAtOnce) {
  EXPECT_EQ(doctor::rate_of_links({PairAccess::all_at_once, 0, 1}, machine()), GBps(100));
  const auto islands = test::islands_over_pcie(2, 2);  // each GPU has 25 GB/s to a host, 100 to its neighbour
  EXPECT_EQ(doctor::rate_of_links({PairAccess::copy_engine, 0, 1}, islands), GBps(100));
  EXPECT_EQ(doctor::rate_of_links({PairAccess::copy_engine, 0, 2}, islands), GBps(25));
  EXPECT_EQ(doctor::rate_of_links({PairAccess::both_ways, 0, 2}, islands), GBps(25));
  // Two GPUs behind each of two switches: both pass the link above their switch.
  auto builder = test::with_gpus("switches", 4);
  const auto host = builder.add_node({.name = "host", .kind = NodeKind::host});
  for (int s = 0; s < 2; ++s) {
    const auto above = builder.add_node({.name = "sw" + std::to_string(s), .kind = NodeKind::pcie_switch});
    builder.add_duplex(above, host, LinkKind::pcie, GBps(25), Seconds{1e-6});
    for (int g = 2 * s; g < 2 * s + 2; ++g) builder.add_duplex(NodeId{g}, above, LinkKind::pcie, GBps(25), Seconds{1e-6});
  }
  const auto switches = test::built(std::move(builder));
  EXPECT_EQ(doctor::rate_of_links({PairAccess::copy_engine, 0, 2}, switches), GBps(25));
  EXPECT_EQ(doctor::rate_of_links({PairAccess::all_at_once, 0, 2}, switches), GBps(12.5));
}

struct Broken {
  std::string name;
  MemoryFault fault;
};

void PrintTo(const Broken& broken, std::ostream* out) { *out << broken.name; }

class BrokenMemory : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenMemory, IsNamedWithItsPairAndNothingElseIs) {
  const auto& [name, fault] = GetParam();
  const auto records = probed({fault});
  ASSERT_EQ(records.size(), doctor::matrix_of(gpus).size()) << "what comes after a probe that hangs is still tried";
  const auto found = doctor::judge(records, machine(), all_granted);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, name);
  const auto pair = fault.access == PairAccess::both_ways     ? "gpu1 <-> gpu2"
                    : fault.access == PairAccess::all_at_once ? "all, each to"
                                                              : "gpu1 -> gpu2";
  EXPECT_NE(found[0].what.find(std::string{to_string(fault.access)} + " of " + pair), std::string::npos) << found[0].what;
  EXPECT_FALSE(found[0].evidence.empty());
  EXPECT_FALSE(found[0].remedies.empty());
}

std::vector<Broken> broken() {
  std::vector<Broken> all;
  for (const auto access :
       {PairAccess::copy_engine, PairAccess::stores, PairAccess::loads, PairAccess::atomics, PairAccess::both_ways, PairAccess::all_at_once}) {
    for (const auto& [name, kind] : {std::pair{"probe.lost", Kind::lost},
                                     {"probe.zeros", Kind::zeros},
                                     {"probe.corrupted", Kind::corrupted},
                                     {"probe.hang", Kind::stuck},
                                     {"probe.crash", Kind::crash},
                                     {"probe.refused", Kind::refused},
                                     {"probe.lost", Kind::delayed},
                                     {"probe.corrupted", Kind::reordered}}) {
      if (access == PairAccess::atomics && kind == Kind::reordered) continue;  // sums come out the same in any order
      all.push_back({name, {.kind = kind, .access = access, .from = 1, .to = 2}});
    }
  }
  for (const auto& [name, kind] : {std::pair{"probe.order", Kind::delayed},
                                   {"probe.order", Kind::reordered},
                                   {"probe.order", Kind::lost},
                                   {"probe.corrupted", Kind::corrupted},
                                   {"probe.hang", Kind::stuck},
                                   {"probe.crash", Kind::crash}})
    all.push_back({name, {.kind = kind, .access = PairAccess::flag, .from = 1, .to = 2}});
  all.push_back({"probe.one_way_slow", {.kind = Kind::slow, .access = PairAccess::copy_engine, .from = 1, .to = 2, .factor = 0.8}});
  all.push_back({"probe.one_way_slow", {.kind = Kind::slow, .access = PairAccess::loads, .from = 1, .to = 2, .factor = 1.0 / 15}});
  all.push_back({"probe.collapse", {.kind = Kind::slow, .access = PairAccess::both_ways, .from = 1, .to = 2, .factor = 0.1}});
  all.push_back({"probe.collapse", {.kind = Kind::slow, .access = PairAccess::all_at_once, .from = 1, .to = 2, .factor = 0.1}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Probes, BrokenMemory, ::testing::ValuesIn(broken()), [](const auto& given) {
  auto name = given.param.name + "_of_" + std::string{to_string(given.param.fault.access)} + "_" + std::to_string(given.index);
  std::ranges::replace(name, '.', '_');
  return name;
});

TEST(Verdict, ALaneLostInBothDirectionsIsSlowerThanPairsAlike) {
  std::vector<MemoryFault> faults;
  for (const auto& [from, to] : {std::pair{1, 2}, {2, 1}}) faults.push_back({Kind::slow, PairAccess::stores, from, to, 0.8});
  const auto found = doctor::judge(probed(faults), machine(), all_granted);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "probe.link");
}

TEST(Verdict, BothDirectionsFarBelowTheLinksAreSlow) {
  std::vector<MemoryFault> faults;
  for (const auto& [from, to] : {std::pair{0, 3}, {3, 0}}) faults.push_back({Kind::slow, PairAccess::loads, from, to, 0.5});
  const auto found = doctor::judge(probed(faults), machine(), all_granted);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "probe.slow");
  EXPECT_NE(found[0].evidence[0].find("45.0 GB/s, links allow 100.0"), std::string::npos) << found[0].evidence[0];
}

TEST(Verdict, PairsThatCudaKeepsApartMayFail) {
  const auto records = probed({{.kind = Kind::refused, .access = PairAccess::stores, .from = 1, .to = 2}});
  EXPECT_TRUE(doctor::judge(records, machine(), [](int from, int to) { return from != 1 || to != 2; }).empty());
}

TEST(Matrix, AProberThatCannotStartIsAnErrorWithItsReason) {
  const auto probes = doctor::matrix_of(2);
  const auto none = []() -> Result<std::unique_ptr<PairProber>> { return Error{ErrorCode::no_device, "no GPU here"}; };
  const auto records = doctor::run_matrix(probes, doctor::forked(none, probes), limits_for({}));
  ASSERT_FALSE(records);
  EXPECT_NE(records.error().message.find("no GPU here"), std::string::npos) << records.error().message;
}

TEST(Matrix, TextAndJsonHoldEveryProbe) {
  const auto records = probed({{.kind = Kind::zeros, .access = PairAccess::loads, .from = 1, .to = 2}});
  const auto text = doctor::matrix_text(records, machine());
  EXPECT_NE(text.find("loads (links allow 100.0 GB/s)"), std::string::npos) << text;
  EXPECT_NE(text.find("gpu1       90.0        zeros  90.0\n"), std::string::npos) << text;
  const auto json = nlohmann::json::parse(doctor::matrix_json(records, machine()));
  EXPECT_EQ(json.size(), records.size());
}

// As `doctor` asks the drivers: whoever stands in one is not waited for.
TEST(ChildProcess, ThatHangsIsNotWaitedFor) {
  EXPECT_EQ(*doctor::all_said(doctor::spawned("/bin/sh", {"-c", "echo one; echo two"}), Seconds{30}), "one\ntwo\n");
  const auto hung = doctor::all_said(doctor::spawned("/bin/sh", {"-c", "echo one; exec sleep 100"}), Seconds{0.1});
  ASSERT_FALSE(hung);
  EXPECT_NE(hung.error().message.find("no answer within"), std::string::npos) << hung.error().message;
  const auto broken = doctor::all_said(doctor::spawned("/bin/sh", {"-c", "echo one; exit 3"}), Seconds{30});
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("exit code 3"), std::string::npos) << broken.error().message;
}

}  // namespace
}  // namespace p2plab::probes_test
