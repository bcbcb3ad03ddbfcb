// SPDX-License-Identifier: Apache-2.0
// The gallery's report as text, as JSON and as CSV.
#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/detail/csv.h"
#include "p2plab/detail/named.h"
#include "p2plab/experiment/gallery.h"
#include "report/text_table.h"
#include "studies/gallery_parts.h"

namespace p2plab {

namespace {

using Kind = GalleryFigure::Kind;
using Unit = GalleryFigure::Unit;

constexpr std::array units{Named{"GB/s busbw", Unit::busbw}, Named{"GB/s algbw", Unit::algbw}, Named{"GB/s in all", Unit::sum},
                           Named{"GB/s each", Unit::each}, Named{"us", Unit::time}};
constexpr std::array kinds{Named{"collective", Kind::collective}, Named{"copies", Kind::copies}, Named{"latency", Kind::latency}};

const char* word(OrderKept kept) { return kept == OrderKept::yes ? "right" : (kept == OrderKept::tied ? "tied" : "WRONG"); }

std::string order_text(const GalleryOrder& order) {
  const auto factor = order.factor > 1 ? fmt::format(" (by {:g} times or more)", order.factor) : "";
  return fmt::format("{}{}", fmt::join(order.names, " > "), factor);
}

std::string kind_of(const GalleryFigure& figure) {
  return std::string{figure.kind == Kind::collective ? to_string(figure.collective) : to_name<Kind>(figure.kind, kinds)};
}

std::string note_of(const GalleryRow& row) {
  std::string text = row.figure.fitted ? "fitted" : "";
  for (const auto& part : {row.predicted.by, row.figure.note}) {
    if (!part.empty()) text += (text.empty() ? "" : "; ") + part;
  }
  return text;
}

std::string figure_text(double value) { return value < 0.1 ? fmt::format("{:.2g}", value) : fmt::format("{:.2f}", value); }

// One figure, or all elements of a matrix: the middle one by its error, and how many are inside their intervals.
class TableText {
 public:
  std::string run(const GalleryReport& report) {
    for (auto row = report.rows.begin(); row != report.rows.end();) {
      auto end = row + 1;
      while (!row->figure.table.empty() && end != report.rows.end() && end->machine == row->machine && end->figure.table == row->figure.table) ++end;
      add({row, end});
      row = end;
    }
    return table_.text();
  }

 private:
  void add(std::span<const GalleryRow> rows) {
    std::vector<const GalleryRow*> sorted;
    for (const auto& row : rows) sorted.push_back(&row);
    std::ranges::sort(sorted, {}, [](const GalleryRow* row) { return std::abs(row->error_pct()); });
    const auto& middle = *sorted[sorted.size() / 2];
    const auto inside = std::ranges::count_if(rows, &GalleryRow::inside);
    const bool first = machine_ == nullptr || *machine_ != middle.machine;
    if (first && machine_ != nullptr) table_.gap();
    auto what = middle.figure.name;
    if (rows.size() > 1)
      what = fmt::format("{}: {} pairs, worst x{:.2f}", middle.figure.table, rows.size(), std::ranges::max(rows, {}, &GalleryRow::off).off());
    table_.add({first ? middle.machine : "", first ? middle.profile : "", what, figure_text(middle.figure.published),
                figure_text(middle.predicted.value), std::string{gallery::unit_of(middle.figure)}, fmt::format("{:+.1f}", middle.error_pct()),
                fmt::format("{}/{}", inside, rows.size()), note_of(middle)});
    machine_ = &middle.machine;
  }

