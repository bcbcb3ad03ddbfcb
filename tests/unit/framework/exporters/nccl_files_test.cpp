// SPDX-License-Identifier: Apache-2.0
// Files for stock NCCL by its readers' rules (NCCL 2.30.7, graph/xml.cc and graph/search.cc; the example tuner plugin).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include <pugixml.hpp>

#include "p2plab/detail/text.h"
#include "p2plab/program/importer.h"
#include "support/exported.h"

namespace p2plab::nccl_files_test {
namespace {

using test::exported;
using enum CollectiveKind;

// What NCCL's reader makes of a graph file; empty if it refuses it.
struct NcclGraphFile {
  int id = -1;
  int pattern = 0;
  std::string type;
  double speed = 0;
  std::vector<std::vector<int>> channels;
};

std::optional<NcclGraphFile> read_graph(const std::string& xml) {
  if (xml.starts_with("<?") || xml.find('\t') != std::string::npos || xml.find('\'') != std::string::npos) return std::nullopt;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const auto tag = xml.substr(at, xml.find('>', at) - at);
    if (tag.find('\n') != std::string::npos || tag.find("  ") != std::string::npos) return std::nullopt;  // one line, one space between attributes
  }
  pugi::xml_document document;
  if (!document.load_string(xml.c_str())) return std::nullopt;
  const auto graphs = document.child("graphs");
  if (graphs.attribute("version").as_int() != 1) return std::nullopt;
  const auto graph = graphs.child("graph");
  for (const char* needed : {"id", "crossnic", "pattern", "nchannels", "speedintra", "speedinter", "typeintra", "typeinter", "samechannels"}) {
    if (!graph.attribute(needed)) return std::nullopt;
  }
  NcclGraphFile read{graph.attribute("id").as_int(),
                     graph.attribute("pattern").as_int(),
                     graph.attribute("typeintra").value(),
                     graph.attribute("speedintra").as_double(),
                     {}};
  std::size_t elements = 2;
  for (const auto& channel : graph.children("channel")) {
    auto& order = read.channels.emplace_back();
    ++elements;
    for (const auto& gpu : channel.children("gpu")) {
      EXPECT_EQ(std::strtol(gpu.attribute("dev").value(), nullptr, 16), std::strtol(gpu.attribute("rank").value(), nullptr, 0));
      order.push_back(static_cast<int>(std::strtol(gpu.attribute("rank").value(), nullptr, 0)));
      ++elements;
    }
  }
  if (graph.attribute("nchannels").as_int() != static_cast<int>(read.channels.size()) || elements > 4095) return std::nullopt;
  return read;
}

TEST(NcclGraph, TheRingsOfAPlanAreTheChannelsThatNcclReads) {
  for (const auto& machine : {test::one_switch(8), test::dgx1(8, true, false), test::islands_over_pcie(2, 2)}) {
    const auto c = test::exportable(machine, "ring", all_reduce, 1_MiB);
    const auto text = exported(c, "nccl-graph").front().content;
    const auto read = read_graph(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->id, 0);
    EXPECT_EQ(read->pattern, 4);
    EXPECT_EQ(read->type, machine.name() == "islands" ? "PHB" : "NVL");
    EXPECT_GT(read->speed, 0);
    std::set<std::pair<int, int>> hops;  // of the plan
    for (const auto& lane : c.program.lanes) {
      for (auto i = lane.first; i < lane.first + lane.count; ++i) {
        for (const auto& d : c.program.destinations(c.program.instructions[i])) {
          if (d.rank != lane.rank) hops.emplace(lane.rank.value, d.rank.value);
        }
      }
    }
    std::set<std::pair<int, int>> drawn;
    for (const auto& order : read->channels) {
      auto sorted = order;
      std::ranges::sort(sorted);
      for (int r = 0; r < machine.ranks(); ++r) EXPECT_EQ(sorted.at(static_cast<std::size_t>(r)), r);
      for (std::size_t i = 0; i < order.size(); ++i) drawn.emplace(order[i], order[(i + 1) % order.size()]);
    }
    EXPECT_EQ(drawn, hops);
    const auto graphs = import_nccl_graphs(text, "graph.xml");
    ASSERT_TRUE(graphs);
    ASSERT_EQ(graphs->size(), 1U);
    EXPECT_EQ(graphs->front().orders.size(), read->channels.size());
  }
}

// NCCL itself finds 12 channels of 30 GB/s on such a machine: a thread block fills no more.
TEST(NcclGraph, AWideRingIsGivenSeveralChannels) {
  const auto c = test::exportable(test::one_switch(4, GBps(450)), "ring", all_reduce, 1_MiB);
  const auto read = read_graph(exported(c, "nccl-graph").front().content);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->channels.size(), 12U);
  EXPECT_NEAR(read->speed, 30.9, 0.01);
}

TEST(NcclGraph, RefusesPlansThatAreNoRings) {
  auto c = test::exportable(test::one_switch(4), "two_shot", all_reduce, 1_MiB);
  const auto refused = test::try_export(c, "nccl-graph");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "NCCL graph: channel 0 of the two_shot plan is no ring through all 4 ranks");
  auto two = test::exportable(test::servers(2, 2), "ring", all_reduce, 1_MiB);
  EXPECT_FALSE(test::try_export(two, "nccl-graph"));
}

