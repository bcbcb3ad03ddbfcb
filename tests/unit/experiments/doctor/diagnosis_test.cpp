// SPDX-License-Identifier: Apache-2.0
// Healthy machines are not complained of; what was not read is not called fine; records are diagnosed as the machine itself.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "p2plab/experiment/doctor.h"
#include "p2plab/machine/presets.h"
#include "p2plab/run/readings.h"
#include "support/doctor/healthy_machine.h"
#include "support/scratch.h"
#include "support/written_machine.h"

namespace p2plab::diagnosis_test {
namespace {

std::vector<std::string> names_of(const Diagnosis& diagnosis) {
  std::vector<std::string> names;
  for (const auto& one : diagnosis.findings) names.push_back(one.name);
  return names;
}

const Finding* find(const Diagnosis& diagnosis, const std::string& name) {
  const auto found = std::ranges::find(diagnosis.findings, name, &Finding::name);
  return found == diagnosis.findings.end() ? nullptr : &*found;
}

// 30 of each kind; P2PLAB_DOCTOR_VARIANTS asks for more.
TEST(Doctor, ComplainsOfNoHealthyMachine) {
  const char* asked = std::getenv("P2PLAB_DOCTOR_VARIANTS");
  const auto variants = static_cast<std::uint64_t>(asked != nullptr ? std::atoi(asked) : 30);
  for (const auto& kind : test::healthy_kinds()) {
    for (std::uint64_t seed = 0; seed < variants; ++seed) {
      const auto diagnosis = diagnose(test::healthy_machine(kind, seed));
      ASSERT_TRUE(diagnosis) << kind << " " << seed << ": " << describe(diagnosis.error());
      ASSERT_EQ(diagnosis->complaints(), 0) << kind << " " << seed << "\n" << diagnosis_text(*diagnosis);
      if (kind == "one_gpu") continue;
      ASSERT_TRUE(diagnosis->busbw);
      ASSERT_EQ(diagnosis->busbw->with, diagnosis->busbw->without) << kind << " " << seed << "\n" << diagnosis_text(*diagnosis);
    }
  }
}

// Presets as NVML, CUDA and sysfs would tell of them: nothing is said but that settings were not read, and one lost NVLink is seen on each.
TEST(Doctor, ComplainsOfNoPresetButOfItsLostNvlink) {
  const std::vector<std::tuple<std::string, test::WrittenAs, std::string>> presets{
      {"dgx-p100", {.link = GBps(20), .compute_capability = 60}, "Tesla P100-SXM2-16GB"},
      {"dgx-v100", {.compute_capability = 70}, "Tesla V100-SXM2-32GB"},
      {"dgx-2", {.compute_capability = 70}, "Tesla V100-SXM3-32GB"},
      {"dgx-a100", {.compute_capability = 80}, "NVIDIA A100-SXM4-80GB"},
      {"hgx-h100", {}, "NVIDIA H100 80GB HBM3"},
      {"hgx-h200:gpus=4", {}, "NVIDIA H200"},
      {"hgx-b200", {.link = GBps(50), .compute_capability = 100}, "NVIDIA B200"}};
  for (const auto& [preset, as, gpu] : presets) {
    auto facts = test::facts_of(*resolve_topology(preset), as, gpu);
    const auto healthy = diagnose(facts);
    ASSERT_TRUE(healthy) << preset << describe(healthy.error());
    EXPECT_EQ(names_of(*healthy), std::vector<std::string>{"readings.none"}) << preset << "\n" << diagnosis_text(*healthy);
    facts.nvml[1].links.back().active = false;
    const auto broken = diagnose(facts);
    ASSERT_TRUE(broken) << preset << describe(broken.error());
    EXPECT_EQ(names_of(*broken), (std::vector<std::string>{"nvlink.down", "readings.none"})) << preset << "\n" << diagnosis_text(*broken);
  }
}

// On a switch the bound of all-reduce is the mean of what GPUs send, as long as each sends a whole payload: 18 links of 25 GB/s are 450; with six of
// one GPU's down (7 * 450 + 300) / 8.
TEST(Doctor, PricesLostNvlinksByTheBound) {
  auto facts = test::healthy_machine("hgx_h100", 1);
  for (std::size_t l = 12; l < 18; ++l) facts.nvml[3].links[l].active = false;
  const auto diagnosis = diagnose(facts);
  ASSERT_TRUE(diagnosis);
  const auto* down = find(*diagnosis, "nvlink.down");
  ASSERT_NE(down, nullptr);
  ASSERT_TRUE(down->worth);
  EXPECT_NEAR(down->worth->with, 431.25, 1e-6);
  EXPECT_NEAR(down->worth->without, 450, 1e-6);
  EXPECT_EQ(down->what, "6 of 18 NVLinks of gpu3 are down (number 12, 13, 14, 15, 16, 17)");
}

// Each GPU of a DGX-1 has links to four others: which pair lost two, both their ends say.
TEST(Doctor, PricesALostPairOfDirectNvlinksByItsTwoEnds) {
  auto facts = test::healthy_machine("dgx1_v100", 1);
  for (auto& gpu : facts.nvml) {
    for (auto& link : gpu.links) {
      const bool joins = (gpu.bus_id == facts.nvml[0].bus_id && link.remote == facts.nvml[3].bus_id) ||
                         (gpu.bus_id == facts.nvml[3].bus_id && link.remote == facts.nvml[0].bus_id);
      if (joins) link = {link.number, false, "", "unknown"};
    }
  }
  const auto diagnosis = diagnose(facts);
  ASSERT_TRUE(diagnosis);
  ASSERT_EQ(std::ranges::count(names_of(*diagnosis), "nvlink.down"), 2);
  EXPECT_TRUE(diagnosis->findings[0].worth) << diagnosis_text(*diagnosis);
  EXPECT_LT(diagnosis->busbw->with, diagnosis->busbw->without);
  EXPECT_EQ(diagnosis->busbw->without, diagnose(test::healthy_machine("dgx1_v100", 1))->busbw->without);
}

// Four lanes of PCIe 4 carry 16 GT/s * 4 * 128/130 / 8. Each GPU sends a whole payload, so the narrowest one limits it: busbw of four is 1.5 of that.
TEST(Doctor, PricesANarrowPcieLinkByItsLanes) {
  auto facts = test::healthy_machine("l40s_sockets", 1);
  test::set_reading(facts, facts.nvml[1].bus_id, reading::link_width, "4");
  const auto diagnosis = diagnose(facts);
  ASSERT_TRUE(diagnosis);
  const auto* narrow = find(*diagnosis, "pcie.narrow");
  ASSERT_NE(narrow, nullptr);
  ASSERT_TRUE(narrow->worth);
  EXPECT_NEAR(narrow->worth->with, 1.5 * 16 * 4 * 128.0 / 130 / 8, 1e-6);
}

TEST(Doctor, TwoFaultsAreEachPricedAloneAndTheMachineWithBoth) {
  auto facts = test::healthy_machine("hgx_h100", 2);
  facts.nvml[0].links[17].active = false;
  facts.nvml[1].links[17].active = facts.nvml[1].links[16].active = false;
  const auto diagnosis = diagnose(facts);
  ASSERT_TRUE(diagnosis);
  ASSERT_EQ(std::ranges::count(names_of(*diagnosis), "nvlink.down"), 2);
  EXPECT_NEAR(diagnosis->findings[0].worth->with, 450 - 50.0 / 8, 1e-6);  // the dearer first
  EXPECT_NEAR(diagnosis->findings[1].worth->with, 450 - 25.0 / 8, 1e-6);
  EXPECT_NEAR(diagnosis->busbw->with, 450 - 75.0 / 8, 1e-6);
  EXPECT_NEAR(diagnosis->busbw->without, 450, 1e-6);
}

TEST(Doctor, StockGeForceHasNoPeerAccessByPolicyWhichIsANoteWithAPrice) {
  const auto diagnosis = diagnose(test::healthy_machine("rtx4090", 1));
  ASSERT_TRUE(diagnosis);
  const auto* policy = find(*diagnosis, "peers.policy");
  ASSERT_NE(policy, nullptr);
  EXPECT_EQ(policy->severity, Severity::note);
  EXPECT_NE(policy->what.find("12 of 12 ordered pairs have no peer access"), std::string::npos) << policy->what;
  EXPECT_TRUE(policy->worth);
}

TEST(Doctor, WhatCannotBeReadIsUnknownAndNeverFine) {
  auto facts = test::healthy_machine("pro6000_switches", 1);
  for (auto& one : facts.readings) {
    if (one.what == reading::acs_redirect || one.what == reading::iommu_type || one.what == reading::throttle || one.what == reading::bar_largest) {
      one.value.clear();
      one.missing = "no permission";
    }
  }
  const auto diagnosis = diagnose(facts);
  ASSERT_TRUE(diagnosis);
  for (const char* name : {"acs.unread", "iommu.unread", "throttle.unread", "bar.unread"}) {
    const auto* one = find(*diagnosis, name);
    ASSERT_NE(one, nullptr) << name;
    EXPECT_EQ(one->severity, Severity::unknown);
    EXPECT_NE(one->evidence.front().find("no permission"), std::string::npos);
    EXPECT_EQ(std::ranges::find(diagnosis->fine, one->check), diagnosis->fine.end());
  }
}

TEST(Doctor, FactsWithoutReadingsSayOnceThatNothingIsKnownOfSettings) {
  auto facts = test::healthy_machine("hgx_h100", 1);
  facts.readings.clear();
  const auto diagnosis = diagnose(facts);
  ASSERT_TRUE(diagnosis);
  EXPECT_EQ(names_of(*diagnosis), std::vector<std::string>{"readings.none"});
}

TEST(Doctor, RecordsAreDiagnosedAsTheMachineItself) {
  auto facts = test::healthy_machine("dgx1_v100", 4);
  test::set_reading(facts, "NCCL_P2P_DISABLE", reading::environment, "1");
  const auto back = read_facts(write_facts(facts), "box.json");
  ASSERT_TRUE(back) << describe(back.error());
  EXPECT_EQ(diagnosis_json(*diagnose(*back)), diagnosis_json(*diagnose(facts)));
}

TEST(Doctor, AReadingThatNoneHasIsNamedWithTheNearest) {
  auto facts = test::healthy_machine("one_gpu", 1);
  facts.readings.push_back({.subject = "machine", .what = "conteiner", .value = "docker"});
  const auto diagnosis = diagnose(facts);
  ASSERT_FALSE(diagnosis);
  EXPECT_EQ(diagnosis.error().code, ErrorCode::unknown_name);
  EXPECT_NE(describe(diagnosis.error()).find("did you mean 'container'?"), std::string::npos) << describe(diagnosis.error());
}

TEST(Doctor, PairsOfGpusThatAreNotThereAreAnError) {
  auto facts = test::healthy_machine("l40s_sockets", 1);
  facts.peers.push_back({4, 0, true, true, 0});
  const auto diagnosis = diagnose(facts);
  ASSERT_FALSE(diagnosis);
  EXPECT_EQ(diagnosis.error().message, "peers name the pair 4 -> 0, and CUDA has 4 GPUs");
}

TEST(Doctor, WithoutAUsableGpuTheErrorSaysWhatStandsInTheWay) {
  auto facts = test::healthy_machine("l40s_sockets", 1);
  facts.cuda.clear();
  facts.nvml.clear();
  facts.peers.clear();
  facts.cuda_missing = "cuInit fails with code 100: no device";
  test::set_reading(facts, "machine", reading::nouveau, "1");
  test::set_reading(facts, "/dev/nvidiactl", reading::usable, "0");
  const auto diagnosis = diagnose(facts);
  ASSERT_FALSE(diagnosis);
  const auto text = describe(diagnosis.error());
  for (const char* words : {"driver.cuda", "driver.nouveau", "permissions.denied: /dev/nvidiactl", "blacklist nouveau"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
}

// Files of a kernel, written by hand: the readings say what stands there, and why where nothing does.
class Readings : public ::testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file, std::ios::binary) << text;
  }
  MachineFacts read(const std::vector<std::pair<std::string, std::string>>& variables = {}) {
    MachineFacts facts;
    facts.cuda.push_back({"0000:41:00.0", "NVIDIA L40S", 89, 142, 0});
    facts.pci = {{"0000:40:01.0", "", "0x060400", "0x1022", "32.0 GT/s PCIe", 16, 0},
                 {"0000:41:00.0", "0000:40:01.0", "0x030200", "0x10de", "16.0 GT/s PCIe", 16, 0}};
    add_readings(facts, {.root = root_.string(),
                         .variable = [&](const char* name) -> const char* {
                           const auto found = std::ranges::find(variables, name, [](const auto& one) { return one.first; });
                           return found == variables.end() ? nullptr : found->second.c_str();
                         },
                         .nvml = []() -> Result<NvmlQuestions> {
                           return Error{ErrorCode::no_device, "no NVML here"};
                         }});
    return facts;
  }
  static Reading one(const MachineFacts& facts, const std::string& subject, std::string_view what) {
    for (const auto& reading : facts.readings) {
      if (reading.subject == subject && reading.what == what) return reading;
    }
    ADD_FAILURE() << "no reading " << what << " of " << subject;
    return {};
  }
  std::filesystem::path root_ = test::scratch("root");
};

// A config space of 4096 bytes, ACS as second extended capability.
std::string config_space(unsigned control) {
  std::string bytes(4096, '\0');
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
  };
  put(0x100, 0x0001U | 1U << 16 | 0x148U << 20);
  put(0x148, 0x000dU | 1U << 16);
  put(0x14c, control << 16);
  return bytes;
}

