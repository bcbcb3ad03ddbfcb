// SPDX-License-Identifier: Apache-2.0
// The gallery's page: what was published as a rate, or becomes one by its size, beside what was predicted.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/experiment/gallery.h"
#include "p2plab/report/provenance.h"
#include "report/html_page.h"

namespace p2plab {

namespace {

// GB/s; of a time, the bus bandwidth.
double as_rate(const GalleryFigure& figure, double value) {
  if (figure.unit != GalleryFigure::Unit::time) return value;
  return static_cast<double>(figure.size.count()) / value * 1e-3 * bus_factor(figure.collective, figure.gpus);
}

nlohmann::ordered_json page_row(const GalleryRow& row) {
  const auto published = as_rate(row.figure, row.figure.published);
  const auto predicted = as_rate(row.figure, row.predicted.value);
  return {{"machine", row.machine},
          {"profile", row.profile},
          {"figure", row.figure.name},
          {"kind", row.figure.kind == GalleryFigure::Kind::copies ? "copies" : std::string{to_string(row.figure.collective)}},
          {"size_bytes", row.figure.size.count()},
          {"published_gbps", published},
          {"predicted_gbps", predicted},
          {"error_pct", 100 * (predicted / published - 1)},
          {"note", row.figure.fitted ? "fitted; " + row.figure.note : row.figure.note}};
}

}  // namespace

std::string to_html(const GalleryReport& report) {
  nlohmann::ordered_json figures = nlohmann::ordered_json::array();
  for (const auto& row : report.rows) {
    if (row.figure.kind != GalleryFigure::Kind::latency) figures.push_back(page_row(row));
  }
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
