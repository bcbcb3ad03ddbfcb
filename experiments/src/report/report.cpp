// SPDX-License-Identifier: Apache-2.0
#include "p2plab/report/report.h"

#include <filesystem>
#include <tuple>

#include "p2plab/report/files.h"

namespace p2plab {

namespace {

// The time that a rate is computed from: the row's own, else none.
std::optional<double> rate_gbps(Bytes size, std::optional<Seconds> time) {
  if (!time || time->count() <= 0) return std::nullopt;
  return static_cast<double>(size.count()) / time->count() * 1e-9;
}

}  // namespace

std::optional<double> Row::algbw_gbps() const { return rate_gbps(size, time()); }

std::optional<double> Row::busbw_gbps() const {
  const auto rate = rate_gbps(size, time());
  if (!rate) return std::nullopt;
  return *rate * bus_factor(collective, ranks);
}

std::optional<double> Row::error_pct() const {
  const auto took = time();
  if (clock() != Clock::device || !took || !prediction || took->count() <= 0) return std::nullopt;
  return (prediction->time.count() - took->count()) / took->count() * 100;
}

std::optional<double> Row::bound_pct() const {
  if (!bound || !prediction || prediction->time.count() <= 0) return std::nullopt;
  return bound->count() / prediction->time.count() * 100;
}

std::string to_string(const Axes& axes) {
  std::string text;
  for (const auto& each : axes) text += (text.empty() ? "" : ", ") + each.axis + " " + each.value;
  return text;
}

void mark_winners(std::vector<Row>& rows) {
  std::map<std::tuple<Axes, CollectiveKind, Bytes, bool>, Row*> best;
  for (auto& row : rows) {
    row.winner = false;
    if (!row.predicts_plan() || !row.prediction) continue;
    auto*& least = best[{row.axes, row.collective, row.size, row.in_place}];
    if (least == nullptr || row.prediction->time < least->prediction->time) least = &row;
  }
  for (auto& [key, row] : best) row->winner = true;
}

Status write_files(const std::vector<Attachment>& files, const std::string& directory) {
  if (auto able = can_write_into(directory); !able) return able;
  const std::filesystem::path base(directory);
  for (const auto& file : files) {
    if (auto done = write_whole((base / file.name).string(), file.text); !done) return done;
  }
  return {};
}

Status write_report(const Report& report, const std::string& directory) {
  std::vector<Attachment> files{{"report.json", to_json(report)}, {"report.csv", to_csv(report)}, {"report.html", to_html(report)}};
  files.insert(files.end(), report.attachments.begin(), report.attachments.end());
  return write_files(files, directory);
}

}  // namespace p2plab
