// SPDX-License-Identifier: Apache-2.0
// report.json and report.csv. The keys of a row are fixed: scripts of users read them.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/detail/named.h"
#include "p2plab/detail/text.h"
#include "p2plab/report/report.h"
#include "report/json_number.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array clocks{Named{"simulated", Clock::simulated}, Named{"host", Clock::host}, Named{"device", Clock::device}};
constexpr std::array fixed_keys{"collective", "algorithm",    "executor",  "ranks",    "dtype",    "size_bytes", "time_us",  "algbw_gbps",
                                "busbw_gbps", "predicted_us", "error_pct", "bound_us", "verified", "in_place",   "channels", "protocol"};

Json data_json(const std::optional<DataCheck>& check) {
  if (!check) return nullptr;
  Json json{{"passed", check->passed}, {"elements", check->elements}, {"wrong", check->wrong}, {"worst_error", check->worst_error}};
  if (!check->first_wrong.empty()) json["first_wrong"] = check->first_wrong;
  return json;
}

Json row_json(const Row& row) {
  return Json{{"collective", to_string(row.collective)},
              {"algorithm", row.algorithm},
              {"executor", row.executor},
              {"ranks", row.ranks},
              {"dtype", row.dtype},
              {"size_bytes", row.size.count()},
              {"time_us", number(in_us(row.time))},
              {"algbw_gbps", number(row.algbw_gbps())},
              {"busbw_gbps", number(row.busbw_gbps())},
              {"predicted_us", number(in_us(row.predicted))},
              {"error_pct", number(row.error_pct())},
              {"bound_us", number(in_us(row.bound))},
              {"verified", row.verified},
              {"in_place", row.in_place},
              {"channels", row.channels},
              {"protocol", row.protocol},
              {"clock", to_name<Clock>(row.clock, clocks)},
              {"parts", row.parts},
              {"slice_bytes", row.slice.count()},
              {"slices", row.slices},
              {"chosen", row.chosen},
              {"data", data_json(row.data)},
              {"predicted_low_us", number(in_us(row.predicted_low))},
              {"predicted_high_us", number(in_us(row.predicted_high))},
              {"winner", row.winner}};
}

Json provenance_json(const Provenance& from) {
  return Json{{"version", from.version},
              {"config", from.config},
              {"config_digest", from.config_digest},
              {"seed", from.seed},
              {"machine", {{"cpu", from.cpu}, {"gpus", from.gpus}, {"driver", from.driver.empty() ? Json(nullptr) : Json(from.driver)}}},
              {"date", from.date},
              {"topology", from.topology},
              {"profile", from.profile},
              {"forms", from.forms},
              {"method", "predicted_us and the times of executor simulator come from the simulator; clock says what each time_us was taken with"}};
}

std::string csv_field(const Json& value) {
  if (value.is_null()) return "";
  const auto text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

// Reads fields of one object; the first thing that is not as it should be is kept as the error.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fail("expected an object");
  }
  std::string text(const char* key) {
    const auto* value = find(key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_string()) return fail(fmt::format("'{}' must be text", key)), std::string{};
    return value->get<std::string>();
  }
  std::int64_t whole(const char* key) {
    const auto* value = find(key);
    if (value == nullptr) return 0;
    const bool fits = value->is_number_integer() && !(value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t{INT64_MAX});
    if (!fits) return fail(fmt::format("'{}' must be a whole number below 2^63", key)), 0;
    return value->get<std::int64_t>();
  }
  bool yes(const char* key) {
    const auto* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return fail(fmt::format("'{}' must be true or false", key)), false;
    return value->get<bool>();
  }
  std::optional<Seconds> time(const char* key) {
    const auto* value = find(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    if (!value->is_number()) return fail(fmt::format("'{}' must be a number or null", key)), std::nullopt;
    constexpr double longest = 1e12;  // microseconds: twelve days
    const auto us = value->get<double>();
    if (!(us >= 0 && us <= longest)) return fail(fmt::format("'{}' must be from 0 to {:g}", key, longest)), std::nullopt;
    return Seconds{us * 1e-6};
  }
  void fail(const std::string& message) {
    if (!error_) error_ = Error{ErrorCode::invalid_input, fmt::format("{}: {}", where_, message)};
  }
  const std::optional<Error>& error() const& { return error_; }
  const std::optional<Error>& error() && = delete;

 private:
  const Json* find(const char* key) {
    if (error_) return nullptr;
    const auto found = object_.find(key);
    if (found == object_.end()) return fail(fmt::format("'{}' is missing", key)), nullptr;
    return &*found;
  }
  const Json& object_;
  std::string where_;
  std::optional<Error> error_;
};

