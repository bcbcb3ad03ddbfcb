// SPDX-License-Identifier: Apache-2.0
// Kernels made for programs compile for every generation of GPUs; needs NVIDIA's run-time compiler, no GPU. Skips itself aloud.
#include <gtest/gtest.h>

#include "cuda/jit/nvrtc_library.h"
#include "lowered/specialise.h"
#include "p2plab/program/lower.h"
#include "p2plab/schedule/verify.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::special_kernel_test {
namespace {

// The packets of a rank whose memory lies anywhere.
LinkedPackets linked_packets_of(const Topology& machine, const std::string& planner, CollectiveKind kind, PacketWire wire) {
  const auto plan = *test::plan_on(machine, planner, kind);
  const auto program = *lower(plan.schedule, *verify(machine, plan.schedule), {.elements = 4096, .type = DataType::float16}, {});
  const std::vector<RankAddresses> addresses(static_cast<std::size_t>(machine.ranks()));
  return link_packets(make_packet_program(program, {}, wire), Rank{0}, addresses, wire, args::most_packet_width);
}

TEST(SpecialKernel, CompilesForEveryGeneration) {
  const auto nvrtc = cuda::NvrtcLibrary::load();
  if (!nvrtc) GTEST_SKIP() << describe(nvrtc.error());
  const auto machine = test::one_switch(4);
  const auto sum = linked_packets_of(machine, "two_shot", CollectiveKind::all_reduce, PacketWire::lamport);
  const auto copy = linked_packets_of(machine, "ring", CollectiveKind::broadcast, PacketWire::ll128);
  for (const int capability : {80, 100}) {
    const auto with_lamport = nvrtc->compile(kernel_source(sum, {.choice = {.type = DataType::float16, .lamport = true}, .once = true}), capability);
    EXPECT_TRUE(with_lamport) << describe(with_lamport.error());
    const PacketCode noting{.choice = {.type = DataType::float16, .lamport = true}, .once = true, .recorded = true, .steps = capability == 100};
    const auto recorded = nvrtc->compile(kernel_source(sum, noting), capability);
    EXPECT_TRUE(recorded) << describe(recorded.error());
  }
  const RowCode shared{.slots = 1, .whole = true, .packets = 768, .taken = true, .cluster = 6};
  for (const int level : {0, 1, 2}) {
    PacketCode code{.choice = {.type = DataType::float16, .lamport = true}, .once = true, .recorded = level > 0, .steps = level > 1, .rows = shared};
    const auto in_a_cluster = nvrtc->compile(kernel_source(sum, code), 90);
    EXPECT_TRUE(in_a_cluster) << describe(in_a_cluster.error());
    code.rows = RowCode{.slots = 2, .whole = true};
    const auto after_packets = nvrtc->compile(kernel_source(sum, code), 90);
    EXPECT_TRUE(after_packets) << describe(after_packets.error());
  }
  const PacketCode noting{.choice = {.type = DataType::float16, .lamport = true}, .odd = true, .recorded = true, .steps = true};
  const auto with_steps = nvrtc->compile(kernel_source(sum, noting), 90);
  EXPECT_TRUE(with_steps) << describe(with_steps.error());
  const auto with_ll128 = nvrtc->compile(kernel_source(copy, {.choice = {.reduces = false, .ll128 = true}, .odd = true}), 90);
  EXPECT_TRUE(with_ll128) << describe(with_ll128.error());
}

TEST(SpecialKernel, SaysWhatTheCompilerSaysOfASourceThatIsWrong) {
  const auto nvrtc = cuda::NvrtcLibrary::load();
  if (!nvrtc) GTEST_SKIP() << describe(nvrtc.error());
  const auto wrong = nvrtc->compile("__global__ void packets() { no_such_thing(); }", 90);
  ASSERT_FALSE(wrong);
  EXPECT_NE(describe(wrong.error()).find("no_such_thing"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::special_kernel_test
