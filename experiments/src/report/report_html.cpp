// SPDX-License-Identifier: Apache-2.0
// report.html: the verdict, charts, the machine under load, the table, provenance.
#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/quantity.h"
#include "p2plab/report/report.h"
#include "report/html_page.h"
#include "report/row_json.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

// What the page shows of a row; report.json has the rest.
constexpr std::array page_keys{"collective",   "algorithm",        "executor",          "clock",         "dtype",    "size_bytes",
                               "time_us",      "algbw_gbps",       "busbw_gbps",        "error_pct",     "bound_us", "verified",
                               "predicted_us", "predicted_low_us", "predicted_high_us", "thread_blocks", "protocol", "chosen",
                               "data",         "winner",           "repeats_us",        "axes",          "disturbed"};

// A page that is to open at once holds so much of what was simulated of single rows.
constexpr std::size_t most_view_bytes = 4'000'000;

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string data_of(const Report& report) {
  auto data = fmt::format(R"({{"keys":{},"rows":[)", text_of(Json(page_keys)));
  for (std::size_t r = 0; r < report.rows.size(); ++r) {
    const auto row = row_json(report.rows[r]);
    Json values = Json::array();
    for (const auto* key : page_keys) values.push_back(row.contains(key) ? row[key] : Json(nullptr));
    data += (r > 0 ? ",\n" : "\n") + text_of(values);
  }
  data += R"(],"views":[)";
  std::size_t shown = 0;
  std::size_t bytes = 0;
  for (; shown < report.views.size() && bytes + report.views[shown].json.size() <= most_view_bytes; ++shown) {
    const auto& [axes, json] = report.views[shown];
    data += fmt::format("{}{{\"cell\":{},\"view\":{}}}", shown > 0 ? ",\n" : "\n", text_of(Json(to_string(axes))), json);
    bytes += json.size();
  }
  return data + fmt::format(R"(],"views_left_out":{}}})", report.views.size() - shown);
}

// What a list of rows has of something, in their order, shortly.
template <class Part>
std::string all_of(const std::vector<Row>& rows, Part part) {
  std::vector<std::string> seen;
  for (const auto& row : rows) {
    const std::string text{part(row)};
    if (std::ranges::find(seen, text) == seen.end()) seen.push_back(text);
  }
  return fmt::format("{}", fmt::join(seen, ", "));
}

// "all_reduce of float16 among 4 GPUs of hgx-h200, 1 KiB to 256 MiB, predicted with profile h200; nothing was measured on GPUs".
std::string about(const Report& report) {
  const auto& rows = report.rows;
  if (rows.empty()) return {};
  const auto [least, most] = std::ranges::minmax(rows, {}, &Row::size);
  auto text = fmt::format("{} of {} among {} GPUs of {}, {}", all_of(rows, [](const Row& row) { return to_string(row.collective); }),
                          all_of(rows, [](const Row& row) { return row.dtype; }),
                          all_of(rows, [](const Row& row) { return std::to_string(row.ranks); }), report.provenance.topology, to_string(least.size));
  if (least.size != most.size) text += " to " + to_string(most.size);
  if (!report.provenance.profile.empty()) text += ", predicted with profile " + report.provenance.profile;
  std::vector<Row> measured;
  std::ranges::copy_if(rows, std::back_inserter(measured), [](const Row& row) { return row.clock() == Clock::device; });
  if (measured.empty()) return text + "; nothing was measured on GPUs";
  return text + "; measured by " + all_of(measured, [](const Row& row) { return row.executor(); });
}

}  // namespace

std::string to_html(const Report& report) {
  HtmlPage page{.title = report.name,
                .about = about(report),
                .findings = report.findings,
                .provenance = provenance_lines(report.provenance),
                .data = data_of(report)};
  for (const auto& skip : report.skipped) page.skipped.push_back(skip.what + ": " + skip.reason);
  return html_of(page);
}

}  // namespace p2plab
