// SPDX-License-Identifier: Apache-2.0
// GPUs by the names that nvidia-smi, rocm-smi and people write.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/machine/machine_answers.h"
#include "p2plab/machine/topology_import.h"

namespace p2plab::gpu_models_test {
namespace {

// The PCIe rate and the NVLinks of a GPU, as an import with this answer has them.
double pcie_of(const std::string& gpu) {
  const auto imported = import_smi("GPU0 GPU1 CPU Affinity\nGPU0 X PHB 0-3\nGPU1 PHB X 0-3\n", "x.txt",
                                   {.gpu = gpu, .peer_access = true, .pcie_beside_nvlink = true});  // also where the GPU is linked chip to chip
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
  EXPECT_NE(describe(wrong.error()).find("did you mean 'L4"), std::string::npos) << describe(wrong.error());
}

// What a person may have meant, or nothing; never a GPU of another family.
TEST(GpuModels, TheNearestIsOfTheSameFamily) {
  const auto meant = [](const std::string& gpu) {
    const auto wrong = read_answers({{"gpu", gpu}});
    const auto text = wrong ? std::string{"known"} : describe(wrong.error());
    const auto at = text.find("did you mean ");
    return at == std::string::npos ? std::string{} : text.substr(at + 13, text.find('?', at) - at - 13);
  };
  EXPECT_EQ(meant("mi300"), "'Instinct MI300A', 'Instinct MI300X'");
  EXPECT_EQ(meant("NVIDIA GeForce RTX 5090 Laptop GPU"), "'GeForce RTX 5090'");
  EXPECT_EQ(meant("rtx4090x"), "'GeForce RTX 4090'");
  EXPECT_EQ(meant("A6000 ada"), "'RTX 6000 Ada'");
  EXPECT_EQ(meant("L40SS"), "'L40S'");
  EXPECT_EQ(meant("GeForce 5O90"), "'GeForce RTX 5090'");
  EXPECT_EQ(meant("geforse rtx 3090"), "'GeForce RTX 3090'");
  for (const char* stranger : {"VR200", "Rubin", "NVIDIA Graphics Device", "NVIDIA Thor"}) EXPECT_EQ(meant(stranger), "") << stranger;
  for (const char* name : {"NVIDIA B300 SXM6 AC", "NVIDIA GeForce RTX 5090 D v2", "NVIDIA GH200 144G HBM3e", "NVIDIA RTX PRO 5000 72GB Blackwell",
                           "NVIDIA RTX PRO 4000 Blackwell SFF Edition", "NVIDIA RTX PRO 4500 Blackwell Server Edition", "NVIDIA H20-3e",
                           "AMD Instinct MI300X VF", "AMD Instinct MI325 OAM", "AMD Radeon RX 7900 XTX", "AMD Radeon AI PRO R9700", "NVIDIA TITAN V",
                           "Tesla K80", "Tesla M60", "Quadro GV100", "NVIDIA GB10", "NVIDIA GB300"})
    EXPECT_TRUE(read_answers({{"gpu", name}})) << name;
}

// The CPU of a server by what lscpu prints, seen in what joins its sockets: NCCL's figures.
TEST(CpuModels, AreKnownByTheNamesThatLscpuPrints) {
  const std::vector<std::pair<std::string, double>> names{{"AMD EPYC 7601 32-Core Processor", 16},
                                                          {"AMD EPYC 7742 64-Core Processor", 16},
                                                          {"AMD EPYC 7V12 64-Core Processor", 16},
                                                          {"AMD EPYC 7763 64-Core Processor", 24},
                                                          {"AMD EPYC 9654 96-Core Processor", 24},
                                                          {"AMD EPYC 9575F 64-Core Processor", 32},
                                                          {"AMD EPYC 9A75 64-Core Processor", 32},
                                                          {"Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", 6},
                                                          {"Intel(R) Xeon(R) Gold 6226 CPU @ 2.70GHz", 10},
                                                          {"Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", 10},
                                                          {"Intel(R) Xeon(R) Platinum 8480+", 22},
                                                          {"INTEL(R) XEON(R) PLATINUM 8568Y+", 40},
                                                          {"Intel(R) Xeon(R) 6787P", 40},
                                                          {"Granite Rapids", 40},
                                                          {"grace", 6},
                                                          {"POWER9", 32},
                                                          {"power10", 32},
                                                          {"EPYC 9004", 24}};
  const auto text = "GPU0 GPU1 CPU Affinity NUMA Affinity\nGPU0 X SYS 0-3 0\nGPU1 SYS X 4-7 1\n";
  for (const auto& [name, rate] : names) {
    const auto answers = read_answers({{"gpu", "t4"}, {"cpu", name}});
    ASSERT_TRUE(answers) << describe(answers.error());
    EXPECT_EQ(import_smi(text, "x.txt", *answers)->topology.links().back().bandwidth, GBps(rate)) << name;
  }
  for (const char* name : {"Intel(R) Xeon(R) CPU @ 2.20GHz", "AMD Eng Sample"}) EXPECT_FALSE(read_answers({{"cpu", name}})) << name;
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
}  // namespace p2plab::gpu_models_test
