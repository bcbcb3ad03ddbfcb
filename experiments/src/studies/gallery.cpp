// SPDX-License-Identifier: Apache-2.0
// Predicts what the gallery's machines were measured to do, and how far off that is.
#include "p2plab/experiment/gallery.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace p2plab {

namespace {

constexpr double tie = 0.001;  // rates nearer to each other are one
constexpr std::int64_t small_below = 64 << 10;
constexpr std::int64_t large_from = 16 << 20;
constexpr std::array band_names{"collectives below 64 KiB", "collectives to 16 MiB", "collectives from 16 MiB", "copies", "latencies"};

std::size_t band_of(const GalleryFigure& figure) {
  if (figure.kind == GalleryFigure::Kind::copies) return 3;
  if (figure.kind == GalleryFigure::Kind::latency) return 4;
  const auto size = figure.size.count();
  return size < small_below ? 0 : (size < large_from ? 1 : 2);
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return values.size() % 2 == 1 ? *middle : (*middle + *std::ranges::max_element(values.begin(), middle)) / 2;
}

OrderKept check_order(const GalleryOrder& order, std::span<const GalleryRow> rows) {
  auto kept = OrderKept::yes;
  const auto rate = [&](const std::string& name) {
    const auto& row = *std::ranges::find(rows, name, [](const GalleryRow& one) { return one.figure.name; });
    return row.figure.unit == GalleryFigure::Unit::time ? 1 / row.predicted.value : row.predicted.value;
  };
  for (std::size_t i = 0; i + 1 < order.names.size(); ++i) {
    const auto ratio = rate(order.names[i]) / rate(order.names[i + 1]) / order.factor;
    if (ratio < 1 - tie) return OrderKept::no;
    if (ratio <= 1 + tie) kept = OrderKept::tied;
  }
  return kept;
}

}  // namespace

std::vector<GalleryBand> bands_of(const GalleryReport& report) {
  std::array<std::vector<double>, 2 * band_names.size()> errors;
  std::vector<GalleryBand> bands;
  for (const bool fitted : {false, true}) {
    for (const auto* name : band_names) bands.push_back({.name = name, .fitted = fitted});
  }
  for (const auto& row : report.rows) {
    const auto b = band_of(row.figure) + (row.figure.fitted ? band_names.size() : 0);
    auto& band = bands[b];
    ++band.rows;
    band.inside += row.inside() ? 1 : 0;
    errors[b].push_back(std::abs(row.error_pct()));
    if (row.off() < band.worst) continue;
    band.worst = row.off();
    band.worst_row = fmt::format("{} on {}", row.figure.name, row.machine);
  }
  for (std::size_t b = 0; b < bands.size(); ++b) {
    if (!errors[b].empty()) bands[b].median_pct = median_of(errors[b]);
  }
  std::erase_if(bands, [](const GalleryBand& band) { return band.rows == 0; });
  return bands;
}

Result<GalleryReport> run_gallery(const Gallery& gallery, Progress& progress) {
  GalleryReport report{.name = gallery.name};
  progress.stage("gallery", static_cast<std::int64_t>(gallery.cases.size()));
  for (const auto& one : gallery.cases) {
    const auto first = report.rows.size();
    for (const auto& figure : one.figures) {
      auto predicted = predict(one, figure);
      if (!predicted) {
        auto error = std::move(predicted).error();
        error.notes.insert(error.notes.begin(), fmt::format("figure '{}' of {}", figure.name, one.name));
        return error;
      }
      report.rows.push_back({one.name, one.profile.name, figure, *std::move(predicted)});
    }
    for (const auto& order : one.orders) report.orders.push_back({one.name, order, check_order(order, std::span{report.rows}.subspan(first))});
    progress.advance(one.name);
  }
  return report;
}

}  // namespace p2plab
