// SPDX-License-Identifier: Apache-2.0
// Machines from recorded facts: no GPU is needed. Expected machines are those that NCCL's own dump of the same machine gives, or follow from the
// hardware.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "p2plab/run/detect.h"
#include "support/same_topology.h"
#include "support/scratch.h"

namespace p2plab::detect_test {
namespace {

const std::string gpu_class = "0x030200";

std::string bus(int number) { return "0000:00:0" + std::to_string(number) + ".0"; }

// What our four H200s in a virtual machine say; remote ends of NVLinks are hidden, as in tests/data/h200x4_nccl_topo.xml.
MachineFacts four_h200s() {
  MachineFacts facts{.name = "h200x4_nccl_topo", .driver = "580.159.04", .cpu = {"x86_64", "GenuineIntel", 6, 207}};
  for (int g = 0; g < 4; ++g) {
    NvmlGpu gpu{.bus_id = bus(6 + g), .name = "NVIDIA H200"};
    for (int l = 0; l < 18; ++l) gpu.links.push_back({l, true, "ffffffff:ff:ff.0", "switch"});
    facts.nvml.push_back(gpu);
    facts.cuda.push_back({bus(6 + g), "NVIDIA H200", 90, 132, -1});
    facts.pci.push_back({.bus_id = bus(6 + g), .device_class = gpu_class, .vendor = "0x10de", .speed = "32.0 GT/s PCIe"});
    for (int to = 0; to < 4; ++to) {
      if (to != g) facts.peers.push_back({g, to, true, true, 0});
    }
  }
  facts.networks = {{.name = "eth0", .megabits = 10000}};
  return facts;
}

// Links as words, sorted: the order of lines in a file does not matter.
std::vector<std::string> links_of(const Topology& topology) {
  std::vector<std::string> all;
  for (const auto& link : topology.links()) {
    all.push_back(topology.node(link.from).name + " " + topology.node(link.to).name + " " + std::string{to_string(link.kind)} + " " +
                  std::to_string(link.bandwidth.bytes_per_second()) + " " + std::to_string(link.latency.count()));
  }
  std::ranges::sort(all);
  return all;
}

TEST(BuildMachine, OurFourH200sAreTheMachineOfNcclsDump) {
  const auto detected = build_machine(four_h200s());
  ASSERT_TRUE(detected) << describe(detected.error());
  const auto dump = load_nccl_xml(P2PLAB_SOURCE_DIR "/tests/data/h200x4_nccl_topo.xml");
  ASSERT_TRUE(dump) << describe(dump.error());
  EXPECT_EQ(links_of(detected->topology), links_of(dump->topology));
  EXPECT_EQ(detected->topology.ranks(), 4);
  EXPECT_TRUE(detected->disagreements.empty()) << detected->disagreements.front();
}

TEST(BuildMachine, EveryFactHasASource) {
  const auto detected = build_machine(four_h200s());
  ASSERT_TRUE(detected);
  const auto text = facts_text(*detected);
  for (const char* words : {"18 of 18 NVLinks active, 18 to NVSwitch (NVML)", "compute capability 9.0, 132 multiprocessors (CUDA)",
                            "PCIe 32.0 GT/s PCIe, 16 assumed lanes, NUMA node not told", "gpu3 -> gpu2",
                            "peer access, atomics native, performance rank 0 (CUDA)", "580.159.04 (NVML)"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  }
  for (const auto& fact : detected->facts) EXPECT_FALSE(fact.source.empty());
}

TEST(BuildMachine, APairThatCudaKeepsApartLosesItsWayOverNvlinkAloud) {
  auto facts = four_h200s();
  for (auto& peer : facts.peers) {
    if (peer.from / 2 != peer.to / 2) peer.access = false;
  }
  const auto detected = build_machine(facts);
  ASSERT_TRUE(detected) << describe(detected.error());
  EXPECT_EQ(detected->disagreements.size(), 8U);  // 4 pairs, both directions
  EXPECT_NE(detected->disagreements.front().find("CUDA lets gpu0 not reach gpu2's memory"), std::string::npos);
  const auto over_nvlink = [&](int a, int b) {
    return std::ranges::any_of(detected->topology.out_links(detected->topology.node_of(Rank{a})), [&](LinkId id) {
      const auto& link = detected->topology.link(id);
      return link.kind == LinkKind::nvlink && link.to == detected->topology.node_of(Rank{b});
    });
  };
  EXPECT_TRUE(over_nvlink(0, 1));
  EXPECT_TRUE(over_nvlink(3, 2));
  EXPECT_FALSE(over_nvlink(0, 2));
}

TEST(BuildMachine, DirectNvlinksJoinPairsAndPcieBridgesOfOneDeviceAreNoMeetingPlaces) {
  // Two sockets; at each a switch (upstream 1, downstream ports 2 and 3) with two GPUs that four NVLinks join.
  MachineFacts facts{.name = "pairs"};
  for (int socket = 0; socket < 2; ++socket) {
    const auto id = [&](int n) { return std::string("000") + std::to_string(socket) + ":0" + std::to_string(n) + ":00.0"; };
    facts.pci.push_back({.bus_id = id(0), .device_class = "0x060400", .speed = "16.0 GT/s PCIe", .width = 16, .numa = socket});  // root port
    facts.pci.push_back(
        {.bus_id = id(1), .parent = id(0), .device_class = "0x060400", .speed = "16.0 GT/s PCIe", .width = 16, .numa = socket});  // upstream
    for (int port = 0; port < 2; ++port) {
      facts.pci.push_back(
          {.bus_id = id(2 + port), .parent = id(1), .device_class = "0x060400", .speed = "16.0 GT/s PCIe", .width = 16, .numa = socket});
      facts.pci.push_back({.bus_id = id(4 + port),
                           .parent = id(2 + port),
                           .device_class = gpu_class,
                           .vendor = "0x10de",
                           .speed = "16.0 GT/s PCIe",
                           .width = 16,
                           .numa = socket});
      NvmlGpu gpu{.bus_id = id(4 + port), .name = "NVIDIA A40", .compute_capability = 86};
      for (int l = 0; l < 4; ++l) gpu.links.push_back({l, true, id(5 - port), "gpu"});
      facts.nvml.push_back(gpu);
      facts.cuda.push_back({id(4 + port), "NVIDIA A40", 86, 84, socket});
    }
  }
  const auto detected = build_machine(facts);
  ASSERT_TRUE(detected) << describe(detected.error());
  const auto count = [&](NodeKind kind) { return std::ranges::count(detected->topology.nodes(), kind, &Node::kind); };
  EXPECT_EQ(count(NodeKind::gpu), 4);
  EXPECT_EQ(count(NodeKind::pcie_switch), 2);  // the upstream ports, where two ways meet
  EXPECT_EQ(count(NodeKind::host), 2);
  const auto link = std::ranges::find_if(detected->topology.links(), [&](const Link& l) { return l.kind == LinkKind::nvlink; });
  ASSERT_NE(link, detected->topology.links().end());
  EXPECT_EQ(link->bandwidth, GBps(4 * 14.0625));  // 112.5 GB/s in both directions over 4 lanes
}

TEST(BuildMachine, SourcesThatContradictEachOtherAreShown) {
  auto facts = four_h200s();
  facts.cuda.pop_back();
  std::erase_if(facts.peers, [](const CudaPeer& peer) { return peer.from == 3 || peer.to == 3; });
  facts.cuda[1].name = "NVIDIA H100";
  facts.cuda[2].numa = 1;
  facts.pci[2].numa = 0;
  const auto detected = build_machine(facts);
  ASSERT_TRUE(detected) << describe(detected.error());
  ASSERT_EQ(detected->disagreements.size(), 3U);
  EXPECT_EQ(detected->disagreements[0], "NVML sees 4 GPUs, CUDA 3: CUDA's are the ranks (CUDA_VISIBLE_DEVICES chooses them)");
  EXPECT_EQ(detected->disagreements[1], "gpu1 is 'NVIDIA H100' for CUDA, 'NVIDIA H200' for NVML");
  EXPECT_EQ(detected->disagreements[2], "gpu2 is at NUMA node 1 for CUDA, at 0 for sysfs: sysfs is believed");
  EXPECT_EQ(detected->topology.ranks(), 3);
}

TEST(BuildMachine, WithoutGpuTheErrorSaysWhatLacksAndHowToGoOn) {
  MachineFacts facts{.nvml_missing = "libnvidia-ml.so.1 was not found", .cuda_missing = "libcuda.so.1 was not found"};
  facts.pci.push_back({.bus_id = bus(6), .device_class = gpu_class, .vendor = "0x10de"});
  const auto detected = build_machine(facts);
  ASSERT_FALSE(detected);
  EXPECT_EQ(detected.error().code, ErrorCode::no_device);
  const auto text = describe(detected.error());
  for (const char* words : {"libnvidia-ml.so.1 was not found", "libcuda.so.1 was not found",
                            "1 GPUs of NVIDIA are on PCIe, so their driver is what lacks", "nvidia-smi topo -m", "hgx-h200:gpus=4"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  }
}

TEST(Facts, WrittenAndReadBackAreTheSameMachine) {
  const auto facts = four_h200s();
  const auto text = write_facts(facts);
  const auto back = read_facts(text, "facts.json");
  ASSERT_TRUE(back) << describe(back.error());
  EXPECT_EQ(write_facts(*back), text);
  EXPECT_TRUE(test::same_topology(build_machine(*back)->topology, build_machine(facts)->topology));
}

TEST(Facts, MistakesInAFileAreNamed) {
  EXPECT_FALSE(read_facts("", "facts.json"));
  EXPECT_FALSE(read_facts("[]", "facts.json"));
  EXPECT_FALSE(read_facts("{\"version\": 1}", "facts.json"));
  auto text = write_facts(four_h200s());
  text.replace(text.find("\"active\": true"), 14, "\"active\": 1");
  const auto wrong = read_facts(text, "facts.json");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("/nvml/0/links/0/active"), std::string::npos) << wrong.error().message;
}

// A library with two GPUs, whose first has two active links to a switch and one that is down.
NvmlFunctions fake_nvml() {
  using Device = NvmlFunctions::Device;
  const auto write = [](const char* text, char* to) {
    std::snprintf(to, 32, "%s", text);
    return 0;
  };
  return {.init = [] { return 0; },
          .shutdown = [] { return 0; },
          .driver_version = [=](char* to, unsigned) { return write("580.1", to); },
          .device_count =
              [](unsigned* count) {
                *count = 2;
                return 0;
              },
          .device =
              [](unsigned number, Device* device) {
                *device = reinterpret_cast<Device>(std::uintptr_t{number} + 1);
                return 0;
              },
          .name = [=](Device, char* to, unsigned) { return write("NVIDIA H200", to); },
          .uuid = [=](Device, char* to, unsigned) { return write("GPU-1", to); },
          .pci =
              [=](Device device, NvmlFunctions::PciInfo* info) {
                return write(device == reinterpret_cast<Device>(1) ? "00000000:8A:00.0" : "00000000:8B:00.0", info->bus_id.data());
              },
          .compute_capability =
              [](Device, int* major, int* minor) {
                *major = 9;
                *minor = 0;
                return 0;
              },
          .link_state =
              [](Device device, unsigned link, unsigned* active) {
                *active = link < 2;
                return device == reinterpret_cast<Device>(1) && link < 3 ? 0 : 2;
              },
          .link_remote = [=](Device, unsigned, NvmlFunctions::PciInfo* info) { return write("00000000:CA:00.0", info->bus_id.data()); },
          .link_remote_type =
              [](Device, unsigned, int* type) {
                *type = 2;
                return 0;
              }};
}

TEST(Gather, AsksNvmlForLinksAndTheirRemoteEnds) {
  const auto facts = gather_facts({.root = "/no/such/folder",
                                   .nvml = [] { return Result<NvmlFunctions>{fake_nvml()}; },
                                   .cuda = []() -> Result<CudaFunctions> {
                                     return Error{ErrorCode::no_device, "no libcuda"};
                                   }});
  ASSERT_EQ(facts.nvml.size(), 2U);
  EXPECT_EQ(facts.driver, "580.1");
  EXPECT_EQ(facts.cuda_missing, "no libcuda");
  EXPECT_EQ(facts.nvml[0].bus_id, "0000:8a:00.0");
  EXPECT_EQ(facts.nvml[0].compute_capability, 90);
  ASSERT_EQ(facts.nvml[0].links.size(), 3U);
  EXPECT_TRUE(facts.nvml[0].links[1].active);
  EXPECT_EQ(facts.nvml[0].links[1].remote, "0000:ca:00.0");
  EXPECT_EQ(facts.nvml[0].links[1].remote_kind, "switch");
  EXPECT_FALSE(facts.nvml[0].links[2].active);
  EXPECT_TRUE(facts.nvml[1].links.empty());
}

TEST(Gather, ReadsTheTreeOfBusesFromTheKernelsFiles) {
  namespace fs = std::filesystem;
  const fs::path root = test::scratch("sysfs");
  const auto device = root / "sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0";
  fs::create_directories(device);
  fs::create_directories(root / "sys/bus/pci/devices");
  fs::create_directories(root / "proc");
  fs::create_directory_symlink(device, root / "sys/bus/pci/devices/0000:81:00.0");
  for (const auto& [file, text] :
       {std::pair{"class", "0x030200"}, {"vendor", "0x10de"}, {"max_link_speed", "32.0 GT/s PCIe"}, {"max_link_width", "16"}, {"numa_node", "1"}}) {
    std::ofstream(device / file) << text << '\n';
  }
  std::ofstream(device.parent_path() / "class") << "0x060400\n";
  std::ofstream(root / "proc/cpuinfo")
      << "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Xeon\n\nprocessor\t: 1\n";
  const auto none = []() -> Result<NvmlFunctions> { return Error{ErrorCode::no_device, "none"}; };
  const auto facts = gather_facts({.root = root.string(), .nvml = none, .cuda = []() -> Result<CudaFunctions> {
                                     return Error{ErrorCode::no_device, "none"};
                                   }});
  ASSERT_EQ(facts.pci.size(), 2U);
  EXPECT_EQ(facts.pci[0].bus_id, "0000:80:01.0");  // the bridge first
  EXPECT_EQ(facts.pci[1].parent, "0000:80:01.0");
  EXPECT_EQ(facts.pci[1].speed, "32.0 GT/s PCIe");
  EXPECT_EQ(facts.pci[1].width, 16);
  EXPECT_EQ(facts.pci[1].numa, 1);
  EXPECT_EQ(facts.cpu.model, 207);
  EXPECT_EQ(facts.cpu.vendor, "GenuineIntel");
}

}  // namespace
}  // namespace p2plab::detect_test
