// SPDX-License-Identifier: Apache-2.0
// GPUs by the names that nvidia-smi, rocm-smi and people write.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/machine_answers.h"
#include "p2plab/machine/topology_import.h"

namespace p2plab {
namespace {

// The PCIe rate and the NVLinks of a GPU, as an import with this answer has them.
double pcie_of(const std::string& gpu) {
  const auto imported = import_smi("GPU0 GPU1 CPU Affinity\nGPU0 X PHB 0-3\nGPU1 PHB X 0-3\n", "x.txt",
                                   {.gpu = gpu, .pcie_beside_nvlink = true});  // also where the GPU is linked chip to chip
  EXPECT_TRUE(imported) << describe(imported.error());
  if (!imported) return 0;
  const auto links = imported->topology.links();
  return std::ranges::find(links, LinkKind::pcie, &Link::kind)->bandwidth.gbps();
}

TEST(GpuModels, AreKnownByTheNamesThatToolsAndPeopleWrite) {
  // Name, PCIe in GB/s: generation 3 15.75, 4 31.5, 5 63.0, 6 121 for 16 lanes.
  const std::vector<std::pair<std::string, double>> names{{"NVIDIA GeForce RTX 2080 Ti", 15.754},
                                                          {"2080ti", 15.754},
                                                          {"NVIDIA TITAN RTX", 15.754},
                                                          {"NVIDIA GeForce RTX 3090", 31.508},
                                                          {"rtx3090", 31.508},
                                                          {"RTX 4090", 31.508},
                                                          {"4090", 31.508},
                                                          {"NVIDIA GeForce RTX 4060 Ti", 15.754},
                                                          {"NVIDIA GeForce RTX 5090", 63.015},
                                                          {"Quadro RTX 8000", 15.754},
                                                          {"NVIDIA RTX A6000", 31.508},
                                                          {"a6000", 31.508},
                                                          {"NVIDIA RTX 6000 Ada Generation", 31.508},
                                                          {"NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 63.015},
                                                          {"NVIDIA RTX PRO 6000 Blackwell Server Edition", 63.015},
                                                          {"Tesla P100-SXM2-16GB", 15.754},
                                                          {"Tesla V100-SXM2-32GB", 15.754},
                                                          {"Tesla V100-PCIE-16GB", 15.754},
                                                          {"Tesla T4", 15.754},
                                                          {"NVIDIA L4", 31.508},
                                                          {"NVIDIA L40S", 31.508},
                                                          {"L40S", 31.508},
                                                          {"NVIDIA A10G", 31.508},
                                                          {"NVIDIA A40", 31.508},
                                                          {"NVIDIA A100-SXM4-40GB", 31.508},
                                                          {"NVIDIA A100 80GB PCIe", 31.508},
                                                          {"NVIDIA A100-PCIE-40GB", 31.508},
                                                          {"NVIDIA H20", 63.015},
                                                          {"NVIDIA H100 80GB HBM3", 63.015},
                                                          {"NVIDIA H100 PCIe", 63.015},
                                                          {"NVIDIA H100 NVL", 63.015},
                                                          {"NVIDIA H800", 63.015},
                                                          {"NVIDIA H200", 63.015},
                                                          {"NVIDIA H200 NVL", 63.015},
                                                          {"NVIDIA GH200 480GB", 63.015},
                                                          {"NVIDIA B200", 63.015},
                                                          {"NVIDIA B300", 121},
                                                          {"AMD Instinct MI100", 31.508},
                                                          {"AMD Instinct MI300X", 63.015},
                                                          {"mi355x", 63.015}};
  for (const auto& [name, rate] : names) EXPECT_NEAR(pcie_of(name), rate, 0.001) << name;
}

TEST(GpuModels, AnUnknownNameGetsTheNearest) {
  const auto wrong = read_answers({{"gpu", "L40Z"}});
  ASSERT_FALSE(wrong);
  EXPECT_NE(describe(wrong.error()).find("did you mean 'l40"), std::string::npos) << describe(wrong.error());
}

TEST(Answers, AllMistakesAreSaidInOneRun) {
  const auto wrong = read_answers({{"gpus", "4090"}, {"pcie_gen", "9"}, {"socket_link", "fast"}, {"nvswitch", "maybe"}, {"cpu", "turing"}});
  ASSERT_FALSE(wrong);
  const auto text = describe(wrong.error());
  for (const char* words : {"did you mean 'gpu'", "pcie_gen: expected a whole number from 1 to 6", "socket_link:", "nvswitch: expected yes or no",
                            "did you mean 'turin'"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
}

TEST(Answers, ComeBeforeWhatTablesKnow) {
  const auto text = "GPU0 GPU1 CPU Affinity NUMA Affinity\nGPU0 X SYS 0-3 0\nGPU1 SYS X 4-7 1\n";
  const auto answers = read_answers({{"gpu", "t4"}, {"pcie_width", "8"}, {"cpu", "sapphire rapids"}});
  ASSERT_TRUE(answers) << describe(answers.error());
  const auto machine = import_smi(text, "x.txt", *answers)->topology;
  EXPECT_NEAR(machine.links().front().bandwidth.gbps(), 7.877, 0.001);
  EXPECT_EQ(machine.links().back().bandwidth, GBps(22));
}

}  // namespace
}  // namespace p2plab
