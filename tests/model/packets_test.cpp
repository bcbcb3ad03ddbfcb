// SPDX-License-Identifier: Apache-2.0
// Programs that run element by element: what they cost, worked out by hand, and beside what four H200s measured.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "p2plab/machine/presets.h"
#include "p2plab/program/epilogue.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/simulator/critical_path.h"
#include "p2plab/simulator/trace.h"
#include "support/simulated.h"

namespace p2plab::packets_test {
namespace {

using test::at_rate;
using test::one_us;

const Profile by_packets{.launch = Seconds{3e-6},
                         .signal_peer = Seconds{0.1},
                         .fence = Seconds{0.1},
                         .packet_start = Seconds{5e-7},
                         .packet_item = Seconds{1e-8},
                         .packet_tail = Seconds{1e-7}};
constexpr SimTime before{500'000};  // the start: the launch is behind it
constexpr SimTime operand{10'000};

TEST(Packets, GoThroughAllStepsWithoutSignals) {
  const auto machine = test::full_mesh(2);
  for (const auto* mode : {"push", "pull"}) {
    const auto program =
        test::planned(machine, "one_shot", CollectiveKind::all_reduce, Bytes{512}, {{"mode", mode}}, {.protocol = Protocol::lamport});
    // One operand read and one written to send; two read and one written to add. 32 packets are one warp: none is later than the others.
    EXPECT_EQ(test::makespan(machine, program, by_packets), before + 5 * operand + one_us + at_rate(512, 25)) << mode;
  }
}

// Two rows of 512 bytes: sum, residual, their sum and norm, 2 KiB each way in all, and a weight; two blocks at 10 GB/s each, after they have met.
// What is normed as it arrives has its two outputs left to write. By slices a second kernel is launched instead.
TEST(Packets, GoOnWithTheEpilogueWhereTheBlocksHaveMet) {
  const auto machine = test::full_mesh(2);
  auto profile = by_packets;
  profile.signal_local = Seconds{4e-7};
  profile.reduce_rate = GBps(10);
  const SimTime written{to_nearest(2 * 1024 * 1e12 / 20e9)};
  const SimTime all{to_nearest((4 * 1024 + 512) * 1e12 / 20e9)};
  const auto expect = [&](const Program& program, SimTime rows) {
    const auto fused = *with_epilogue(program, {.hidden = 256});
    EXPECT_EQ(test::makespan(machine, fused, profile), test::makespan(machine, program, profile) + rows);
    const auto in_a_row = test::simulated(machine, fused, profile, {.in_a_row = true});
    EXPECT_EQ(in_a_row.period, in_a_row.makespan);
    EXPECT_FALSE(simulate(machine, fused, profile, {.record = true}));
  };
  const auto program_of = [&](const char* planner) {
    return test::planned(machine, planner, CollectiveKind::all_reduce, Bytes{1024}, {}, {.protocol = Protocol::lamport});
  };
  auto program = program_of("one_shot");
  expect(program, SimTime{400'000} + written);
  expect(program_of("two_shot"), SimTime{400'000} + all);
  program.packets = nullptr;
  expect(program, SimTime{3'000'000} + all);
}

// 1 MiB are 65,536 packets of 16 bytes: on one multiprocessor's 1024 threads in turns, on all of a GPU's at once.
TEST(Packets, TakeLongerWithFewerMultiprocessors) {
  const auto machine = test::full_mesh(2);
  const auto program =
      test::planned(machine, "one_shot", CollectiveKind::all_reduce, Bytes{1 << 20}, {{"mode", "push"}}, {.protocol = Protocol::lamport});
  const auto with = [&](int multiprocessors) { return simulate(machine, program, by_packets, {.multiprocessors = multiprocessors})->makespan; };
  EXPECT_EQ(with(0), with(128));
  EXPECT_EQ(with(0), with(1000));
  EXPECT_GT(with(1), with(128));
  EXPECT_GE(with(1), with(16));
}

TEST(Packets, OfManyWarpsArriveAsTheSlowestDoes) {
  const auto machine = test::full_mesh(2);
  for (const int warps : {1, 2, 8, 128}) {
    const auto program =
        test::planned(machine, "one_shot", CollectiveKind::all_reduce, Bytes{warps * 512}, {{"mode", "push"}}, {.protocol = Protocol::lamport});
    const SimTime late{to_nearest(1e5 * std::log(warps))};
    EXPECT_EQ(test::makespan(machine, program, by_packets), before + 5 * operand + one_us + at_rate(warps * 512, 25) + late) << warps;
  }
}

// The root of a tree adds and passes on what the other sent, packet by packet: the latest of n sums of two exponential delays (Gamma, shape 2) is
// ln n + ln ln n of one late, not 2 ln n. Both of a ring have sent data of their own before, so there it is 2 ln n.
TEST(Packets, PassedOnOneByOneAreLateAsTheSumOfTwoDelays) {
  const auto machine = test::full_mesh(2);
  auto without = by_packets;
  without.packet_tail = Seconds{0};
  const auto late = [&](const char* planner, int warps) {
    const auto program = test::planned(machine, planner, CollectiveKind::all_reduce, Bytes{warps * 512}, {}, {.protocol = Protocol::lamport});
    return static_cast<double>((test::makespan(machine, program, by_packets) - test::makespan(machine, program, without)).count());
  };
  for (const int warps : {4, 8, 64}) {
    const double greatest = std::log(warps);
    EXPECT_NEAR(late("tree", warps), 1e5 * (greatest + std::log(greatest)), 2) << warps;
    EXPECT_NEAR(late("ring", 2 * warps), 1e5 * 2 * greatest, 2) << warps;
  }
}

TEST(Packets, OfARingPayOneLatencyAHop) {
  for (const int n : {2, 3, 5, 8}) {
    const auto machine = test::one_switch(n);
    const auto program = test::planned(machine, "ring", CollectiveKind::all_gather, Bytes{n * 256}, {{"rings", "1"}}, {.protocol = Protocol::ll});
    const auto time = test::makespan(machine, program, by_packets);
    EXPECT_GE(time, before + (n - 1) * (one_us + 2 * operand + at_rate(512, 100)));
    // The first may write its own output, too, and what comes last is copied there.
    EXPECT_LE(time, before + (n - 1) * (one_us + 4 * operand + at_rate(512, 100)) + 2 * operand) << n;
  }
}

TEST(Packets, BeyondAllThreadsComeInWaves) {
  const auto machine = test::full_mesh(2);
  const auto time = [&](std::int64_t bytes) {
    return test::makespan(
        machine, test::planned(machine, "one_shot", CollectiveKind::all_reduce, Bytes{bytes}, {{"mode", "push"}}, {.protocol = Protocol::lamport}),
        by_packets);
  };
  const auto one = time(2 << 20) - before;
  EXPECT_GE(time(4 << 20) - before, 2 * one - 3 * one_us);  // groups of threads that are done go on to the next wave
  EXPECT_LE(time(4 << 20) - before, 2 * one + 10 * operand);
}

// Every link is always busy: what has arrived goes on while the rest still comes, and only the last hop's latency shows.
TEST(Packets, FlowThroughAHopWhileOthersArriveOnAnIdealMachine) {
  const auto machine = test::one_switch(4);
  for (const auto protocol : {Protocol::ll, Protocol::lamport}) {
    const auto program = test::planned(machine, "ring", CollectiveKind::all_reduce, 1_MiB, {{"rings", "1"}}, {.protocol = protocol});
    const auto wire = (program.packets->wire == PacketWire::ll ? 2 : 1) * (1 << 18);
    const auto time = test::makespan(machine, program);
    EXPECT_GE(time, one_us + 6 * at_rate(wire, 100));
    EXPECT_LE(time, one_us + 6 * at_rate(wire, 100) + at_rate(8192, 100));  // a group's packets
  }
}

// Payloads that Lamport packets cannot carry go by LL, and so are predicted.
TEST(Packets, AreThoseThatTheProgramSays) {
  const auto machine = test::one_switch(4);
  const auto time = [&](Protocol protocol) {
    return test::makespan(machine, test::planned(machine, "ring", CollectiveKind::all_gather, 1_MiB, {}, {.protocol = protocol}), by_packets);
  };
  EXPECT_EQ(time(Protocol::lamport), time(Protocol::ll));
}

TEST(Packets, AreWhatIsRecordedAndEveryPicosecondOfTheirTimeHasACause) {
  auto costs = by_packets;
  costs.memory_rate = GBps(300);
  for (const auto* planner : {"ring", "one_shot", "two_shot", "tree"}) {
    for (const auto bytes : {64_KiB, 5_MiB, 40_MiB}) {
      const auto machine = test::one_switch(3);
      const auto program = test::planned(machine, planner, CollectiveKind::all_reduce, bytes, {},
                                         {.blocks_per_lane = 4, .slice = 16_KiB, .protocol = Protocol::lamport});
      const auto result = test::simulated(machine, program, costs, {.steps = true, .record = true});
      EXPECT_EQ(result.makespan, test::makespan(machine, program, costs)) << planner;
      EXPECT_EQ(static_cast<std::int64_t>(result.recording.slices.size()), result.slices);
      SimTime at{0};
      for (const auto& segment : critical_path(machine, program, costs, result).segments) {
        EXPECT_EQ(segment.begin, at);
        at = segment.end;
      }
      EXPECT_EQ(at, result.makespan) << planner << " " << bytes.count();
      const auto slack = step_slack(machine, program, costs, result);
      EXPECT_EQ(slack.size(), result.steps.size());
      EXPECT_NE(std::ranges::find(slack, SimTime{0}), slack.end());
    }
  }
}

TEST(Packets, AreWhatTracesShow) {
  const auto machine = test::one_switch(3);
  const auto program =
      test::planned(machine, "two_shot", CollectiveKind::all_reduce, Bytes{3 * 4096}, {{"mode", "pull"}}, {.protocol = Protocol::lamport});
  const auto trace = write_trace(machine, program, test::simulated(machine, program, by_packets, {.record = true}));
  for (const char* words : {"256 packets of group 0", "threads, group 0"}) EXPECT_NE(trace.find(words), std::string::npos) << words;
  EXPECT_EQ(trace.find(" slice "), std::string::npos);
  EXPECT_EQ(trace.find("group 1"), std::string::npos);  // one group of 512 threads does it all
}

struct Measured {
  int gpus;
  const char* planner;
  std::int64_t kib;
  double us;
};

double predicted_on_h200s(int gpus, const char* planner, std::int64_t kib, CollectiveKind kind = CollectiveKind::all_reduce) {
  const auto machine = *make_preset("hgx-h200", {{"gpus", std::to_string(gpus)}});
  const auto program = test::planned(machine, planner, kind, Bytes{kib << 10}, {}, {.protocol = Protocol::lamport});
  return microseconds(to_seconds(test::makespan(machine, program, *load_profile(P2PLAB_SOURCE_DIR "/profiles/h200.yaml"))));
}

// Measured: 5.66 and 4.97 us at 1 MiB, 8.76 and 7.97 at 2 MiB, 14.41 and 13.92 at 4 MiB, 95.9 and 96.6 at 32 MiB.
TEST(Packets, BetweenTwoH200sOneShotIsTheFasterToFourMebibytesAndARingFromThirtyTwo) {
  for (const std::int64_t kib : {1024, 2048, 4096})
    EXPECT_LT(predicted_on_h200s(2, "one_shot", kib), 0.95 * predicted_on_h200s(2, "ring", kib)) << kib;
  EXPECT_LT(predicted_on_h200s(2, "ring", 32768), predicted_on_h200s(2, "one_shot", 32768));
}

// Measured: reduce by one_shot 12.68 us at 4 MiB, 49.20 at 16; by two_shot (there and back) 15.41 and 58.02. Its root, and who just passes sums on,
// have sent nothing that polls would queue behind.
TEST(Packets, AreAddedUpAsTheyComeWhereARankHasSentNothingOfItsOwn) {
  constexpr auto reduce = CollectiveKind::reduce;
  for (const auto& row :
       {Measured{2, "one_shot", 4096, 12.68}, {2, "one_shot", 16384, 49.20}, {2, "two_shot", 4096, 15.41}, {2, "two_shot", 16384, 58.02}})
    EXPECT_NEAR(predicted_on_h200s(2, row.planner, row.kib, reduce) / row.us, 1, 0.15) << row.planner << " " << row.kib << " KiB";
}

// kernels/measurements: all-reduce of float16, lamport. The profile is fitted to all sizes up to 1 MiB (tests/bench/packet_fit.cpp), not to the
// others.
TEST(Packets, OnH200sArePredictedWithinFourPercentOnAverageAndATenthEverywhere) {
  const std::vector<Measured> table{
      {2, "one_shot", 1, 1.62},     {2, "one_shot", 16, 1.92},    {2, "one_shot", 128, 2.23},    {2, "one_shot", 1024, 4.98},
      {3, "one_shot", 1, 1.72},     {3, "one_shot", 32, 2.14},    {3, "two_shot", 1024, 6.23},   {4, "one_shot", 1, 1.81},
      {4, "one_shot", 8, 2.07},     {4, "one_shot", 64, 2.58},    {4, "two_shot", 256, 4.20},    {4, "two_shot", 1024, 6.53},
      {2, "two_shot", 8192, 25.65}, {3, "ring", 16384, 64.61},    {4, "two_shot", 2048, 12.02},  {4, "two_shot", 16384, 74.72},
      {4, "two_shot", 1, 2.74},     {4, "two_shot", 64, 3.64},    {4, "ring", 1, 5.42},          {4, "ring", 64, 7.08},
      {4, "ring", 1024, 9.41},      {2, "ring", 256, 3.52},       {2, "ring", 1024, 5.69},       {2, "ring", 4096, 14.50},
      {2, "ring", 16384, 49.70},    {2, "one_shot", 4096, 13.94}, {2, "one_shot", 16384, 49.97}, {4, "ring", 4096, 22.16},
      {4, "ring", 16384, 75.42},    {2, "ring", 65536, 189.3},    {2, "one_shot", 65536, 190.5}, {2, "two_shot", 262144, 742.4}};
  double sum = 0;
  for (const auto& row : table) {
    const auto us = predicted_on_h200s(row.gpus, row.planner, row.kib);
    const auto error = std::abs(us / row.us - 1);
    EXPECT_LE(error, 0.1) << row.gpus << " " << row.planner << " " << row.kib << " KiB: " << us << " us, measured " << row.us;
    sum += error;
  }
  EXPECT_LE(sum / static_cast<double>(table.size()), 0.04);
}

struct MeasuredRows {
  std::int64_t rows;
  std::int64_t hidden;
  double us;
};

// kernels/measurements/peers_fused_2gpu.csv: sum, residual and RMSNorm of bfloat16 by one_shot, none of it fitted.
TEST(Packets, WithAnEpilogueArePredictedWithinATenthOnTwoH200s) {
  const auto machine = *make_preset("hgx-h200", {{"gpus", "2"}});
  const auto profile = *load_profile(P2PLAB_SOURCE_DIR "/profiles/h200.yaml");
  const std::vector<MeasuredRows> table{{1, 4096, 2.49},    {1, 8192, 2.53},    {8, 4096, 2.74},     {6, 6144, 2.79},
                                        {16, 4096, 3.08},   {32, 8192, 4.23},   {64, 6144, 5.08},    {96, 6144, 6.20},
                                        {138, 6144, 7.83},  {192, 6144, 10.62}, {256, 4096, 9.81},   {256, 8192, 16.81},
                                        {384, 6144, 18.72}, {512, 8192, 31.85}, {1024, 8192, 56.23}, {2048, 8192, 104.46}};
  double sum = 0;
  for (const auto& row : table) {
    const Payload payload{.elements = row.rows * row.hidden, .type = DataType::bfloat16};
    const auto plan = test::plan_on(machine, "one_shot", make_collective(CollectiveKind::all_reduce, 2), {{"mode", "push"}}, {.payload = payload});
    const auto plain = *lower(plan->schedule, *verify(machine, plan->schedule), payload, {.protocol = Protocol::lamport});
    const auto us = microseconds(to_seconds(test::makespan(machine, *with_epilogue(plain, {.hidden = row.hidden}), profile)));
    const auto error = us / row.us - 1;
    EXPECT_LE(std::abs(error), 0.1) << row.rows << " x " << row.hidden << ": " << us << " us, measured " << row.us;
    sum += std::abs(error);
  }
  EXPECT_LE(sum / static_cast<double>(table.size()), 0.05);
}

}  // namespace
}  // namespace p2plab::packets_test
