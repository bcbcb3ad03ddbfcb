// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "doctor/probes/verdict.h"
#include "report/json_number.h"
#include "report/text_table.h"

namespace p2plab::doctor {

namespace {

std::string state_of(const ProbeRecord& record) {
  switch (record.end) {
    case ProbeEnd::hung: return "hangs";
    case ProbeEnd::crashed: return "crashes";
    case ProbeEnd::failed: return "fails";
    case ProbeEnd::done: break;
  }
  const auto& o = record.outcome;
  if (o.compared == 0) return "has none";
  if (o.late > 0) return "flag first";
  if (o.unwritten > 0) return "lost";
  if (o.zeros > 0) return "zeros";
  return o.wrong > 0 ? "wrong" : "right";
}

// What the links allow, where it is the same for all of these probes.
std::optional<double> common_rate(const std::vector<const ProbeRecord*>& records, const Topology& topology) {
  const auto first = rate_of_links(records.front()->probe, topology).gbps();
  for (const auto* record : records) {
    if (rate_of_links(record->probe, topology).gbps() != first) return std::nullopt;
  }
  return first;
}

// "389.7", "right" where nothing was timed, "lost"; beside the links' rate where that differs from pair to pair.
std::string cell_of(const ProbeRecord& record, const Topology& topology, bool with_links) {
  const auto state = state_of(record);
  const auto rate = record.outcome.rate.gbps();
  auto text = state != "right" || rate <= 0 ? state : fmt::format("{:.1f}", rate);
  const auto links = rate_of_links(record.probe, topology).gbps();
  if (with_links && links > 0) text += fmt::format(" of {:.1f}", links);
  return text;
}

// A row for each sender, a column for each receiver; a column of distances for all at once.
std::string grid_of(const std::vector<const ProbeRecord*>& records, const Topology& topology) {
  const auto access = records.front()->probe.access;
  const auto common = common_rate(records, topology);
  std::string title{to_string(access)};
  if (access == PairAccess::all_at_once) title += ", each GPU to the one so many after it";
  if (common && *common > 0) title += fmt::format(" (links allow {:.1f} GB/s)", *common);
  const bool distances = access == PairAccess::all_at_once;
  const int ranks = topology.ranks();
  std::vector<TextTable::Column> columns{{distances ? "  after" : "  from \\ to"}};
  for (int to = 0; to < (distances ? 1 : ranks); ++to) columns.push_back({distances ? "" : fmt::format("gpu{}", to), TextTable::Align::right});
  TextTable table(std::move(columns));
  for (int from = 0; from < ranks; ++from) {
    std::vector<std::string> row{distances ? fmt::format("  {}", from) : fmt::format("  gpu{}", from)};
    row.resize(distances ? 2 : static_cast<std::size_t>(ranks) + 1);
    bool any = false;
    for (const auto* record : records) {
      if ((distances ? record->probe.to : record->probe.from) != from) continue;
      row[distances ? 1 : static_cast<std::size_t>(record->probe.to) + 1] = cell_of(*record, topology, !common);
      any = true;
    }
    if (any) table.add(std::move(row));
  }
  return fmt::format("\n{}\n{}", title, table.text());
}

}  // namespace

std::string matrix_text(const std::vector<ProbeRecord>& records, const Topology& topology) {
  std::string text;
  for (const auto access : pair_accesses()) {
    std::vector<const ProbeRecord*> some;
    for (const auto& record : records) {
      if (record.probe.access == access) some.push_back(&record);
    }
    if (!some.empty()) text += grid_of(some, topology);
  }
  return text;
}

std::string matrix_json(const std::vector<ProbeRecord>& records, const Topology& topology) {
  using Document = nlohmann::ordered_json;
  const auto positive = [](Bandwidth rate) { return rate.bytes_per_second() > 0 ? number(rate.gbps()) : Document(nullptr); };
  auto all = Document::array();
  for (const auto& record : records) {
    const auto& o = record.outcome;
    all.push_back({{"access", to_string(record.probe.access)},
                   {"from", record.probe.from},
                   {"to", record.probe.to},
                   {"data", state_of(record)},
                   {"compared", o.compared},
                   {"unwritten", o.unwritten},
                   {"zeros", o.zeros},
                   {"wrong", o.wrong},
                   {"late", o.late},
                   {"gbps", positive(o.rate)},
                   {"links_gbps", positive(rate_of_links(record.probe, topology))},
                   {"message", record.message}});
  }
  return all.dump(2, ' ', false, Document::error_handler_t::replace);
}

}  // namespace p2plab::doctor
