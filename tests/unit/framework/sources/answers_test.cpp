// SPDX-License-Identifier: Apache-2.0
// Answers to what a machine that is a graph already leaves open.
#include <gtest/gtest.h>

#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_import.h"
#include "support/same_topology.h"

namespace p2plab::answers_test {
namespace {

MachineAnswers answers(const std::vector<std::pair<std::string, std::string>>& words) { return *read_answers(words); }
std::string refusal(const std::string& preset, const std::vector<std::pair<std::string, std::string>>& words) {
  const auto machine = resolve_topology(preset, nullptr, answers(words));
  return machine ? "accepted" : describe(machine.error());
}

TEST(Answers, APresetThatNamesNoGpusTakesTheirNameAndNoOther) {
  const auto server = resolve_topology("pcie-server", nullptr, answers({{"gpu", "NVIDIA L40S"}}));
  ASSERT_TRUE(server) << describe(server.error());
  EXPECT_EQ(gpu_kind(*server)->title, "L40S");
  EXPECT_TRUE(test::same_topology(*resolve_topology("pcie-server"), *server));
  EXPECT_EQ(gpu_kind(*resolve_topology("hgx-h200", nullptr, answers({{"gpu", "h200"}})))->title, "H200 SXM");
  EXPECT_NE(refusal("dgx-v100", {{"gpu", "t4"}}).find("'dgx-v100' has Tesla V100 SXM2, not Tesla T4"), std::string::npos);
}

TEST(Answers, EachThatAGraphDoesNotAskForIsRefusedNotPassedOver) {
  EXPECT_NE(refusal("hgx-h200", {{"socket_link", "32"}}).find("nothing of 'hgx-h200' asks for socket_link"), std::string::npos);
  const auto both = refusal("pcie-server", {{"gpu", "l40s"}, {"sockets", "2"}, {"pcie", "31.5"}});
  EXPECT_NE(both.find("is a graph already, which says itself what sockets would answer"), std::string::npos) << both;
  EXPECT_NE(both.find("nothing of 'pcie-server' asks for pcie"), std::string::npos) << both;
}

// A file that was made of a text which did not name the GPU, nor the CPUs.
TEST(Answers, AFileOfOursIsAnsweredWhatItAsks) {
  const auto text = "GPU0 GPU1 CPU Affinity NUMA Affinity\nGPU0 X SYS 0-3 0\nGPU1 SYS X 4-7 1\n";
  const auto asked = import_smi(text, "x.txt")->topology;
  const auto told = answered(asked, answers({{"gpu", "pro 6000"}, {"cpu", "turin"}, {"peer_access", "yes"}}));
  EXPECT_FALSE(told);  // who reaches whom is settled
  const auto machine = answered(asked, answers({{"gpu", "pro 6000"}, {"cpu", "turin"}}));
  ASSERT_TRUE(machine) << describe(machine.error());
  const auto direct = import_smi(text, "x.txt", answers({{"gpu", "pro 6000"}, {"cpu", "turin"}}))->topology;
  EXPECT_TRUE(test::same_topology(direct, *machine));
  EXPECT_EQ(gpu_kind(*machine)->title, gpu_kind(direct)->title);
  const auto by_lanes = answered(asked, answers({{"pcie_gen", "5"}, {"pcie_width", "8"}, {"socket_link", "20"}}));
  const auto& routes = by_lanes->routes();
  EXPECT_EQ(routes.bottleneck(routes.between(Rank{0}, Rank{1})), GBps(20));
  EXPECT_FALSE(answered(asked, answers({{"pcie_gen", "5"}})));
}

}  // namespace
}  // namespace p2plab::answers_test
