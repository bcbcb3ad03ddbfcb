// SPDX-License-Identifier: Apache-2.0
// The gallery, as users run it.
#include <fstream>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::gallery_test {
namespace {

using test::json_of;
using test::p2plab;

// The limits are what is reached, a little rounded up; with one launch and one signal for all machines they were 342, 135 and 6.7 %.
TEST(Gallery, PredictsUnfittedRowsByBandAndKeepsPublishedOrdersAndCollapses) {
  const auto json = json_of("run configs/gallery.yaml --json");
  const std::map<std::string, std::pair<double, double>> limits{{"collectives below 64 KiB", {13, 2.2}},
                                                                {"collectives to 16 MiB", {15, 2.6}},
                                                                {"collectives from 16 MiB", {7, 1.6}},
                                                                {"copies", {9, 2.2}},
                                                                {"latencies", {9, 2.5}}};
  int bands = 0;
  for (const auto& band : json["bands"]) {
    const auto limit = limits.find(band["band"]);
    if (limit == limits.end() || band["fitted"].get<bool>()) continue;
    ++bands;
    EXPECT_LE(band["median_pct"].get<double>(), limit->second.first) << band;
    EXPECT_LE(band["worst"].get<double>(), limit->second.second) << band;
    EXPECT_GE(band["inside"].get<double>() / band["rows"].get<double>(), 0.88) << band;
  }
  EXPECT_EQ(bands, 5);
  EXPECT_GE(json["rows"].size(), 820U);
  ASSERT_GE(json["orders"].size(), 14U);
  for (const auto& row : json["orders"]) EXPECT_EQ(row["kept"], "right") << row["machine"] << row["names"];
  const auto text = p2plab("run configs/gallery.yaml").out;
  for (const char* word : {"published", "predicted", "error %", "ring shift +4", "12.62", "Errors by band", "by 5 times or more",
                           "one_shot mode pull", "by NCCL's formula: collectives below 64 KiB"})
    EXPECT_NE(text.find(word), std::string::npos) << word << text;
  EXPECT_EQ(p2plab("config check configs/gallery.yaml").exit, 0);
}

// Lines of CSV without their quotes, by their first three cells: machines, fitted or not, band.
std::map<std::string, std::vector<std::string>> error_table(const std::string& csv) {
  std::map<std::string, std::vector<std::string>> table;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"')
        quoted = !quoted;
      else if (c == ',' && !quoted)
        cells.emplace_back();
      else
        cells.back() += c;
    }
    table[cells[0] + "|" + cells[1] + "|" + cells[2]] = cells;
  }
  return table;
}

// experiments/measured/gallery_errors.sh writes the file. Medians may move a little by changes of the model before somebody runs it.
TEST(Gallery, ErrorsAreThoseOfTheTableInTheText) {
  const auto kept = error_table(test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "experiments/measured/gallery_errors.csv"));
  const std::map<std::string, std::string> galleries{
      {"gallery", "20 of the gallery"}, {"unseen", "10 unseen"}, {"unseen_second", "11 more unseen"}, {"unseen_third", "13 of a third round"}};
  for (const auto& [gallery, name] : galleries) {
    const auto folder = test::scratch(gallery);
    ASSERT_EQ(p2plab("run configs/" + gallery + ".yaml --out '" + folder.string() + "'").exit, 0);
    for (const auto& [key, cells] : error_table(test::content(folder / "gallery_bands.csv"))) {
      if (cells[0] == "rows are") continue;
      const auto line = kept.find(name + "|" + cells[0] + "|" + cells[1]);
      ASSERT_NE(line, kept.end()) << name << ' ' << key;
      EXPECT_EQ(line->second[3], cells[2]) << name << ' ' << key;
      if (!cells[3].empty()) {
        EXPECT_NEAR(std::stod(line->second[4]), std::stod(cells[3]), 3) << name << ' ' << key;
      }
    }
  }
}