  using Align = TextTable::Align;
  TextTable table_{{{"machine"},
                    {"profile"},
                    {"published"},
                    {"published", Align::right},
                    {"predicted", Align::right},
                    {"unit"},
                    {"error %", Align::right},
                    {"inside", Align::right},
                    {"note"}}};
  const std::string* machine_ = nullptr;
};

// Medians of the collectives that NCCL's formula predicts, by band; empty without such rows.
std::string by_nccl(const GalleryReport& report) {
  GalleryReport nccl{.name = report.name};
  std::ranges::copy_if(report.rows, std::back_inserter(nccl.rows),
                       [](const GalleryRow& row) { return row.figure.kind == Kind::collective && row.figure.kernel.empty() && !row.figure.fitted; });
  std::string text;
  for (const auto& band : bands_of(nccl))
    text += fmt::format("{}{} {:.1f} % of {} rows", text.empty() ? "  of these by NCCL's formula: " : "; ", band.name, band.median_pct, band.rows);
  return text.empty() ? text : text + "\n";
}

}  // namespace

std::string_view gallery::unit_of(const GalleryFigure& figure) { return to_name<Unit>(figure.unit, units); }

std::string order_sentence(const GalleryOrderRow& row) {
  return fmt::format("Published order on {}, fastest first: {}: predicted {}.", row.machine, order_text(row.order), word(row.kept));
}

std::string to_text(const GalleryReport& report) {
  auto text = TableText{}.run(report);
  text += "\nErrors by band, of rows that nothing was fitted to, then of fitted ones (a number of the machine or its profile comes from the row):\n";
  using enum TextTable::Align;
  TextTable table({{"  band"}, {"rows", right}, {"median %", right}, {"inside %", right}, {"worst", right}, {"at"}});
  for (const auto& band : bands_of(report)) {
    table.add({(band.fitted ? "  fitted " : "  ") + band.name, fmt::format("{}", band.rows), fmt::format("{:.1f}", band.median_pct),
               fmt::format("{:.0f}", 100.0 * band.inside / band.rows), fmt::format("x{:.2f}", band.worst), band.worst_row});
  }
  text += table.text();
  text += by_nccl(report);
  if (!report.orders.empty()) text += "\nPublished orders, fastest first:\n";
  for (const auto& row : report.orders) text += fmt::format("  {:<6} {}: {}\n", word(row.kept), row.machine, order_text(row.order));
  return text;
}

std::string to_json(const GalleryReport& report) {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const auto& row : report.rows) {
    rows.push_back({{"machine", row.machine},
                    {"profile", row.profile},
                    {"figure", row.figure.name},
                    {"kind", kind_of(row.figure)},
                    {"unit", gallery::unit_of(row.figure)},
                    {"size_bytes", row.figure.size.count()},
                    {"launch", row.figure.launch.name},
                    {"published", row.figure.published},
                    {"predicted", row.predicted.value},
                    {"predicted_low", row.predicted.low},
                    {"predicted_high", row.predicted.high},
                    {"error_pct", row.error_pct()},
                    {"by", row.predicted.by},
                    {"fitted", row.figure.fitted},
                    {"note", row.figure.note}});
  }
  Json orders = Json::array();
  for (const auto& row : report.orders) {
    orders.push_back({{"machine", row.machine}, {"names", row.order.names}, {"factor", row.order.factor}, {"kept", word(row.kept)}});
  }
  Json bands = Json::array();
  for (const auto& band : bands_of(report)) {
    bands.push_back({{"band", band.name},
                     {"fitted", band.fitted},
                     {"rows", band.rows},
                     {"median_pct", band.median_pct},
                     {"inside", band.inside},
                     {"worst", band.worst},
                     {"worst_row", band.worst_row}});
  }
  return Json{{"name", report.name}, {"rows", rows}, {"orders", orders}, {"bands", bands}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_csv(const GalleryReport& report) {
  std::string text = "machine,profile,figure,kind,unit,size_bytes,launch,published,predicted,predicted_low,predicted_high,error_pct,by,fitted,note\n";
  for (const auto& row : report.rows) {
    text += fmt::format("{},{},{},{},{},{},{},{:g},{:g},{:g},{:g},{:.2f},{},{},{}\n", csv_quoted(row.machine), csv_quoted(row.profile),
                        csv_quoted(row.figure.name), kind_of(row.figure), gallery::unit_of(row.figure), row.figure.size.count(),
                        row.figure.launch.name, row.figure.published, row.predicted.value, row.predicted.low, row.predicted.high, row.error_pct(),
                        csv_quoted(row.predicted.by), row.figure.fitted, csv_quoted(row.figure.note));
  }
  return text;
}

std::string bands_csv(const GalleryReport& report) {
  std::string text = "rows are,band,rows,median error %,inside %,worst,at\n";
  for (const auto& band : bands_of(report)) {
    text += fmt::format("{},{},{},{:.1f},{:.0f},x{:.2f},{}\n", band.fitted ? "fitted" : "not fitted", band.name, band.rows, band.median_pct,
                        100.0 * band.inside / band.rows, band.worst, csv_quoted(band.worst_row));
  }
  if (report.orders.empty()) return text;
  const auto right = std::ranges::count(report.orders, OrderKept::yes, &GalleryOrderRow::kept);
  return text + fmt::format("not fitted,orders right,{} of {},,,,\n", right, report.orders.size());
}

}  // namespace p2plab
