// SPDX-License-Identifier: Apache-2.0
// The gallery's report as text, JSON, CSV and a page.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/experiment/gallery.h"
#include "p2plab/report/provenance.h"
#include "report/html_page.h"
#include "report/text_table.h"

namespace p2plab {

namespace {

constexpr double wanted_pct = 15;
constexpr std::int64_t wanted_from = 16 << 20;

const char* word(OrderKept kept) { return kept == OrderKept::yes ? "right" : (kept == OrderKept::tied ? "tied" : "WRONG"); }

std::string order_text(const GalleryOrder& order) { return fmt::format("{}", fmt::join(order.names, " > ")); }

// "all_reduce from 16 MiB: 32 of 32 within 15 %, mean 6.5 %, worst +14.6 % (...)"; empty without such figures.
std::string verdict_of(const GalleryReport& report) {
  int within = 0;
  int judged = 0;
  double sum = 0;
  const GalleryRow* worst = nullptr;
  for (const auto& row : report.rows) {
    if (!row.figure.all_reduce || row.figure.size.count() < wanted_from) continue;
    ++judged;
    within += std::abs(row.error_pct()) <= wanted_pct ? 1 : 0;
    sum += std::abs(row.error_pct());
    if (worst == nullptr || std::abs(row.error_pct()) > std::abs(worst->error_pct())) worst = &row;
  }
  if (judged == 0) return {};
  return fmt::format("all_reduce from 16 MiB: {} of {} within {:g} %, mean {:.1f} %, worst {:+.1f} % ({} on {})", within, judged, wanted_pct,
                     sum / judged, worst->error_pct(), worst->figure.name, worst->machine);
}

nlohmann::ordered_json row_json(const GalleryRow& row) {
  return {{"machine", row.machine},
          {"figure", row.figure.name},
          {"kind", row.figure.all_reduce ? "all_reduce" : "copies"},
          {"size_bytes", row.figure.size.count()},
          {"published_gbps", row.figure.published_gbps},
          {"predicted_gbps", row.predicted_gbps},
          {"error_pct", row.error_pct()},
          {"note", row.figure.note}};
}

}  // namespace

std::string to_text(const GalleryReport& report) {
  using enum TextTable::Align;
  TextTable table({{"machine"}, {"published"}, {"published GB/s", right}, {"predicted GB/s", right}, {"error %", right}, {"note"}});
  const std::string* machine = nullptr;
  for (const auto& row : report.rows) {
    if (machine != nullptr && *machine != row.machine) table.gap();
    table.add({machine == nullptr || *machine != row.machine ? row.machine : "", row.figure.name, fmt::format("{:.2f}", row.figure.published_gbps),
               fmt::format("{:.2f}", row.predicted_gbps), fmt::format("{:+.1f}", row.error_pct()), row.figure.note});
    machine = &row.machine;
  }
  auto text = table.text();
  if (const auto verdict = verdict_of(report); !verdict.empty()) text += "\n" + verdict + "\n";
  if (!report.orders.empty()) text += "\nPublished orders, fastest first:\n";
  for (const auto& row : report.orders) text += fmt::format("  {:<6} {}: {}\n", word(row.kept), row.machine, order_text(row.order));
  return text;
}

std::string to_json(const GalleryReport& report) {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const auto& row : report.rows) rows.push_back(row_json(row));
  Json orders = Json::array();
  for (const auto& row : report.orders) orders.push_back({{"machine", row.machine}, {"names", row.order.names}, {"kept", word(row.kept)}});
  return Json{{"name", report.name}, {"rows", rows}, {"orders", orders}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_html(const GalleryReport& report) {
  nlohmann::ordered_json figures = nlohmann::ordered_json::array();
  for (const auto& row : report.rows) figures.push_back(row_json(row));
  const nlohmann::ordered_json data{{"figures", figures}};
  HtmlPage page{.title = report.name,
                .findings = {verdict_of(report)},
                .provenance = provenance_lines(provenance_here()),
                .data = data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)};
  if (page.findings.front().empty()) page.findings = {fmt::format("{} published figures beside predictions", report.rows.size())};
  for (const auto& row : report.orders)
    page.findings.push_back(
        fmt::format("Published order on {}, fastest first: {}: predicted {}.", row.machine, order_text(row.order), word(row.kept)));
  return html_of(page);
}

}  // namespace p2plab
