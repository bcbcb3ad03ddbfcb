// SPDX-License-Identifier: Apache-2.0
// A plan's machine in the files of NCCL and SimGrid, and host collectives in the words of Open MPI and UCC, by their readers' rules.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_import.h"
#include "support/exported.h"

namespace p2plab::machine_files_test {
namespace {

using test::exported;
using enum CollectiveKind;

// Four GPUs behind two bridges of one host; pairs joined by four NVLinks, or all by a switch.
Topology pcie_tree(bool nvswitch) {
  auto builder = test::with_gpus("tree", 4);
  const auto host = builder.add_node({.name = "host", .kind = NodeKind::host});
  const auto pcie = Bandwidth::bytes_per_second(31'507'692'308);  // 16 GT/s, 16 lanes
  for (int b = 0; b < 2; ++b) {
    const auto bridge = builder.add_node({.name = "bridge" + std::to_string(b), .kind = NodeKind::pcie_switch});
    builder.add_duplex(bridge, host, LinkKind::pcie, pcie, Seconds{1e-6});
    for (int g = 2 * b; g < 2 * b + 2; ++g) builder.add_duplex(NodeId{g}, bridge, LinkKind::pcie, pcie, Seconds{1e-6});
    if (!nvswitch) builder.add_duplex(NodeId{2 * b}, NodeId{2 * b + 1}, LinkKind::nvlink, GBps(100), Seconds{1e-6});
  }
  if (nvswitch) {
    const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::nvswitch});
    for (int g = 0; g < 4; ++g) builder.add_duplex(NodeId{g}, hub, LinkKind::nvlink, GBps(450), Seconds{1e-6});
  }
  return test::built(std::move(builder));
}

std::map<std::pair<int, int>, std::int64_t> bottlenecks(const Topology& machine) {
  const auto& routes = machine.routes();
  std::map<std::pair<int, int>, std::int64_t> all;
  for (int a = 0; a < machine.ranks(); ++a) {
    for (int b = 0; b < machine.ranks(); ++b) all[{a, b}] = routes.bottleneck(routes.between(Rank{a}, Rank{b})).bytes_per_second();
  }
  return all;
}

TEST(NcclTopo, ReadBackItIsTheSameMachine) {
  for (const bool nvswitch : {false, true}) {
    const auto machine = pcie_tree(nvswitch);
    const auto text = exported(test::exportable(machine, "one_shot", all_reduce, 1_MiB), "nccl-topo").front().content;
    EXPECT_FALSE(text.starts_with("<?"));
    EXPECT_EQ(text.find('\t'), std::string::npos);
    const auto read = import_nccl_xml(text, "topo.xml");
    ASSERT_TRUE(read) << read.error().message;
    // The file has no place for peer access over PCIe; where NVLink joins all GPUs, none is needed.
    const std::string asked =
        "peer access over PCIe: no matrix of 'nvidia-smi topo -p2p r' is given; assumed: between all GPUs (--machine peer_access=... answers it)";
    EXPECT_EQ(read->warnings, nvswitch ? std::vector<std::string>{} : std::vector{asked});
    EXPECT_EQ(bottlenecks(read->topology), bottlenecks(machine));
    // Where NVLink joins all GPUs, PCIe beside it is left out.
    const auto kept = nvswitch ? std::ranges::count(machine.links(), LinkKind::nvlink, &Link::kind) : std::ssize(machine.links());
    EXPECT_EQ(std::ssize(read->topology.links()), kept);
    std::size_t deepest = 0;
    pugi::xml_document document;
    ASSERT_TRUE(document.load_string(text.c_str()));
    for (const auto& found : document.select_nodes("//*")) {
      const auto attributes = found.node().attributes();
      deepest = std::max(deepest, static_cast<std::size_t>(std::distance(attributes.begin(), attributes.end())));
    }
    EXPECT_LE(deepest + 1, 16U);  // the space before '/>' counts as one more
  }
}

TEST(NcclTopo, SaysWhatTheFileCannot) {
  const auto message = [](const Topology& machine) {
    auto c = test::exportable(machine, "one_shot", all_reduce, 1_MiB);
    const auto refused = test::try_export(c, "nccl-topo");
    return refused ? std::string{} : refused.error().message;
  };
  EXPECT_EQ(message(test::one_switch(4)), "NCCL topology: the machine has no host, under which NCCL wants every GPU; give its PCIe");
  EXPECT_EQ(message(test::islands_over_pcie(2, 2)), "NCCL topology: 25 GB/s of PCIe to gpu0 is no generation and width that the file can say");
  EXPECT_EQ(message(test::dgx1(2, true, true)), "");  // 12 GB/s: what NCCL counts of 16 lanes of 8 GT/s
}

// SimGrid's parser: its document type, links before routes, units, one route for each pair.
TEST(SimGridPlatform, EachPairOfGpusHasARouteWithTheMachinesBandwidthAndLatency) {
  for (const auto& machine : {pcie_tree(false), test::one_switch(3), test::islands_over_pcie(2, 2)}) {
    auto c = test::exportable(machine, "one_shot", all_reduce, 1_MiB);
    const auto text = exported(c, "simgrid").front().content;
    EXPECT_NE(text.find("<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">"), std::string::npos);
    pugi::xml_document document;
    ASSERT_TRUE(document.load_string(text.c_str(), pugi::parse_default | pugi::parse_doctype));
    const auto zone = document.child("platform").child("zone");
    EXPECT_EQ(std::string(document.child("platform").attribute("version").value()), "4.1");
    std::map<std::string, std::pair<std::int64_t, double>> links;
    for (const auto& link : zone.children("link")) {
      const std::string bandwidth = link.attribute("bandwidth").value();
      const std::string latency = link.attribute("latency").value();
      EXPECT_TRUE(bandwidth.ends_with("Bps"));
      EXPECT_TRUE(latency.ends_with("s"));
      EXPECT_TRUE(links.emplace(link.attribute("id").value(), std::pair{std::stoll(bandwidth), std::stod(latency)}).second);
    }
    const auto& routes = machine.routes();
    std::map<std::string, int> ranks;
    for (int r = 0; r < machine.ranks(); ++r) ranks[machine.node(machine.node_of(Rank{r})).name] = r;
    int count = 0;
    for (const auto& route : zone.children("route")) {
      const Rank from{ranks.at(route.attribute("src").value())};
      const Rank to{ranks.at(route.attribute("dst").value())};
      auto narrowest = std::numeric_limits<std::int64_t>::max();
      double latency = 0;
      for (const auto& used : route.children("link_ctn")) {
        const auto& [bandwidth, delay] = links.at(used.attribute("id").value());
        narrowest = std::min(narrowest, bandwidth);
        latency += delay;
      }
      const auto path = routes.between(from, to);
      double expected = 0;
      for (const auto link : path) expected += machine.link(link).latency.count();
      EXPECT_LE(narrowest, routes.bottleneck(path).bytes_per_second());
      EXPECT_NEAR(latency, expected, 1e-12);
      ++count;
    }
    EXPECT_EQ(count, machine.ranks() * (machine.ranks() - 1));
  }
}

// The bands of a table.
Result<std::vector<ExportedFile>> table(const std::string& format, const std::vector<test::Exportable>& bands) {
  std::vector<ExportJob> jobs;
  for (std::size_t b = 0; b < bands.size(); ++b) {
    jobs.push_back({&bands[b].machine, &bands[b].plan, &bands[b].program, Bytes{b == 0 ? 0 : std::int64_t{1} << (10 * b)},
                    Bytes{std::int64_t{1} << (b + 1 == bands.size() ? 40 : 10 * (b + 1))}});
  }
  const auto exporters = builtin_exporters();
  return (*exporters.get("format", format))->make()->write_table(jobs);
}

std::vector<test::Exportable> bands_of(CollectiveKind kind, const std::vector<std::string>& planners) {
  std::vector<test::Exportable> all;
  for (const auto& planner : planners) all.push_back(test::exportable(test::one_switch(4), planner, kind, 64_KiB));
  return all;
}

// Open MPI 4.1.4's reader: whole numbers, '#' to the end of the line; collectives, sizes of communicators, sizes of messages, all rising from 0.
TEST(OpenMpiRules, AreReadToTheEndAndBeginWithItsOwnChoice) {
  const auto files = table("open-mpi", bands_of(all_reduce, {"one_shot", "halving_doubling", "ring"}));
  ASSERT_TRUE(files) << files.error().message;
  std::vector<std::int64_t> numbers;
  std::istringstream in(files->front().content);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::int64_t number = 0; words >> number;) numbers.push_back(number);
    EXPECT_TRUE(words.eof()) << line;
  }
  EXPECT_EQ(numbers, (std::vector<std::int64_t>{1, 2, 2, 0, 1, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 1024, 6, 0, 0, 1048576, 4, 0, 0}));
  const auto none = table("open-mpi", bands_of(all_reduce, {"one_shot"}));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "Open MPI: coll/tuned has no algorithm that does what one_shot does for all_reduce");
}

