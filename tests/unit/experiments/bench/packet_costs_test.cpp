// SPDX-License-Identifier: Apache-2.0
// What packets cost, fitted to times: of known costs these come back; of two H200s those with which everything else is predicted, too.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/packet_costs.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/simulator/simulate.h"
#include "p2plab/simulator/simulated_executor.h"

namespace p2plab::packet_costs_test {
namespace {

Profile h200() { return *load_profile(P2PLAB_SOURCE_DIR "/profiles/h200.yaml"); }

// What calibrate knows before packets are timed.
Calibration without_packets() {
  auto profile = h200();
  profile.packet_start = profile.packet_item = profile.packet_tail = profile.ll128_start = Seconds{0};
  return {.profile = profile, .numbers = {}, .source = "a test"};
}

double us(Seconds time) { return microseconds(time); }

TEST(PacketCosts, ThatAreKnownComeBack) {
  for (const int gpus : {2, 3, 4}) {
    const auto machine = *make_preset("hgx-h200", {{"gpus", std::to_string(gpus)}});
    const auto known = h200();
    const auto times = time_packets(machine, *executors::simulator(known).make());
    ASSERT_TRUE(times) << describe(times.error());
    auto calibration = without_packets();
    const auto added = add_packet_costs(calibration, *times);
    ASSERT_TRUE(added) << describe(added.error());
    const auto& found = calibration.profile;
    EXPECT_NEAR(us(found.packet_start), us(known.packet_start), 1e-3);
    EXPECT_NEAR(us(found.packet_item), us(known.packet_item), 1e-3);
    EXPECT_NEAR(us(found.packet_tail), us(known.packet_tail), 1e-3);
    EXPECT_NEAR(us(found.ll128_start), us(known.ll128_start), 1e-3);
    ASSERT_EQ(calibration.numbers.size(), 4U);
    for (const auto& number : calibration.numbers) {
      EXPECT_LE(number.estimate.low, number.estimate.value);
      EXPECT_GE(number.estimate.high, number.estimate.value);
    }
  }
}

using Times = std::map<std::int64_t, double>;  // us by KiB

// experiments/measured/sweep_2gpu_h200, bfloat16.
const std::map<std::pair<CollectiveKind, std::string>, Times>& measured() {
  using enum CollectiveKind;
  static const std::map<std::pair<CollectiveKind, std::string>, Times> all{
      {{all_reduce, "one_shot"},
       {{1, 1.583},
        {2, 1.668},
        {4, 1.744},
        {8, 1.844},
        {16, 1.903},
        {32, 1.978},
        {64, 2.050},
        {128, 2.223},
        {256, 2.601},
        {512, 3.383},
        {1024, 4.814}}},
      {{all_reduce, "two_shot"}, {{1, 2.297}, {4, 2.583}, {16, 2.870}, {64, 3.151}, {256, 3.511}, {512, 3.906}, {1024, 5.667}}},
      {{all_gather, "two_shot"}, {{256, 2.634}, {512, 3.054}}}};
  return all;
}

class AsMeasured final : public Executor {
 public:
  Status available() const override { return {}; }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions&) const override {
    const auto& times = measured().at({job.program->collective.kind, job.plan->planner});
    Measurement result{.executor = "as measured", .clock = Clock::device};
    result.samples = {Seconds{times.at(job.program->payload.size().count() >> 10) * 1e-6}};
    result.check = DataCheck{.passed = right};
    return result;
  }
  bool right = true;
};

double mean_error(const Topology& machine, const Profile& profile, CollectiveKind kind, const std::string& planner, const Times& times) {
  double sum = 0;
  for (const auto& [kib, time] : times) {
    const Payload payload{.elements = kib * 512, .type = DataType::bfloat16};
    const auto planners = builtin_planners();
    const auto made = planners.find(planner)->make()->plan(machine, make_collective(kind, machine.ranks()), {.payload = payload});
    const auto protocol = kind == CollectiveKind::all_reduce ? Protocol::lamport : kib <= 64 ? Protocol::ll : Protocol::ll128;
    const auto program = *lower(made->schedule, *verify(machine, made->schedule), payload, {.protocol = protocol});
    const auto result = *simulate(machine, program, profile, {.in_a_row = true});
    sum += std::abs(us(to_seconds(result.period)) / time - 1);
  }
  return sum / static_cast<double>(times.size());
}

// Fitted by the program alone, without the numbers that profiles/h200.yaml has of packets.
TEST(PacketCosts, OfTwoH200sPredictWhatWasFittedAndWhatWasNot) {
  const auto machine = *make_preset("hgx-h200", {{"gpus", "2"}});
  const auto times = time_packets(machine, AsMeasured{});
  ASSERT_TRUE(times) << describe(times.error());
  auto calibration = without_packets();
  ASSERT_TRUE(add_packet_costs(calibration, *times));
  for (const auto& [what, series] : measured()) {
    EXPECT_LE(mean_error(machine, calibration.profile, what.first, what.second, series), 0.04) << what.second;
  }
  const Times broadcasts{{1, 1.580},  {2, 1.615},   {4, 1.650},   {8, 1.685},   {16, 1.716},  {32, 1.761},
                         {64, 1.846}, {128, 2.237}, {256, 2.465}, {512, 2.993}, {1024, 4.122}};
  EXPECT_LE(mean_error(machine, calibration.profile, CollectiveKind::broadcast, "ring", broadcasts), 0.05);
  EXPECT_NEAR(us(calibration.profile.packet_start), us(h200().packet_start), 0.25);
}

TEST(PacketCosts, AreRefusedWhereNothingFitsOrDataIsWrong) {
  const auto machine = *make_preset("hgx-h200", {{"gpus", "2"}});
  AsMeasured wrong;
  wrong.right = false;
  const auto refused = time_packets(machine, wrong);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::verification_failed);
  auto times = *time_packets(machine, AsMeasured{});
  double factor = 1;
  for (auto& each : times) each.time = each.time * (factor = factor > 1 ? 0.2 : 5);
  auto calibration = without_packets();
  const auto added = add_packet_costs(calibration, times);
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().message.find("no costs come nearer"), std::string::npos) << added.error().message;
  EXPECT_TRUE(calibration.numbers.empty());
  times.erase(times.begin() + 3, times.end());
  EXPECT_FALSE(add_packet_costs(calibration, times));
  const auto interrupted = time_packets(machine, AsMeasured{}, [] { return true; });
  ASSERT_FALSE(interrupted);
  EXPECT_EQ(interrupted.error().code, ErrorCode::interrupted);
}

}  // namespace
}  // namespace p2plab::packet_costs_test
