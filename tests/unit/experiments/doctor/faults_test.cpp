// SPDX-License-Identifier: Apache-2.0
// One fault put into a healthy machine: it is found, by its name, with evidence and remedy; and nothing else is.
#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include "p2plab/experiment/doctor.h"
#include "p2plab/run/readings.h"
#include "support/doctor/healthy_machine.h"

namespace p2plab::faults_test {
namespace {

using test::lose_reading;
using test::set_reading;
using Break = std::function<void(MachineFacts&)>;

struct Fault {
  std::string name;  // of the finding
  std::string kind;  // of machine
  Break put_in;
  bool costs = false;  // busbw, by the bound
};

std::string gpu(const MachineFacts& facts, std::size_t g) { return facts.nvml[g].bus_id; }

// Sets a reading of GPU 1.
Break of_gpu(std::string_view what, const std::string& value) {
  return [=](MachineFacts& facts) { set_reading(facts, gpu(facts, 1), what, value); };
}
Break of_machine(std::string_view what, const std::string& value) {
  return [=](MachineFacts& facts) { set_reading(facts, "machine", what, value); };
}
Break variable(const std::string& name, const std::string& value) {
  return [=](MachineFacts& facts) { set_reading(facts, name, reading::environment, value); };
}
// What is read of GPU 1 while it works, so that its link is at its best.
Break awake(std::string_view what, const std::string& value) {
  return [=](MachineFacts& facts) {
    set_reading(facts, gpu(facts, 1), reading::performance_state, "0");
    set_reading(facts, gpu(facts, 1), what, value);
  };
}

void links_down(MachineFacts& facts, std::size_t g, std::size_t from) {
  for (std::size_t l = from; l < facts.nvml[g].links.size(); ++l) facts.nvml[g].links[l] = {static_cast<int>(l), false, "", "unknown"};
}

void refuse(MachineFacts& facts, int a, int b, const std::string& status) {
  for (auto& peer : facts.peers) {
    if (peer.from != a || peer.to != b) continue;
    peer.access = false;
    const auto pair = gpu(facts, static_cast<std::size_t>(a)) + " " + gpu(facts, static_cast<std::size_t>(b));
    set_reading(facts, pair, reading::peer_read, status);
  }
}
Break refuse_all(const std::string& status) {
  return [=](MachineFacts& facts) {
    const auto peers = facts.peers;
    for (const auto& peer : peers) refuse(facts, peer.from, peer.to, status);
  };
}

const std::vector<Fault>& faults() {
  static const std::vector<Fault> all{
      {"driver.nvml", "l40s_sockets",
       [](MachineFacts& facts) { facts.nvml.clear(), facts.nvml_missing = "libnvidia-ml.so.1 was not found", facts.driver = ""; }},
      {"driver.nouveau", "rtx4090", of_machine(reading::nouveau, "1")},
      {"driver.versions", "hgx_h100", of_machine(reading::driver_module, "535.104.05")},
      {"permissions.denied", "l40s_sockets", [](MachineFacts& facts) { set_reading(facts, "/dev/nvidia-uvm", reading::usable, "0"); }},
      {"permissions.absent", "h200_vm",
       [](MachineFacts& facts) {
         facts.readings.push_back({"/dev/nvidia9", std::string{reading::usable}, "0", "access: No such file or directory"});
       }},
      {"visible.twice", "hgx_a100", variable("CUDA_VISIBLE_DEVICES", "0,1,1")},
      {"visible.unknown", "l40s_sockets", variable("CUDA_VISIBLE_DEVICES", "0,1,7")},
      {"visible.fewer", "l40s_sockets",
       [](MachineFacts& facts) {
         facts.cuda.pop_back();
         std::erase_if(facts.peers, [](const CudaPeer& peer) { return peer.from == 3 || peer.to == 3; });
       }},
      {"visible.fewer", "l40s_sockets",
       [](MachineFacts& facts) {
         variable("CUDA_VISIBLE_DEVICES", "0,1,2,3")(facts);
         facts.cuda.pop_back();
         std::erase_if(facts.peers, [](const CudaPeer& peer) { return peer.from == 3 || peer.to == 3; });
       }},
      {"visible.order", "rtx4090",
       [](MachineFacts& facts) {
         for (auto* name : {&facts.cuda[0].name, &facts.nvml[0].name}) *name = "NVIDIA GeForce RTX 3090";
         set_reading(facts, "CUDA_DEVICE_ORDER", reading::environment, "FASTEST_FIRST");
       }},
      {"peers.chipset", "pro6000_switches", refuse_all("1"), true},
      {"peers.registry", "hgx_h100", refuse_all("4"), true},
      {"peers.refused", "pro6000_switches", refuse_all("6"), true},
      {"peers.one_way", "l40s_sockets", [](MachineFacts& facts) { refuse(facts, 0, 1, "6"); }},
      {"nvlink.down", "hgx_h100", [](MachineFacts& facts) { links_down(facts, 3, 12); }, true},
      {"nvlink.down", "h200_vm", [](MachineFacts& facts) { links_down(facts, 0, 17); }, true},
      {"nvlink.down", "rtx3090_bridge", [](MachineFacts& facts) { links_down(facts, 0, 2), links_down(facts, 1, 2); }, true},
      {"nvlink.down", "dgx1_v100", [](MachineFacts& facts) { links_down(facts, 5, 5); }},
      {"nvlink.fabric_manager", "hgx_h100",
       [](MachineFacts& facts) {
         for (std::size_t g = 0; g < 8; ++g) links_down(facts, g, 0), set_reading(facts, gpu(facts, g), reading::fabric_state, "1");
       }},
      {"nvlink.all_down", "hgx_a100", [](MachineFacts& facts) { links_down(facts, 2, 0); }},
      {"nvlink.one_link", "hgx_a100",
       of_gpu(reading::nvlink_counters, "0: replays=3 recoveries=0 crc=1; 1: replays=2 recoveries=1; 2: replays=4000 recoveries=112; 3: replays=0")},
      {"nvlink.errors", "hgx_a100", of_gpu(reading::nvlink_errors, "51234")},
      {"pcie.narrow", "l40s_sockets", of_gpu(reading::link_width, "4"), true},
      {"pcie.narrow", "rtx4090", of_gpu(reading::link_width, "1"), true},
      {"pcie.narrow", "a6000_slots", of_gpu(reading::link_width, "4"), true},
      {"pcie.slow", "l40s_sockets", awake(reading::link_speed, "8.0 GT/s PCIe"), true},
      {"pcie.slow", "pro6000_switches", awake(reading::link_speed, "2.5 GT/s PCIe"), true},
      {"pcie.uplink_narrow", "pro6000_switches", [](MachineFacts& facts) { set_reading(facts, "0001:02:00.0", reading::link_width, "4"); }, true},
      {"pcie.replays", "rtx4090", of_gpu(reading::pcie_replays, "90417")},
      {"acs.redirect", "pro6000_switches",
       [](MachineFacts& facts) {
         for (const char* port : {"0000:10:00.0", "0000:11:00.0", "0000:12:00.0", "0000:13:00.0"})
           set_reading(facts, port, reading::acs_redirect, "1");
       },
       true},
      {"iommu.translates", "l40s_sockets", of_gpu(reading::iommu_type, "DMA-FQ")},
      {"bar.small", "l40s_sockets", of_gpu(reading::bar_largest, "268435456")},
      {"numa.placeless", "pro6000_switches", [](MachineFacts& facts) { std::ranges::find(facts.pci, gpu(facts, 5), &PciFact::bus_id)->numa = -1; }},
      {"numa.distances", "hgx_h100", [](MachineFacts& facts) { set_reading(facts, "node1", reading::numa_distances, "255 10"); }},
      {"numa.far_processors", "hgx_a100", of_machine(reading::processors_allowed, "0-31")},
      {"limits.shared_small", "rtx4090", of_machine(reading::shared_memory_total, "67108864")},
      {"limits.shared_full", "rtx4090", of_machine(reading::shared_memory_free, "1048576")},
      {"limits.locked", "hgx_h100", of_machine(reading::locked_memory, "65536")},
      {"container.hides_pcie", "l40s_sockets",
       [](MachineFacts& facts) {
         set_reading(facts, "machine", reading::container, "docker");
         const auto lost = gpu(facts, 1);
         std::erase_if(facts.pci, [&](const PciFact& one) { return one.bus_id == lost; });
       }},
      {"throttle.heat", "l40s_sockets", of_gpu(reading::throttle, "32")},
      {"throttle.heat_hardware", "hgx_h100", of_gpu(reading::throttle, "72")},
      {"throttle.power_brake", "hgx_a100", of_gpu(reading::throttle, "136")},
      {"throttle.hardware", "rtx3090_bridge", of_gpu(reading::throttle, "8")},
      {"throttle.power", "rtx4090", of_gpu(reading::throttle, "4")},
      {"throttle.application_clocks", "hgx_h100", of_gpu(reading::throttle, "2")},
      {"memory.uncorrected", "hgx_a100", of_gpu(reading::ecc_uncorrected, "3")},
      {"memory.remap_pending", "hgx_h100", of_gpu(reading::remap_pending, "1")},
      {"memory.remap_failed", "h200_vm", of_gpu(reading::remap_failed, "1")},
      {"sharing.processes", "h200_vm", of_gpu(reading::processes, "4711 python3")},
      {"sharing.hidden", "h200_vm", of_gpu(reading::memory_used, "68719476736")},
      {"sharing.prohibited", "l40s_sockets", of_gpu(reading::compute_mode, "2")},
      {"sharing.mig", "hgx_h100", of_gpu(reading::mig, "1")},
      {"variable.NCCL_P2P_DISABLE", "hgx_h100", variable("NCCL_P2P_DISABLE", "1"), true},
      {"variable.NCCL_P2P_DISABLE", "pro6000_switches", variable("NCCL_P2P_DISABLE", "1"), true},
      {"variable.NCCL_P2P_LEVEL", "hgx_a100", variable("NCCL_P2P_LEVEL", "LOC"), true},
      {"variable.NCCL_P2P_LEVEL", "pro6000_switches", variable("NCCL_P2P_LEVEL", "NVL"), true},
      {"variable.NCCL_P2P_LEVEL", "l40s_sockets", variable("NCCL_P2P_LEVEL", "NVLINK")},
      {"variable.NCCL_SHM_DISABLE", "rtx4090", variable("NCCL_SHM_DISABLE", "1")},
      {"variable.NCCL_IB_DISABLE", "hgx_h100", variable("NCCL_IB_DISABLE", "1")},
      {"variable.NCCL_ALGO", "l40s_sockets", variable("NCCL_ALGO", "NVLS")},
      {"variable.NCCL_ALGO", "hgx_h100", variable("NCCL_ALGO", "Tree")},
      {"variable.NCCL_PROTO", "hgx_h100", variable("NCCL_PROTO", "LL")},
      {"variable.NCCL_PROTO", "l40s_sockets", variable("NCCL_PROTO", "LL128")},
      {"variable.NCCL_MAX_NCHANNELS", "hgx_h100", variable("NCCL_MAX_NCHANNELS", "2")},
      {"variable.NCCL_DEBUG", "l40s_sockets", variable("NCCL_DEBUG", "TRACE")},
      {"variable.NCCL_TOPO_FILE", "h200_vm",
       [](MachineFacts& facts) {
         facts.readings.push_back({"NCCL_TOPO_FILE", std::string{reading::environment}, "/etc/old.xml", "environment; no such file"});
       }},
      {"variable.NCCL_SOCKET_IFNAME", "l40s_sockets",
       [](MachineFacts& facts) {
         facts.networks = {{.name = "enp1s0", .megabits = 10000}};
         set_reading(facts, "NCCL_SOCKET_IFNAME", reading::environment, "eth0");
       }},
      {"variable.VLLM_SKIP_P2P_CHECK", "pro6000_switches", variable("VLLM_SKIP_P2P_CHECK", "1")},
      {"variable.SGLANG_SKIP_P2P_CHECK", "l40s_sockets", variable("SGLANG_SKIP_P2P_CHECK", "true")},
      {"variable.CUDA_LAUNCH_BLOCKING", "h200_vm", variable("CUDA_LAUNCH_BLOCKING", "1")},
      {"variable.CUDA_DEVICE_MAX_CONNECTIONS", "hgx_a100", variable("CUDA_DEVICE_MAX_CONNECTIONS", "1")},
      {"variable.PYTORCH_CUDA_ALLOC_CONF", "hgx_h100", variable("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")},
  };
  return all;
}

bool counts(const Finding& one) { return one.severity <= Severity::risk; }

// What follows from a fault is no false alarm.
bool follows(const std::string& name, const std::string& fault) {
  return (fault == "peers.one_way" && name == "peers.refused") || (fault == "numa.placeless" && name == "numa.far_processors");
}

// 100 a second is what DCGM calls too many: counts below an hour of that are silent, others a note that harms no verdict.
TEST(Doctor, SaysOfCorrectedErrorsOfNvLinksOnlyFromWhenTheyMatter) {
  for (const auto& [count, said] : {std::pair{"359999", false}, {"360000", true}}) {
    auto facts = test::healthy_machine("hgx_a100", 1);
    of_gpu(reading::nvlink_crc_errors, count)(facts);
    const auto diagnosis = diagnose(facts);
    ASSERT_TRUE(diagnosis) << describe(diagnosis.error());
    const auto found = std::ranges::find(diagnosis->findings, "nvlink.crc", &Finding::name);
    ASSERT_EQ(found != diagnosis->findings.end(), said) << count;
    if (said) {
      EXPECT_FALSE(counts(*found));
    }
  }
}

class InjectedFault : public ::testing::TestWithParam<std::size_t> {};

TEST_P(InjectedFault, IsNamedAndNothingElseIs) {
  const auto& fault = faults()[GetParam()];
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    auto facts = test::healthy_machine(fault.kind, seed);
    fault.put_in(facts);
    const auto diagnosis = diagnose(facts);
    ASSERT_TRUE(diagnosis) << describe(diagnosis.error());
    const auto found = std::ranges::find(diagnosis->findings, fault.name, &Finding::name);
    ASSERT_NE(found, diagnosis->findings.end()) << diagnosis_text(*diagnosis);
    EXPECT_TRUE(counts(*found));
    EXPECT_FALSE(found->evidence.empty());
    EXPECT_FALSE(found->remedies.empty());
    EXPECT_TRUE(found->worth || !found->no_worth.empty()) << "a price, or why there is none";
    if (fault.costs) {
      ASSERT_TRUE(found->worth) << diagnosis_text(*diagnosis);
      EXPECT_LT(found->worth->with, found->worth->without) << diagnosis_text(*diagnosis);
    }
    for (const auto& one : diagnosis->findings)
      EXPECT_TRUE(!counts(one) || one.name == fault.name || follows(one.name, fault.name)) << diagnosis_text(*diagnosis);
  }
}

// What harms no verdict, and what could not be read: said by its name all the same.
const std::vector<Fault>& notes() {
  static const std::vector<Fault> all{
      {"visible.some", "l40s_sockets",
       [](MachineFacts& facts) {
         variable("CUDA_VISIBLE_DEVICES", "0,1,2")(facts);
         facts.cuda.pop_back();
         std::erase_if(facts.peers, [](const CudaPeer& peer) { return peer.from == 3 || peer.to == 3; });
       }},
      {"peers.gpu", "l40s_sockets", refuse_all("2")},
      {"peers.models", "l40s_sockets",
       [](MachineFacts& facts) {
         for (auto* name : {&facts.cuda[0].name, &facts.nvml[0].name}) *name = "NVIDIA RTX 6000 Ada Generation";
         for (const int other : {1, 2, 3}) refuse(facts, 0, other, "2"), refuse(facts, other, 0, "2");
       }},
      {"peers.policy", "rtx4090", refuse_all("5")},
      {"container.inside", "hgx_a100", of_machine(reading::container, "docker")},
      {"driver.version", "h200_vm", [](MachineFacts& facts) { facts.driver = ""; }},
      {"iommu.host", "l40s_sockets", of_machine(reading::virtual_machine, "1")},
      {"nvlink.crc", "hgx_a100", of_gpu(reading::nvlink_crc_errors, "360000")},
      {"variable.VLLM_DISABLE_CUSTOM_ALL_REDUCE", "hgx_h100", variable("VLLM_DISABLE_CUSTOM_ALL_REDUCE", "1")},
      {"variable.EXL3_TP_NO_P2P", "hgx_h100", variable("EXL3_TP_NO_P2P", "1")},
      {"variable.NCCL_NVLS_ENABLE", "hgx_h100", variable("NCCL_NVLS_ENABLE", "0")},
      {"container.unread", "l40s_sockets", [](MachineFacts& facts) { lose_reading(facts, "machine", reading::container, "no /proc"); }},
      {"limits.locked_unread", "l40s_sockets", [](MachineFacts& facts) { lose_reading(facts, "machine", reading::locked_memory, "refused"); }},
      {"limits.shared_unread", "l40s_sockets",
       [](MachineFacts& facts) { lose_reading(facts, "machine", reading::shared_memory_total, "no /dev/shm"); }},
      {"memory.unread", "hgx_a100",
       [](MachineFacts& facts) {
         std::erase_if(facts.readings, [&](const Reading& one) { return one.subject == gpu(facts, 1) && one.what == reading::ecc_uncorrected; });
       }},
      {"pcie.unread", "l40s_sockets", [](MachineFacts& facts) { lose_reading(facts, gpu(facts, 1), reading::link_width, "refused"); }},
      {"sharing.unread", "hgx_h100", [](MachineFacts& facts) { lose_reading(facts, gpu(facts, 1), reading::processes, "not permitted"); }},
      {"nvlink.unread", "hgx_h100", [](MachineFacts& facts) { facts.nvml.clear(), facts.nvml_missing = "libnvidia-ml.so.1 is not there"; }},
  };
  return all;
}

class InjectedNote : public ::testing::TestWithParam<std::size_t> {};

TEST_P(InjectedNote, IsNamedAndHarmsNoVerdict) {
  const auto& note = notes()[GetParam()];
  auto facts = test::healthy_machine(note.kind, 1);
  note.put_in(facts);
  const auto diagnosis = diagnose(facts);
  ASSERT_TRUE(diagnosis) << describe(diagnosis.error());
  const auto found = std::ranges::find(diagnosis->findings, note.name, &Finding::name);
  ASSERT_NE(found, diagnosis->findings.end()) << diagnosis_text(*diagnosis);
  EXPECT_FALSE(counts(*found)) << diagnosis_text(*diagnosis);
}

INSTANTIATE_TEST_SUITE_P(Doctor, InjectedNote, ::testing::Range(std::size_t{0}, notes().size()), [](const auto& given) {
  auto name = notes()[given.param].name + "_on_" + notes()[given.param].kind;
  std::ranges::replace(name, '.', '_');
  return name;
});

INSTANTIATE_TEST_SUITE_P(Doctor, InjectedFault, ::testing::Range(std::size_t{0}, faults().size()), [](const auto& given) {
  auto name = faults()[given.param].name + "_on_" + faults()[given.param].kind + "_" + std::to_string(given.param);
  std::ranges::replace(name, '.', '_');
  return name;
});

}  // namespace
}  // namespace p2plab::faults_test