TEST(NcclGraph, ReadsWhatNcclWroteOnFourGpus) {
  const auto text = read_text_file(P2PLAB_SOURCE_DIR "/tests/data/h200x4_nccl_topo.xml", 1_MiB);
  ASSERT_TRUE(text);
  const auto wrong = import_nccl_graphs(*text, "topo.xml");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "no <graphs> element: this is no graph file of NCCL");
  const auto hex = import_nccl_graphs(
      R"(<graphs version="1"><graph id="0" pattern="4" nchannels="1"><channel><gpu dev="0"/><gpu dev="0x1"/></channel></graph></graphs>)", "g");
  ASSERT_TRUE(hex) << hex.error().message;
  EXPECT_EQ(hex->front().orders, (std::vector<std::vector<Rank>>{{Rank{0}, Rank{1}}}));
  const auto missing =
      import_nccl_graphs(R"(<graphs version="1"><graph id="0" nchannels="1"><channel><gpu dev="0"/><gpu dev="2"/></channel></graph></graphs>)", "g");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "a channel must name each rank once, from 0 on; 2 ranks here, and rank 1 is missing");
}

// The bands of a table: sizes rise, each ends where the next begins.
std::vector<ExportedFile> table(const std::string& format, const std::vector<test::Exportable>& bands) {
  std::vector<ExportJob> jobs;
  for (std::size_t b = 0; b < bands.size(); ++b) {
    jobs.push_back({&bands[b].machine, &bands[b].plan, &bands[b].program, Bytes{b == 0 ? 0 : std::int64_t{1} << (10 * b)},
                    Bytes{std::int64_t{1} << (b + 1 == bands.size() ? 40 : 10 * (b + 1))}});
  }
  const auto exporters = builtin_exporters();
  auto files = (*exporters.get("format", format))->make()->write_table(jobs);
  EXPECT_TRUE(files) << files.error().message;
  return files ? *std::move(files) : std::vector<ExportedFile>{};
}

std::vector<test::Exportable> three_bands() {
  const auto machine = test::one_switch(8);
  return {test::exportable(machine, "one_shot", all_reduce, 1_KiB),
          test::exportable(machine, "tree", all_reduce, 64_KiB, {}, {.protocol = Protocol::ll128}),
          test::exportable(machine, "ring", all_reduce, 16_MiB, {}, {.blocks_per_lane = 4})};
}

TEST(NcclTunerFile, EachBandIsALineAndWhatNcclCannotRunIsLeftToIt) {
  const auto files = table("nccl-tuner", three_bands());
  ASSERT_EQ(files.size(), 1U);
  std::istringstream in(files.front().content);
  std::vector<std::string> rules;
  for (std::string line; std::getline(in, line);) {
    EXPECT_LE(line.size(), 255U);
    if (!line.starts_with("#")) rules.push_back(line);
  }
  ASSERT_EQ(rules.size(), 2U);
  EXPECT_TRUE(rules[0].starts_with("allreduce,1024,1048575,tree,ll128,")) << rules[0];
  EXPECT_TRUE(rules[0].ends_with(",1,8,-1,-1")) << rules[0];
  EXPECT_TRUE(rules[1].starts_with("allreduce,1048576,1099511627775,ring,simple,")) << rules[1];
  EXPECT_NE(files.front().content.find("# 0 to 1023: one_shot is none of NCCL's algorithms"), std::string::npos) << files.front().content;
}

TEST(NcclTunerFile, ATableOfPlansThatNcclCannotRunIsRefused) {
  auto c = test::exportable(test::one_switch(8), "one_shot", all_reduce, 1_KiB);
  const auto refused = test::try_export(c, "nccl-tuner");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "NCCL: one_shot is none of its algorithms; ring and tree are");
}

// NCCL's own file: a comment only where '#' begins the line, else whatever stands before '=' is a name.
std::map<std::string, std::string> read_conf(const std::string& text) {
  std::map<std::string, std::string> values;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    EXPECT_LT(line.size(), 1023U);
    const auto equals = line.find('=');
    if (line.starts_with("#") || equals == std::string::npos) continue;
    EXPECT_TRUE(values.emplace(line.substr(0, equals), line.substr(equals + 1)).second) << line;
  }
  return values;
}

TEST(NcclEnv, EveryVariableHasAReasonAndAValueThatNcclReads) {
  const auto bands = three_bands();
  const auto one = exported(bands[2], "nccl-env").front().content;
  auto values = read_conf(one);
  EXPECT_EQ(values["NCCL_ALGO"], "Ring");
  EXPECT_EQ(values["NCCL_PROTO"], "Simple");
  EXPECT_EQ(values["NCCL_MAX_NCHANNELS"], values["NCCL_MIN_NCHANNELS"]);
  EXPECT_EQ(values["VLLM_ALLREDUCE_USE_SYMM_MEM"], "0");
  EXPECT_FALSE(values.contains("NCCL_P2P_LEVEL"));
  const auto many = table("nccl-env", bands).front().content;
  values = read_conf(many);
  EXPECT_EQ(values["NCCL_TUNER_PLUGIN"], "p2plab");
  EXPECT_FALSE(values.contains("NCCL_ALGO"));
  EXPECT_TRUE(values.contains("NCCL_GRAPH_FILE"));
  for (const auto& text : {one, many}) {
    std::istringstream in(text);
    std::string before;
    for (std::string line; std::getline(in, line); before = line) {
      EXPECT_TRUE(line.starts_with("#") || before.starts_with("# ")) << line;
      for (const char c : line.substr(0, line.starts_with("#") ? 0 : line.size())) EXPECT_TRUE(std::isgraph(static_cast<unsigned char>(c))) << line;
    }
  }
}

TEST(NcclEnv, PeerAccessThroughTheCpuIsAskedForWhereThePlanNeedsIt) {
  const auto c = test::exportable(test::islands_over_pcie(2, 2), "ring", all_reduce, 1_MiB);
  EXPECT_EQ(read_conf(exported(c, "nccl-env").front().content)["NCCL_P2P_LEVEL"], "PHB");
}

}  // namespace
}  // namespace p2plab::nccl_files_test
