// SPDX-License-Identifier: Apache-2.0
// Writes report.json and report.csv. The keys of a row are fixed: scripts of users read them.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/detail/csv.h"
#include "p2plab/report/report.h"
#include "report/json_number.h"
#include "report/row_json.h"
#include "report/row_names.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

Json data_json(const std::optional<DataCheck>& check) {
  if (!check) return nullptr;
  Json json{{"passed", check->passed}, {"elements", check->elements}, {"wrong", check->wrong}, {"worst_error", check->worst_error}};
  if (!check->first_wrong.empty()) json["first_wrong"] = check->first_wrong;
  return json;
}

// The repeats behind a time that a device took, in order.
Json repeats_json(const Measurement& measurement) {
  Json repeats = Json::array();
  if (measurement.clock == Clock::device) {
    for (const auto sample : measurement.samples) repeats.push_back(number(microseconds(sample)));
  }
  return repeats;
}

Json axes_json(const Axes& axes) {
  Json json = Json::object();
  for (const auto& each : axes) json[each.axis] = each.value;
  return json;
}

}  // namespace

nlohmann::ordered_json row_json(const Row& row) {
  const auto interval = row.interval();
  Json json{{"collective", to_string(row.collective)},
            {"algorithm", row.algorithm},
            {"executor", row.executor()},
            {"ranks", row.ranks},
            {"dtype", row.dtype},
            {"size_bytes", row.size.count()},
            {"time_us", number(in_us(row.time()))},
            {"algbw_gbps", number(row.algbw_gbps())},
            {"busbw_gbps", number(row.busbw_gbps())},
            {"predicted_us", number(in_us(row.predicted()))},
            {"error_pct", number(row.error_pct())},
            {"bound_us", number(in_us(row.bound))},
            {"verified", row.verified},
            {"in_place", row.in_place},
            {"thread_blocks", row.thread_blocks},
            {"protocol", row.protocol},
            {"clock", to_name<Clock>(row.clock(), clocks)},
            {"blocks_per_lane", row.blocks_per_lane},
            {"slice_bytes", row.slice.count()},
            {"slices", row.slices},
            {"chosen", row.chosen},
            {"data", data_json(row.data())},
            {"predicted_low_us", interval ? number(microseconds(interval->low)) : nullptr},
            {"predicted_high_us", interval ? number(microseconds(interval->high)) : nullptr},
            {"bound_low_us", number(in_us(row.bound_low))},
            {"rests_on", row.rests_on},
            {"winner", row.winner},
            {"disturbed", row.disturbed},
            {"repeats_us", repeats_json(row.measurement)}};
  if (!row.axes.empty()) json["axes"] = axes_json(row.axes);
  return json;
}

namespace {

Json assumed_json(const std::vector<SourcedValue>& values) {
  Json list = Json::array();
  for (const auto& value : values) {
    const bool range = value.least > Bandwidth{} && value.least < value.most;
    list.push_back({{"what", value.what},
                    {"value", value.value},
                    {"origin", to_string(value.origin)},
                    {"source", value.source},
                    {"key", value.key},
                    {"least_gbps", range ? number(value.least.gbps()) : nullptr},
                    {"most_gbps", range ? number(value.most.gbps()) : nullptr}});
  }
  return list;
}

Json provenance_json(const Provenance& from) {
  return Json{{"version", from.version},
              {"command", from.command},
              {"config", from.config},
              {"config_digest", from.config_digest},
              {"seed", from.seed},
              {"machine",
               {{"cpu", from.cpu},
                {"gpus", from.gpus},
                {"driver", from.driver.empty() ? Json(nullptr) : Json(from.driver)},
                {"before", from.before},
                {"after", from.after}}},
              {"date", from.date},
              {"topology", from.topology},
              {"profile", from.profile},
              {"forms", from.forms},
              {"assumed", assumed_json(from.assumed)},
              {"method", "predicted_us and the times of executor simulator come from the simulator; clock says what each time_us was taken with"}};
}

std::string csv_field(const Json& value) {
  if (value.is_null()) return "";
  const auto text = value.is_string() ? value.get<std::string>() : value.dump();
  return text.find_first_of(",\"\n\r") == std::string::npos ? text : csv_quoted(text);
}

}  // namespace

std::string to_json(const Report& report) {
  Json rows = Json::array();
  for (const auto& row : report.rows) rows.push_back(row_json(row));
  Json skipped = Json::array();
  for (const auto& skip : report.skipped) skipped.push_back({{"what", skip.what}, {"reason", skip.reason}});
  const Json json{
      {"name", report.name}, {"provenance", provenance_json(report.provenance)}, {"rows", rows}, {"skipped", skipped}, {"findings", report.findings}};
  // Names come from files: what is not UTF-8 must not stop the report.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_csv(const Report& report) {
  // A sweep's axes follow the fixed keys, by name; then what came later.
  const auto axes = report.rows.empty() ? Axes{} : report.rows.front().axes;
  std::string text = fmt::format("{}", fmt::join(row_keys, ","));
  for (const auto& axis : axes) text += "," + csv_field(axis.axis);
  text += fmt::format(",{}\n", fmt::join(more_csv_keys, ","));
  // In a sweep of several an axis tells which.
  const auto only = [](const std::string& name) { return name.find(", ") == std::string::npos ? name : std::string{}; };
  for (const auto& row : report.rows) {
    auto json = row_json(row);
    json["data"] = row.data() ? (row.data()->passed ? "ok" : "wrong") : "";
    json["planned_for"] = only(report.provenance.topology);
    json["profile_name"] = only(report.provenance.profile);
    for (std::size_t k = 0; k < row_keys.size(); ++k) text += (k > 0 ? "," : "") + csv_field(json.at(row_keys[k]));
    for (const auto& axis : row.axes) text += "," + csv_field(axis.value);
    for (const auto* key : more_csv_keys) text += "," + csv_field(json.at(key));
    text += '\n';
  }
  return text;
}

}  // namespace p2plab