// Every level of MPICH's file ends in "any", or says both yes and no, or is an algorithm.
void expect_whole(const nlohmann::ordered_json& level, const std::string& where) {
  ASSERT_FALSE(level.empty()) << where;
  std::vector<std::string> keys;
  for (const auto& [key, below] : level.items()) {
    keys.push_back(key);
    if (!key.starts_with("algorithm=")) expect_whole(below, where + " " + key);
  }
  const auto& last = keys.back();
  EXPECT_TRUE(last.ends_with("=any") || last.ends_with("=no") || last == "comm_type=inter" ||
              (keys.size() == 1 && last.starts_with("algorithm=MPIR_")))
      << where << ": " << last;
}

TEST(MpichTuning, HasEveryCollectiveAndEndsEachLevelInAny) {
  const auto files = table("mpich", bands_of(all_reduce, {"one_shot", "halving_doubling"}));
  ASSERT_TRUE(files) << files.error().message;
  const auto json = nlohmann::ordered_json::parse(files->front().content);
  EXPECT_EQ(json.size(), 44U);
  for (const auto& [key, value] : json.items()) {
    EXPECT_TRUE(key.starts_with("collective="));
    expect_whole(value, key);
  }
  const auto& among = json["collective=allreduce"]["comm_type=intra"];
  const auto& four = among["comm_size<=4"];
  EXPECT_EQ(four["avg_msg_size<1024"], among["comm_size=any"]);  // no algorithm of MPICH's does what one_shot does
  EXPECT_TRUE(four["avg_msg_size=any"]["is_op_built_in=yes"]["count=any"].contains("algorithm=MPIR_Allreduce_intra_reduce_scatter_allgather"));
  const auto blocks = table("mpich", bands_of(all_to_all, {"bruck", "pairwise"}));
  ASSERT_TRUE(blocks) << blocks.error().message;
  const auto to_all = nlohmann::ordered_json::parse(blocks->front().content)["collective=alltoall"]["comm_type=intra"]["comm_size<=4"];
  EXPECT_TRUE(to_all["avg_msg_size<256"]["is_sendbuf_inplace=no"].contains("algorithm=MPIR_Alltoall_intra_brucks"));  // a quarter of the size
  const auto none = table("mpich", bands_of(all_reduce, {"ring"}));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "MPICH: it has no algorithm that does what ring does for all_reduce");
}

// UCC: tokens between '#', qualifiers between ':'; ends of ranges included.
TEST(UccScores, RangesMeetWithoutOverlap) {
  const auto files = table("ucc", bands_of(all_gather, {"bruck", "ring"}));
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(files->front().content, "UCC_TL_UCP_TUNE=allgather:0-1023:host:[4-4]:inf:@bruck#allgather:1024-inf:host:[4-4]:inf:@ring\n");
  const auto scatter = table("ucc", bands_of(reduce_scatter, {"halving_doubling", "ring"}));
  ASSERT_TRUE(scatter) << scatter.error().message;
  EXPECT_EQ(scatter->front().content, "UCC_TL_UCP_TUNE=reduce_scatter:256-inf:host:[4-4]:inf:@ring\n");
  EXPECT_FALSE(table("ucc", bands_of(all_reduce, {"ring"})));
}

}  // namespace
}  // namespace p2plab::machine_files_test