TEST_F(Readings, AcsIsReadFromConfigSpaceWhereAllOfItIsThere) {
  const std::string file = "sys/bus/pci/devices/0000:40:01.0/config";
  write(file, config_space(0x1d));
  EXPECT_EQ(one(read(), "0000:40:01.0", reading::acs_redirect).value, "1");
  write(file, config_space(0x01));  // source validation alone redirects nothing
  EXPECT_EQ(one(read(), "0000:40:01.0", reading::acs_redirect).value, "0");
  write(file, config_space(0x1d).substr(0, 64));
  const auto cut = one(read(), "0000:40:01.0", reading::acs_redirect);
  EXPECT_EQ(cut.missing, "only root may read past its first 64 bytes: run as root");
}

TEST_F(Readings, WindowsLinksGroupsAndLimitsAreRead) {
  const std::string gpu = "sys/bus/pci/devices/0000:41:00.0/";
  write(gpu + "resource", "0x00000000f8000000 0x00000000f8ffffff 0x0000000000040200\n0x0000002000000000 0x0000002fffffffff 0x000000000014220c\n");
  write(gpu + "current_link_width", "8\n");
  write(gpu + "iommu_group/type", "DMA-FQ\n");
  write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 amd_iommu=on quiet\n");
  write("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-7,16\n");
  write("proc/cpuinfo", "flags\t\t: fpu hypervisor\n");
  write("proc/1/cgroup", "0::/kubepods/pod1\n");
  write("sys/devices/system/node/node0/distance", "10 21\n");
  write("sys/module/nvidia/version", "580.1\n");
  write("dev/nvidia0", "");
  const auto facts = read({{"NCCL_P2P_LEVEL", "SYS"}, {"SECRET", "x"}, {"NCCL_TOPO_FILE", "/no/such/file"}});
  EXPECT_EQ(one(facts, "0000:41:00.0", reading::bar_largest).value, std::to_string(std::int64_t{1} << 36));
  EXPECT_EQ(one(facts, "0000:41:00.0", reading::link_width).value, "8");
  EXPECT_EQ(one(facts, "0000:41:00.0", reading::link_speed).missing, "the file cannot be read");
  EXPECT_EQ(one(facts, "0000:41:00.0", reading::iommu_type).value, "DMA-FQ");
  EXPECT_EQ(one(facts, "machine", reading::kernel_arguments).value, "amd_iommu=on");
  EXPECT_EQ(one(facts, "machine", reading::processors_allowed).value, "0-7,16");
  EXPECT_EQ(one(facts, "machine", reading::virtual_machine).value, "1");
  EXPECT_EQ(one(facts, "machine", reading::container).value, "kubernetes");
  EXPECT_EQ(one(facts, "machine", reading::driver_module).value, "580.1");
  EXPECT_EQ(one(facts, "node0", reading::numa_distances).value, "10 21");
  EXPECT_EQ(one(facts, "/dev/nvidia0", reading::usable).value, "1");
  EXPECT_EQ(one(facts, "/dev/nvidiactl", reading::usable).value, "0");
  EXPECT_EQ(one(facts, "NCCL_P2P_LEVEL", reading::environment).value, "SYS");
  EXPECT_EQ(one(facts, "NCCL_TOPO_FILE", reading::environment).source, "environment; no such file");
  for (const auto& reading : facts.readings) EXPECT_NE(reading.subject, "SECRET") << "only what changes how GPUs exchange data is read";
  EXPECT_EQ(one(facts, "0000:41:00.0", reading::performance_state).missing, "no NVML here");
}

}  // namespace
}  // namespace p2plab::diagnosis_test