Result<Row> read_row(const Json& json, std::size_t index) {
  Fields fields(json, fmt::format("rows[{}]", index));
  Row row;
  const auto collective = fields.text("collective");
  row.algorithm = fields.text("algorithm");
  row.executor = fields.text("executor");
  const auto ranks = fields.whole("ranks");
  row.ranks = static_cast<int>(std::clamp<std::int64_t>(ranks, 0, 1 << 20));
  row.dtype = fields.text("dtype");
  row.size = Bytes{fields.whole("size_bytes")};
  if (row.size < Bytes{0}) fields.fail("'size_bytes' must not be negative");
  row.time = fields.time("time_us");
  row.predicted = fields.time("predicted_us");
  row.bound = fields.time("bound_us");
  row.verified = fields.yes("verified");
  row.in_place = fields.yes("in_place");
  row.channels = static_cast<int>(std::clamp<std::int64_t>(fields.whole("channels"), 0, 1 << 20));
  row.protocol = fields.text("protocol");
  const auto clock = fields.text("clock");
  if (fields.error()) return *fields.error();
  auto kind = collective_kind(collective);
  if (!kind) return std::move(kind).error();
  auto known_clock = from_name<Clock>("clock", clock, clocks);
  if (!known_clock) return std::move(known_clock).error();
  row.collective = *kind;
  row.clock = *known_clock;
  return row;
}

constexpr Bytes longest_report{std::int64_t{1} << 30};

// The keys of each object, once: nlohmann keeps the last of repeated ones without a word.
class RepeatedKeys final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*elements*/) override { return keys_.emplace_back(), true; }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second) repeated_ = key;
    return !repeated_;
  }
  bool end_object() override { return keys_.pop_back(), true; }
  bool start_array(std::size_t /*elements*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t /*position*/, const std::string& /*last*/, const Json::exception& /*fault*/) override { return false; }
  const std::optional<std::string>& repeated() const& { return repeated_; }
  const std::optional<std::string>& repeated() && = delete;

 private:
  std::vector<std::set<std::string>> keys_;
  std::optional<std::string> repeated_;
};

Result<Json> parse_file(const std::string& file) {
  auto content = read_text_file(file, longest_report);
  if (!content) {
    auto error = std::move(content).error();
    if (error.code == ErrorCode::io) error.notes.emplace_back("a run writes a report with --out DIR");
    return error;
  }
  RepeatedKeys keys;
  Json::sax_parse(*content, &keys);
  if (keys.repeated())
    return Error{ErrorCode::invalid_input, fmt::format("key {} is given twice in one object", quoted(*keys.repeated())), SourceLocation{file}};
  try {
    return Json::parse(*content);
  } catch (const Json::parse_error& fault) {
    return Error{ErrorCode::invalid_input, "this is not JSON", locate(*content, fault.byte > 0 ? fault.byte - 1 : 0, file)};
  } catch (const Json::exception& fault) {  // a number that no double holds
    return Error{ErrorCode::invalid_input, fmt::format("this cannot be read: {}", fault.what()), SourceLocation{file}};
  }
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
  std::string text = fmt::format("{}\n", fmt::join(fixed_keys, ","));
  for (const auto& row : report.rows) {
    const auto json = row_json(row);
    for (std::size_t k = 0; k < fixed_keys.size(); ++k) text += (k > 0 ? "," : "") + csv_field(json.at(fixed_keys[k]));
    text += '\n';
  }
  return text;
}

Result<Report> read_report(const std::string& path) {
  std::error_code ignored;  // what cannot be looked at is read as a file, and says so
  const auto file = std::filesystem::is_directory(path, ignored) ? (std::filesystem::path(path) / "report.json").string() : path;
  auto json = parse_file(file);
  if (!json) return std::move(json).error();
  const auto misfit = [&](std::string message) { return Error{ErrorCode::invalid_input, std::move(message), SourceLocation{file}}; };
  if (!json->is_object() || !json->contains("rows") || !(*json)["rows"].is_array()) return misfit("this is no p2plab report: it has no list 'rows'");
  Report report;
  if (json->contains("name") && (*json)["name"].is_string()) report.name = (*json)["name"].get<std::string>();
  if (const auto* from = json->contains("provenance") ? &(*json)["provenance"] : nullptr; from != nullptr && from->is_object()) {
    if (from->contains("topology") && (*from)["topology"].is_string()) report.provenance.topology = (*from)["topology"].get<std::string>();
  }
  const auto& rows = (*json)["rows"];
  for (std::size_t r = 0; r < rows.size(); ++r) {
    auto row = read_row(rows[r], r);
    if (!row) {
      auto error = std::move(row).error();
      error.where = SourceLocation{file};
      return error;
    }
    report.rows.push_back(*std::move(row));
  }
  mark_winners(report.rows);
  return report;
}

}  // namespace p2plab
