// SPDX-License-Identifier: Apache-2.0
// The gallery's page: what was published beside what was predicted, also as rates where sizes are known.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/experiment/gallery.h"
#include "p2plab/report/provenance.h"
#include "report/html_page.h"
#include "studies/gallery_parts.h"

namespace p2plab {

namespace {

// GB/s; of a time, the bus bandwidth; none of a latency.
nlohmann::ordered_json as_rate(const GalleryFigure& figure, double value) {
  if (figure.kind == GalleryFigure::Kind::latency) return nullptr;
  if (figure.unit != GalleryFigure::Unit::time) return value;
  return static_cast<double>(figure.size.count()) / value * 1e-3 * bus_factor(figure.collective, figure.gpus);
}

nlohmann::ordered_json page_row(const GalleryRow& row) {
  const auto& [machine, profile, figure, predicted] = row;
  const auto ratio = predicted.value / figure.published;
  std::string note = figure.fitted ? "fitted" : "";
  for (const auto& part : {predicted.by, figure.note}) note += (note.empty() || part.empty() ? "" : "; ") + part;
  return {{"machine", machine},
          {"profile", profile},
          {"figure", figure.name},
          {"kind", figure.kind == GalleryFigure::Kind::collective ? to_string(figure.collective)
                                                                  : (figure.kind == GalleryFigure::Kind::copies ? "copies" : "latency")},
          {"size_bytes", figure.size.count()},
          {"unit", gallery::unit_of(figure)},
          {"published", figure.published},
          {"predicted", predicted.value},
          {"low", predicted.low},
          {"high", predicted.high},
          {"error_pct", row.error_pct()},
          {"speed", figure.unit == GalleryFigure::Unit::time ? 1 / ratio : ratio},
          {"published_gbps", as_rate(figure, figure.published)},
          {"predicted_gbps", as_rate(figure, predicted.value)},
          {"note", note}};
}

}  // namespace

std::string to_html(const GalleryReport& report) {
  nlohmann::ordered_json figures = nlohmann::ordered_json::array();
  for (const auto& row : report.rows) figures.push_back(page_row(row));
  HtmlPage page{.title = report.name,
                .about = "published figures of machines that others measured, beside what is predicted of them here",
                .findings = {},
                .provenance = provenance_lines(provenance_here()),
                .data = nlohmann::ordered_json{{"figures", figures}}.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)};
  for (const auto& band : bands_of(report)) {
    page.findings.push_back(fmt::format("{}{}: {} figures, median error {:.1f} %, {:.0f} % inside their intervals, worst x{:.2f} ({}).", band.name,
                                        band.fitted ? ", fitted" : "", band.rows, band.median_pct, 100.0 * band.inside / band.rows, band.worst,
                                        band.worst_row));
  }
  for (const auto& row : report.orders) page.findings.push_back(order_sentence(row));
  return html_of(page);
}

}  // namespace p2plab