TEST(Gallery, KernelsLoadsHostCopiesAndWhatNcclIsToldHaveRows) {
  const auto folder = test::scratch("");
  std::ofstream(folder / "case.yaml") << R"(version: 1
name: all kinds
source: none
links: none
gpu: pro6000
topology: {preset: pcie-server, gpus: 4, switches: 2, sockets: 1, gen: 5, peers: on}
figures:
  - {name: copy, copies: [[0, 1]], size: 64 MiB, sum: 50 GB/s}
  - {name: pull, copies: [[0, 1]], size: 64 MiB, sum: 50 GB/s, by: pulls}
  - {name: stores, copies: [[0, 1]], size: 64 MiB, sum: 50 GB/s, by: stores}
  - {name: loads, copies: [[0, 1]], size: 64 MiB, sum: 50 GB/s, by: loads}
  - {name: to host, copies: [[0, host]], size: 64 MiB, sum: 50 GB/s}
  - {name: from host, copies: [[host, 1], [host, 2]], size: 64 MiB, sum: 50 GB/s}
  - {name: both ways, copies: [[0, host], [host, 0]], size: 64 MiB, sum: 100 GB/s}
  - {name: both ways of two, copies: [[0, host], [host, 1]], size: 64 MiB, each: 50 GB/s}
  - {name: at once, copies: [[0, 1], [2, 1], [0, 3], [2, 3]], size: 64 MiB, sum: 50 GB/s}
  - {name: one after the other, copies: [[0, 1], [2, 1], [0, 3], [2, 3]], size: 64 MiB, sum: 50 GB/s, queued: true}
  - {name: a load of a line, latency: [0, 1], by: loads, time: 0.7 us}
  - {name: one shot, gpus: 4, size: 16 KiB, time: 7 us, launch: graph, kernel: {planner: one_shot, mode: pull}}
  - {name: gathered, gpus: 4, size: 16 KiB, time: 7 us, launch: graph, kernel: one_shot, collective: all_gather}
  - {name: by ll, gpus: 4, size: 1 MiB, time: 50 us, launch: process, peers: true, protocol: ll, algorithm: ring}
  - {name: by simple, gpus: 4, size: 1 MiB, time: 50 us, launch: process, peers: true, protocol: simple}
  - {name: two channels, gpus: 4, size: 256 MiB, busbw: 22 GB/s, launch: process, channels: 2, peers: false}
  - {name: eight channels, gpus: 4, size: 256 MiB, busbw: 33 GB/s, launch: process, channels: 8, peers: false}
orders:
  - [copy, loads]
  - [eight channels, two channels]
  - [by simple, by ll]
)";
  std::ofstream(folder / "kinds.yaml") << "version: 1\nkind: gallery\ncases: [case.yaml]\n";
  const auto ran = p2plab("run kinds.yaml --json", folder);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const auto json = nlohmann::json::parse(ran.out);
  std::map<std::string, double> predicted;
  for (const auto& row : json["rows"]) {
    predicted[row["figure"]] = row["predicted"].get<double>();
    EXPECT_LE(row["predicted_low"].get<double>(), row["predicted"].get<double>()) << row;
    EXPECT_GE(row["predicted_high"].get<double>(), row["predicted"].get<double>()) << row;
  }
  EXPECT_EQ(predicted.size(), 17U);
  EXPECT_NEAR(predicted["two channels"], 22, 0.1);
  EXPECT_GT(predicted["one shot"],
            2 * (0.7 + 4 * 0.36 + 0.3));  // they meet before they load and after: a flag through two switches, and a look at it
  EXPECT_NEAR(predicted["from host"], 2 * predicted["to host"], 0.02 * predicted["from host"]);  // below two switches
  EXPECT_NEAR(predicted["both ways"], 2 * predicted["to host"], 0.02 * predicted["both ways"]);
  EXPECT_NEAR(predicted["both ways of two"], predicted["to host"], 0.02 * predicted["to host"]);
  EXPECT_NEAR(predicted["one after the other"], predicted["copy"], 0.03 * predicted["copy"]);  // both into GPU 1, then both into GPU 3
  EXPECT_GT(predicted["at once"], 1.1 * predicted["copy"]);
  for (const auto& order : json["orders"]) EXPECT_EQ(order["kept"], "right") << order;
  ASSERT_EQ(p2plab("run kinds.yaml --out kinds", folder).exit, 0);
  const auto page = test::content(folder / "kinds/gallery.html");
  for (const char* field : {R"("kind":"latency","size_bytes":)", R"("unit":"us","published":0.7)", "one_shot mode pull"})
    EXPECT_NE(page.find(field), std::string::npos) << field;
}

TEST(Gallery, ItsFilesAreReadStrictly) {
  const auto folder = test::scratch("");
  std::ofstream(folder / "bad_case.yaml")
      << "version: 1\nname: bad\nsource: none\nlinks: none\ntopology: {preset: hgx-h200, gpus: 2}\nfigures:\n"
         "  - {name: a, gpus: 3, size: 1 MiB, busbw: 1 GB/s}\n  - {name: a, size: 0 B, copies: [[0, 0]]}\n  - "
         "{name: c, gpus: 2, size: 1 B, time: 1 us, launch: grap}\n  - {name: d, copies: [[0, host], [host, 1]], size: "
         "1 B, sum: 1 GB/s, by: magic, queued: true}\n  - {name: e, gpus: 2, size: 1 B, time: 1 us, launch: graph, kernel: one_shoot, "
         "protocol: ll12}\norders: [[a, b]]\n";
  const auto* const head = "version: 1\nname: x\nsource: none\nlinks: none\ntopology: {preset: hgx-h200, gpus: 2}\n";
  std::ofstream(folder / "table_case.yaml") << head << "tables:\n  - {name: both kinds, copy: [[~, 1], [1, ~]], latency: [[~, 1], [1, ~]]}\n"
                                            << "  - {name: t, copy: [[~, 1], [1, ~]]}\norders: [['t, 0 to 1', t]]\n";
  std::ofstream(folder / "bad_gallery.yaml") << "version: 1\nkind: gallery\ncases: [bad_case.yaml, none.yaml, table_case.yaml]\n";
  const auto ran = p2plab("run bad_gallery.yaml", folder);
  EXPECT_EQ(ran.exit, 1);
  EXPECT_EQ(ran.out, "");
  for (const char* words :
       {"bad_case.yaml:7:", "'a' is listed twice", "a size must be above 0 B", "a copy needs two GPUs", "no figure is called 'b'", "none.yaml",
        "a collective says how it was launched", "a figure has one published number", "did you mean 'graph'?", "a table has one matrix",
        "no figure is called 't'", "wait on a stream for each other", "magic", "there is no planner 'one_shoot'", "did you mean 'll128'?"}) {
    EXPECT_NE(ran.err.find(words), std::string::npos) << words << '\n' << ran.err;
  }
}

}  // namespace
}  // namespace p2plab::gallery_test
