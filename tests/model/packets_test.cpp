// Programs that run element by element: what they cost, worked out by hand, and beside what four H200s measured.
#include <gtest/gtest.h>

#include <cmath>

#include "../support/simulated.h"
#include "p2plab/presets.h"
#include "p2plab/trace.h"

namespace p2plab {
namespace {

using testing::at_rate;
using testing::one_us;

const Profile by_packets{.launch = Seconds{3e-6}, .signal_peer = Seconds{0.1}, .fence = Seconds{0.1}, .packet_start = Seconds{5e-7}, .packet_item = Seconds{1e-8},
                         .packet_tail = Seconds{1e-7}};
constexpr SimTime before{3'500'000};   // launch and start
constexpr SimTime operand{10'000};

TEST(Packets, GoThroughAllStepsWithoutSignals) {
  const auto machine = testing::full_mesh(2);
  for (const auto* mode : {"push", "pull"}) {
    const auto program =
        testing::planned(machine, "one_shot", CollectiveKind::all_reduce, Bytes{512}, {{"mode", mode}}, {.protocol = Protocol::flagless});
    // One operand read and one written to send; two read and one written to add. 32 packets are one warp: none is later than the others.
    EXPECT_EQ(testing::makespan(machine, program, by_packets), before + 5 * operand + one_us + at_rate(512, 25)) << mode;
  }
}

TEST(Packets, OfManyWarpsArriveAsTheSlowestDoes) {
  const auto machine = testing::full_mesh(2);
  for (const int warps : {1, 2, 8, 128}) {
    const auto program =
        testing::planned(machine, "one_shot", CollectiveKind::all_reduce, Bytes{warps * 512}, {{"mode", "push"}}, {.protocol = Protocol::flagless});
    const SimTime late{to_nearest(1e5 * std::log(warps))};
    EXPECT_EQ(testing::makespan(machine, program, by_packets), before + 5 * operand + one_us + at_rate(warps * 512, 25) + late) << warps;
  }
}

TEST(Packets, OfARingPayOneLatencyAHop) {
  for (const int n : {2, 3, 5, 8}) {
    const auto machine = testing::one_switch(n);
    const auto program =
        testing::planned(machine, "ring", CollectiveKind::all_gather, Bytes{n * 256}, {{"rings", "1"}}, {.protocol = Protocol::ll});
    const auto time = testing::makespan(machine, program, by_packets);
    EXPECT_GE(time, before + (n - 1) * (one_us + 2 * operand + at_rate(512, 100)));
    EXPECT_LE(time, before + (n - 1) * (one_us + 4 * operand + at_rate(512, 100))) << n;   // the first may write its own output, too
  }
}

TEST(Packets, BeyondAllThreadsComeInWaves) {
  const auto machine = testing::full_mesh(2);
  const auto time = [&](std::int64_t bytes) {
    return testing::makespan(machine, testing::planned(machine, "one_shot", CollectiveKind::all_reduce, Bytes{bytes}, {{"mode", "push"}}, {.protocol = Protocol::flagless}),
                             by_packets);
  };
  const auto one = time(1 << 20) - before;
  EXPECT_GE(time(2 << 20) - before, 2 * one - 3 * one_us);   // groups of threads that are done go on to the next wave
  EXPECT_LE(time(2 << 20) - before, 2 * one + 10 * operand);
}

TEST(Packets, CostNothingOfTheirOwnOnAnIdealMachine) {
  const auto machine = testing::one_switch(4);
  for (const auto protocol : {Protocol::ll, Protocol::flagless}) {
    const auto program = testing::planned(machine, "ring", CollectiveKind::all_reduce, 1_MiB, {{"rings", "1"}}, {.protocol = protocol});
    const auto wire = (protocol == Protocol::ll ? 2 : 1) * (1 << 18);
    EXPECT_EQ(testing::makespan(machine, program), 6 * (one_us + at_rate(wire, 100)));   // slice by slice, as ever
  }
}

TEST(Packets, AreRecordedSliceBySlice) {
  const auto machine = testing::one_switch(3);
  const auto program = testing::planned(machine, "two_shot", CollectiveKind::all_reduce, 64_KiB, {{"mode", "pull"}}, {.protocol = Protocol::flagless});
  const auto result = testing::simulated(machine, program, by_packets, {.record = true});
  EXPECT_EQ(static_cast<std::int64_t>(result.recording.slices.size()), result.slices);
  EXPECT_NE(write_trace(machine, program, result).find("traceEvents"), std::string::npos);
}

struct Measured {
  int gpus;
  const char* planner;
  CollectiveKind kind;
  std::int64_t bytes;
  Protocol protocol;
  double us;
};

// From kernels/README.md. The first nine were used to fit the three figures below, the others were not.
TEST(Packets, OnFourH200sArePredictedWithinATwelfthOnAverage) {
  constexpr auto reduce = CollectiveKind::all_reduce;
  const std::vector<Measured> table{{4, "one_shot", reduce, 1 << 10, Protocol::ll, 2.50},        {4, "one_shot", reduce, 64 << 10, Protocol::flagless, 3.58},
                                    {4, "one_shot", reduce, 1 << 20, Protocol::flagless, 12.08}, {4, "two_shot", reduce, 1 << 10, Protocol::ll, 3.67},
                                    {4, "two_shot", reduce, 64 << 10, Protocol::ll, 4.73},       {4, "two_shot", reduce, 1 << 20, Protocol::flagless, 8.34},
                                    {4, "ring", reduce, 1 << 10, Protocol::ll, 7.33},            {4, "ring", reduce, 64 << 10, Protocol::ll, 9.85},
                                    {4, "ring", reduce, 1 << 20, Protocol::flagless, 14.00},     {4, "one_shot", reduce, 4 << 10, Protocol::ll, 2.67},
                                    {4, "one_shot", reduce, 256 << 10, Protocol::flagless, 5.58}, {4, "two_shot", reduce, 16 << 10, Protocol::ll, 4.35},
                                    {4, "two_shot", reduce, 4 << 20, Protocol::flagless, 22.33}, {4, "ring", reduce, 16 << 10, Protocol::ll, 9.06},
                                    {4, "ring", reduce, 256 << 10, Protocol::flagless, 11.38},   {4, "ring", reduce, 4 << 20, Protocol::flagless, 22.96},
                                    {2, "one_shot", reduce, 1 << 10, Protocol::ll, 2.34},        {2, "one_shot", reduce, 64 << 10, Protocol::flagless, 2.96},
                                    {2, "one_shot", reduce, 1 << 20, Protocol::flagless, 6.12}};
  auto profile = load_profile(P2PLAB_SOURCE_DIR "/profiles/h200.yaml");
  ASSERT_TRUE(profile);
  profile->packet_start = Seconds{0.45e-6};
  profile->packet_item = Seconds{0.01e-6};
  profile->packet_tail = Seconds{0.05e-6};
  double sum = 0;
  for (const auto& row : table) {
    const auto machine = make_preset("hgx-h200", {{"gpus", std::to_string(row.gpus)}});
    ASSERT_TRUE(machine);
    const auto program = testing::planned(*machine, row.planner, row.kind, Bytes{row.bytes}, {}, {.protocol = row.protocol});
    const auto us = microseconds(to_seconds(testing::makespan(*machine, program, *profile)));
    const auto error = std::abs(us / row.us - 1);
    EXPECT_LE(error, 0.25) << row.gpus << " " << row.planner << " " << row.bytes << ": " << us << " us, measured " << row.us;
    sum += error;
  }
  EXPECT_LE(sum / static_cast<double>(table.size()), 1.0 / 12);
}

}  // namespace
}  // namespace p2plab
