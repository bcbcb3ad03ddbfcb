// SPDX-License-Identifier: Apache-2.0
// NCCL topology XML: what real files say becomes a graph, and what they lack is said.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "p2plab/machine/fabric.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_io.h"
#include "support/rates.h"
#include "support/reference_files.h"
#include "support/same_topology.h"

namespace p2plab::nccl_xml_test {
namespace {

std::string in_system(const std::string& devices, const std::string& cpu = "") {
  return "<system version=\"1\">\n<cpu numaid=\"0\" " + cpu + ">\n" + devices + "</cpu>\n</system>\n";
}
std::string gpu(int dev, const std::string& inside, const std::string& sm = "80") {
  const auto number = std::to_string(dev);
  return "<pci busid=\"0000:0" + number + ":00.0\" class=\"0x030200\" link_speed=\"16 GT/s\" link_width=\"16\"><gpu dev=\"" + number + "\" sm=\"" +
         sm + "\" rank=\"" + number + "\">" + inside + "</gpu></pci>\n";
}
std::string nvlink(const std::string& target, int count, const std::string& tclass = "0x030200") {
  return "<nvlink target=\"" + target + "\" count=\"" + std::to_string(count) + "\" tclass=\"" + tclass + "\"/>";
}
std::string import_error(const std::string& text) {
  const auto imported = import_nccl_xml(text, "x.xml");
  return imported ? "accepted" : describe(imported.error());
}
using test::capacity;
using test::rate;

TEST(NcclXml, FourH200ShareOneSwitchWith450GBpsEach) {
  const auto imported = load_nccl_xml(P2PLAB_SOURCE_DIR "/tests/data/h200x4_nccl_topo.xml");
  ASSERT_TRUE(imported) << describe(imported.error());
  const auto& topology = imported->topology;
  EXPECT_TRUE(imported->warnings.empty());
  EXPECT_EQ(topology.ranks(), 4);
  EXPECT_EQ(rate(topology, "gpu0", "nvswitch0"), GBps(450));
  EXPECT_EQ(rate(topology, "nvswitch0", "gpu3"), GBps(450));
  EXPECT_EQ(capacity(topology, 1, 2), GBps(450));
  EXPECT_EQ(topology.nodes().size(), 5U);  // a peer access takes NVLink, so PCIe, host and NIC carry nothing
  const auto all = load_nccl_xml(P2PLAB_SOURCE_DIR "/tests/data/h200x4_nccl_topo.xml", {.pcie_beside_nvlink = true})->topology;
  // 32 GT/s on 16 lanes (the file's 0 means 16), 128 of 130 bits: 63.015 GB/s.
  EXPECT_EQ(rate(all, "gpu0", "host0").bytes_per_second(), 63'015'384'615);
  EXPECT_EQ(rate(all, "nic0", "host0"), GBps(1.25));
}

TEST(NcclXml, LanesHaveTheRateOfTheirGeneration) {
  const std::vector<std::pair<std::string, double>> rates{{"60", 20}, {"70", 25}, {"80", 25}, {"86", 14.0625}, {"90", 25}, {"100", 50}, {"103", 50}};
  for (const auto& [sm, one] : rates) {
    const auto text = in_system(gpu(0, nvlink("0000:01:00.0", 4), sm) + gpu(1, nvlink("0000:00:00.0", 4), sm));
    EXPECT_EQ(capacity(import_nccl_xml(text, "x.xml")->topology, 0, 1), GBps(4 * one)) << sm;
  }
  const auto unknown = import_nccl_xml(in_system(gpu(0, nvlink("0000:01:00.0", 4), "") + gpu(1, "")), "x.xml");
  EXPECT_EQ(unknown->warnings, std::vector<std::string>{"NVLink of gpu0 - gpu1: a GPU with NVLinks has no compute capability (sm); assumed: 100 GB/s "
                                                        "(--machine gpu=... answers it)"});
}

TEST(NcclXml, DirectLinksKeepTheirDirection) {
  const auto imported = *import_nccl_xml(in_system(gpu(0, nvlink("0000:01:00.0", 2)) + gpu(1, nvlink("0000:00:00.0", 1))), "x.xml");
  EXPECT_EQ(rate(imported.topology, "gpu0", "gpu1"), GBps(50));
  EXPECT_EQ(rate(imported.topology, "gpu1", "gpu0"), GBps(25));
}

TEST(NcclXml, SwitchesOfOneHostAreOneNode) {
  const auto six = nvlink("0000:c4:00.0", 2, "0x068000") + nvlink("0000:c5:00.0", 2, "0x068000") + nvlink("0000:c6:00.0", 2, "0x068000");
  const auto topology = import_nccl_xml(in_system(gpu(0, six) + gpu(1, six)), "x.xml")->topology;
  EXPECT_EQ(rate(topology, "gpu0", "nvswitch0"), GBps(150));
  EXPECT_EQ(std::ranges::count(topology.nodes(), NodeKind::nvswitch, &Node::kind), 1);
}

TEST(NcclXml, PcieRatesFollowSpeedAndWidth) {
  const std::map<std::string, std::int64_t> speeds{
      {"2.5 GT/s", 4'000'000'000},        {"8 GT/s", 15'753'846'154},         {"8.0 GT/s PCIe", 15'753'846'154},  {"16 GT/s", 31'507'692'308},
      {"16.0 GT/s PCIe", 31'507'692'308}, {"32.0 GT/s PCIe", 63'015'384'615}, {"64.0 GT/s PCIe", 121'000'000'000}};
  for (const auto& [speed, expected] : speeds) {
    for (const auto& width : {"16", "0", ""}) {
      const auto text = in_system("<pci busid=\"a\" class=\"0x030200\" link_speed=\"" + speed + "\" link_width=\"" + width + "\"/>\n");
      const auto topology = import_nccl_xml(text, "x.xml")->topology;
      EXPECT_EQ(rate(topology, "gpu0", "host0").bytes_per_second(), expected) << speed << " x" << width;
    }
  }
  const auto half = import_nccl_xml(in_system("<pci busid=\"a\" class=\"0x030200\" link_speed=\"16 GT/s\" link_width=\"8\"/>"), "x.xml")->topology;
  EXPECT_EQ(rate(half, "gpu0", "host0").bytes_per_second(), 15'753'846'154);
  const auto unknown = import_nccl_xml(in_system("<pci busid=\"a\" class=\"0x030200\" link_speed=\"Unknown\" link_width=\"0\"/>"), "x.xml");
  EXPECT_EQ(
      std::ranges::count(unknown->warnings,
                         "PCIe of gpu0: no speed is told, 8 GT/s and 16 lanes as in NCCL; assumed: 15.7538 GB/s (--machine pcie=... answers it)"),
      1);
}

TEST(NcclXml, SocketsMeetAtNcclsRate) {
  const std::vector<std::pair<std::string, double>> cpus{{"arch=\"x86_64\" vendor=\"GenuineIntel\" familyid=\"6\" modelid=\"79\"", 6},
                                                         {"arch=\"x86_64\" vendor=\"GenuineIntel\" familyid=\"6\" modelid=\"85\"", 10},
                                                         {"arch=\"x86_64\" vendor=\"GenuineIntel\" familyid=\"6\" modelid=\"143\"", 22},
                                                         {"arch=\"x86_64\" vendor=\"GenuineIntel\" familyid=\"6\" modelid=\"207\"", 40},
                                                         {"arch=\"x86_64\" vendor=\"AuthenticAMD\" familyid=\"143\" modelid=\"49\"", 16},
                                                         {"arch=\"x86_64\" vendor=\"AuthenticAMD\" familyid=\"175\" modelid=\"17\"", 24},
                                                         {"arch=\"x86_64\" vendor=\"AuthenticAMD\" familyid=\"191\" modelid=\"2\"", 32},
                                                         {"arch=\"arm64\"", 6},
                                                         {"arch=\"ppc64\"", 32}};
  for (const auto& [cpu, expected] : cpus) {
    const auto text = "<system><cpu numaid=\"0\" " + cpu + ">" + gpu(0, "") + "</cpu><cpu numaid=\"1\" " + cpu + ">" + gpu(1, "") + "</cpu></system>";
    const auto imported = *import_nccl_xml(text, "x.xml");
    EXPECT_EQ(rate(imported.topology, "host0", "host1"), GBps(expected)) << cpu;
    EXPECT_EQ(capacity(imported.topology, 0, 1), std::min(GBps(expected), Bandwidth::bytes_per_second(31'507'692'308)));
  }
}

TEST(NcclXml, RanksFollowRankThenBusId) {
  const auto by_rank =
      import_nccl_xml(in_system("<pci busid=\"0000:09:00.0\"><gpu dev=\"1\" rank=\"1\" sm=\"80\">" + nvlink("fffffff:ff:ff.0", 3, "0x068000") +
                                "</gpu></pci><pci busid=\"0000:0a:00.0\"><gpu dev=\"0\" rank=\"0\" sm=\"80\"/></pci>"),
                      "x.xml");
  EXPECT_EQ(rate(by_rank->topology, "gpu1", "nvswitch0"), GBps(75));
  const auto by_bus = import_nccl_xml(in_system("<pci busid=\"0000:0b:00.0\" class=\"0x030200\" link_speed=\"32 GT/s\"/>"
                                                "<pci busid=\"0000:0A:00.0\" class=\"0x030000\" link_speed=\"8 GT/s\"/>"),
                                      "x.xml");
  EXPECT_EQ(rate(by_bus->topology, "gpu0", "host0").bytes_per_second(), 15'753'846'154);
}

TEST(NcclXml, SeveralMachinesMeetInTheNetwork) {
  const std::string nic = "<pci busid=\"0000:20:00.0\" class=\"0x020000\" link_speed=\"16 GT/s\"><nic><net name=\"m\" speed=\"200000\"/></nic></pci>";
  const auto text = "<system><cpu host_hash=\"0x1\" numaid=\"0\">" + gpu(0, "") + nic + "</cpu><cpu host_hash=\"0x2\" numaid=\"0\">" + gpu(1, "") +
                    nic + "</cpu></system>";
  const auto imported = *import_nccl_xml(text, "x.xml");
  EXPECT_EQ(rate(imported.topology, "nic0", "network"), GBps(25));
  EXPECT_EQ(rate(imported.topology, "host0", "host1"), Bandwidth{});
  EXPECT_EQ(capacity(imported.topology, 0, 1), GBps(25));
}

TEST(NcclXml, ChipToChipAndPeerBridgesBecomeLinks) {
  const auto text =
      in_system("<pci busid=\"b0\" class=\"0x060400\" link_speed=\"16 GT/s\"><pcilink target=\"b1\"/>" + gpu(0, "<c2c bw=\"45000\" count=\"10\"/>") +
                "</pci>" + "<pci busid=\"b1\" class=\"0x060400\" link_speed=\"16 GT/s\"><pcilink target=\"b0\"/>" + gpu(1, "") + "</pci>");
  const auto topology = import_nccl_xml(text, "x.xml")->topology;
  EXPECT_EQ(rate(topology, "pcie0", "pcie1").bytes_per_second(), 31'507'692'308);
  EXPECT_EQ(rate(topology, "gpu0", "host0"), GBps(450));
}

TEST(NcclXml, FaultsNameTheirPlace) {
  EXPECT_EQ(import_error("<system>\n<cpu>\n<pci"), "x.xml:3:4: error: not valid XML: Error parsing start element tag\n  <pci\n     ^\n");
  EXPECT_EQ(import_error("<!DOCTYPE a [<!ENTITY b \"c\">]>\n<system/>"),
            "x.xml:1:11: error: a document type is not allowed here: NCCL's files have none\n  <!DOCTYPE a [<!ENTITY b \"c\">]>\n            ^\n");
  EXPECT_EQ(import_error("<graphs version=\"1\"/>"),
            "x.xml:1:2: error: this is an NCCL graph file: the rings and trees that NCCL chose, not the machine\n"
            "  <graphs version=\"1\"/>\n   ^\n"
            "note: p2plab import x.xml --topology MACHINE makes its rings or chains a plan, proved\n"
            "note: NCCL writes the machine, a <system>, to the file that NCCL_TOPO_DUMP_FILE names\n");
  EXPECT_EQ(import_error("<html/>"), "x.xml:1:2: error: expected <system>, found <html>\n  <html/>\n   ^\n");
  EXPECT_EQ(import_error(""), "x.xml:1:1: error: not valid XML: No document element found\n");
  EXPECT_EQ(import_error(in_system("<pci class=\"0x030200\"/>\n")), "x.xml:3:2: error: <pci> has no busid\n  <pci class=\"0x030200\"/>\n   ^\n");
  EXPECT_EQ(import_error(in_system("<pci busid=\"a\" link_width=\"wide\"><gpu/></pci>\n")),
            "x.xml:3:2: error: link_width of <pci> must be a whole number up to 1024, got 'wide'\n  <pci busid=\"a\" "
            "link_width=\"wide\"><gpu/></pci>\n   ^\n");
  EXPECT_EQ(import_error(in_system("<pci busid=\"a\"/>")),
            "x.xml: error: no GPU can be recognised: no device has a <gpu> element or a GPU's PCI class (1 devices have no class at all)\n"
            "note: NCCL fills such a file in when it runs: set NCCL_TOPO_DUMP_FILE on the machine and import what it writes\n");
  EXPECT_EQ(import_error("<system>\x01</system>"), "x.xml: error: this is not a text file: byte 8 is not text\n");
}

TEST(NcclXml, HostileFilesEndInErrorsAtOnce) {
  std::string deep = "<system><cpu>";
  for (int i = 0; i < 150'000; ++i) deep += "<pci busid=\"a\">";
  EXPECT_NE(import_error(deep), "accepted");
  for (int i = 0; i < 150'000; ++i) deep += "</pci>";
  EXPECT_NE(import_error(deep + "</cpu></system>").find("nested deeper than 64 levels"), std::string::npos);
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += "<pci busid=\"a\" class=\"0x030200\"/>";
  EXPECT_NE(import_error(in_system(many)).find("more than 10000 devices"), std::string::npos);
  EXPECT_NE(import_error(std::string(5 << 20, '<')).find("longer than 4 MiB"), std::string::npos);
  EXPECT_NE(import_error(std::string(1 << 20, '<')), "accepted");
}

TEST(NcclXml, EveryReferenceFileImportsOrSaysWhatIsMissing) {
  const auto files = test::reference_files("nccl_xml", ".xml");
  if (files.empty()) GTEST_SKIP() << "the reference collection is not beside the repository";
  EXPECT_EQ(files.size(), 16U);
  const std::map<std::string, int> gpus{{"ncv4-topo", 4},         {"ndv2-topo", 8},           {"ndv4-topo", 8},        {"ndv5-topo", 8},
                                        {"p4d-24xl-topo", 8},     {"p4de-24xl-topo", 8},      {"rccl_topo_16p1h", 16}, {"rccl_topo_4p1h", 4},
                                        {"rccl_topo_4p3l", 4},    {"rccl_topo_8p6l_4nic", 8}, {"rccl_topo_8p_90a", 8}, {"rccl_topo_8p_940", 8},
                                        {"rccl_topo_8p_pcie", 8}, {"rccl_topo_8p_rome", 8}};
  for (const auto& file : files) {
    const auto name = std::filesystem::path{file}.stem().string();
    const auto imported = load_nccl_xml(file);
    if (name == "ncv4-graph" || name == "g5.48xl-topo") {
      ASSERT_FALSE(imported);
      EXPECT_NE(imported.error().message.find(name == "ncv4-graph" ? "graph file" : "9 devices have no class at all"), std::string::npos);
      continue;
    }
    ASSERT_TRUE(imported) << describe(imported.error());
    const auto& topology = imported->topology;
    EXPECT_EQ(topology.ranks(), gpus.at(name)) << name;
    for (int a = 0; a < topology.ranks(); ++a) {
      for (int b = 0; b < topology.ranks(); ++b)
        EXPECT_TRUE(a == b || capacity(topology, a, b) > Bandwidth{} || joined_by_own_links(topology)) << name;
    }
    const bool cloud = name.starts_with("nd") || name.starts_with("p4");
    const bool says_no_nvlinks = !imported->warnings.empty() && imported->warnings.front().find("NVLinks are not in it") != std::string::npos;
    EXPECT_EQ(says_no_nvlinks, cloud) << name;
    EXPECT_TRUE(test::same_topology(topology, *read_topology(write_topology(topology), "x.yaml"))) << name;
  }
}

TEST(NcclXml, AmdLinksHaveTheRateOfTheirGeneration) {
  const auto rates = [](const std::string& gcn) {
    const std::string inside = "<xgmi target=\"0000:01:00.0\" count=\"2\" tclass=\"0x038000\"/>";
    const std::string text = "<system><cpu><pci busid=\"0000:00:00.0\" link_speed=\"8 GT/s\"><gpu dev=\"0\" sm=\"104\" gcn=\"" + gcn +
                             "\" rank=\"0\">" + inside +
                             "</gpu></pci><pci busid=\"0000:01:00.0\" link_speed=\"8 GT/s\"><gpu dev=\"1\" rank=\"1\"/></pci></cpu></system>";
    return rate(import_nccl_xml(text, "x.xml")->topology, "gpu0", "gpu1");
  };
  EXPECT_EQ(rates("906"), GBps(92));
  EXPECT_EQ(rates("910"), GBps(100));
  EXPECT_EQ(rates("gfx942"), GBps(128));
}

}  // namespace
}  // namespace p2plab::nccl_xml_test
