// SPDX-License-Identifier: Apache-2.0
// Reads report.json, strictly. Keys that older reports lack may be missing.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/detail/json_place.h"
#include "p2plab/detail/text.h"
#include "p2plab/report/report.h"
#include "report/row_names.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

// A report as it was written.
struct Source {
  std::string file;
  std::string text;
  Error mistake(const std::string& pointer, const std::string& message) const {
    return {ErrorCode::invalid_input, fmt::format("at {}: {}", pointer, message), locate(text, json_place(text, pointer), file)};
  }
};

// Reads fields of one object; the first thing that is not as it should be is kept as the error.
class Fields {
 public:
  Fields(const Json& object, const Source& source, std::string pointer) : object_(object), source_(source), pointer_(std::move(pointer)) {
    if (!object.is_object()) fail("", "expected an object");
  }
  std::string text(const char* key) {
    const auto* value = find(key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_string()) return fail(key, "expected text"), std::string{};
    return value->get<std::string>();
  }
  std::int64_t whole(const char* key) {
    const auto* value = find(key);
    if (value == nullptr) return 0;
    const bool fits = value->is_number_integer() && !(value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t{INT64_MAX});
    if (!fits) return fail(key, "expected a whole number below 2^63"), 0;
    return value->get<std::int64_t>();
  }
  bool yes(const char* key) {
    const auto* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return fail(key, "expected true or false"), false;
    return value->get<bool>();
  }
  bool has(const char* key) const { return object_.is_object() && object_.contains(key); }
  std::optional<Seconds> time(const char* key) {
    const auto* value = find(key);
    return value == nullptr || value->is_null() ? std::nullopt : seconds(*value, key);
  }
  std::vector<std::string> texts(const char* key) {
    const auto* value = find(key);
    if (value == nullptr) return {};
    const bool list = value->is_array() && std::ranges::all_of(*value, [](const Json& element) { return element.is_string(); });
    if (!list) return fail(key, "expected a list of texts"), std::vector<std::string>{};
    return value->get<std::vector<std::string>>();
  }
  std::vector<Seconds> times(const char* key) {
    const auto* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_array()) return fail(key, "expected a list"), std::vector<Seconds>{};
    std::vector<Seconds> all;
    for (const auto& element : *value) all.push_back(seconds(element, key).value_or(Seconds{0}));
    return all;
  }
  /// `key` may be empty: then the object itself is wrong.
  void fail(const std::string& key, const std::string& message) {
    if (!error_) error_ = source_.mistake(key.empty() ? pointer_ : pointer_ + "/" + key, message);
  }
  void fail(const std::string& key, const Error& error) {
    if (error_) return;
    fail(key, error.message);
    error_->notes = error.notes;
  }
  void fail(const Error& error) {
    if (!error_) error_ = error;
  }
  const std::optional<Error>& error() const& { return error_; }
  const std::optional<Error>& error() && = delete;

 private:
  std::optional<Seconds> seconds(const Json& value, const char* key) {
    if (!value.is_number()) return fail(key, "expected a number or null"), std::nullopt;
    constexpr double longest = 1e12;  // microseconds: twelve days
    const auto us = value.get<double>();
    if (!(us >= 0 && us <= longest)) return fail(key, fmt::format("expected a number from 0 to {:g}", longest)), std::nullopt;
    return Seconds{us * 1e-6};
  }
  const Json* find(const char* key) {
    if (error_) return nullptr;
    const auto found = object_.find(key);
    if (found == object_.end()) return fail("", fmt::format("'{}' is missing", key)), nullptr;
    return &*found;
  }
  const Json& object_;
  const Source& source_;
  std::string pointer_;
  std::optional<Error> error_;
};

int small(std::int64_t value) { return static_cast<int>(std::clamp<std::int64_t>(value, 0, 1 << 20)); }

std::optional<DataCheck> read_check(const Json& row, const Source& source, const std::string& pointer, Fields& of) {
  const auto found = row.find("data");
  if (found == row.end() || found->is_null()) return std::nullopt;
  Fields fields(*found, source, pointer + "/data");
  DataCheck check{.passed = fields.yes("passed"), .elements = fields.whole("elements"), .wrong = fields.whole("wrong")};
  if (fields.error()) of.fail(*fields.error());
  return check;
}

// An object of texts; nlohmann's ordered one keeps their order.
Axes read_axes(const Json& row, Fields& of) {
  Axes axes;
  const auto found = row.find("axes");
  if (found == row.end()) return axes;
  if (!found->is_object()) return of.fail("axes", "expected an object"), axes;
  for (const auto& [axis, value] : found->items()) {
    if (!value.is_string()) return of.fail("axes/" + axis, "expected text"), axes;
    axes.push_back({axis, value.get<std::string>()});
  }
  return axes;
}

// The prediction with its interval, which must hold it.
std::optional<Prediction> read_prediction(Fields& fields) {
  const auto time = fields.time("predicted_us");
  if (!time) return std::nullopt;
  const auto low = fields.has("predicted_low_us") ? fields.time("predicted_low_us") : std::nullopt;
  const auto high = fields.has("predicted_high_us") ? fields.time("predicted_high_us") : std::nullopt;
  if (!low || !high) return Prediction{*time};
  if (*low > *high) fields.fail("predicted_low_us", "expected at most what 'predicted_high_us' says");
  return Prediction{*time, Interval{*low, *high}};
}

Result<Row> read_row(const Json& json, const Source& source, std::size_t index) {
  const auto pointer = fmt::format("/rows/{}", index);
  Fields fields(json, source, pointer);
  Row row;
  const auto collective = fields.text("collective");
  row.algorithm = fields.text("algorithm");
  row.measurement.executor = fields.text("executor");
  row.ranks = small(fields.whole("ranks"));
  row.dtype = fields.text("dtype");
  row.size = Bytes{fields.whole("size_bytes")};
  if (row.size < Bytes{0}) fields.fail("size_bytes", "expected no negative number");
  const auto time = fields.time("time_us");
  row.prediction = read_prediction(fields);
  row.bound = fields.time("bound_us");
  row.verified = fields.yes("verified");
  row.in_place = fields.yes("in_place");
  row.thread_blocks = small(fields.whole(fields.has("thread_blocks") ? "thread_blocks" : "channels"));  // as version 0.1 called them
  row.protocol = fields.text("protocol");
  const auto clock = fields.text("clock");
  if (fields.has("chosen")) row.chosen = fields.text("chosen");
  for (const char* blocks : {"parts", "blocks_per_lane"}) {  // the former was its name in version 0.1
    if (fields.has(blocks)) row.blocks_per_lane = small(fields.whole(blocks));
  }
  if (fields.has("slice_bytes")) row.slice = Bytes{fields.whole("slice_bytes")};
  if (fields.has("slices")) row.slices = small(fields.whole("slices"));
  if (fields.has("bound_low_us")) row.bound_low = fields.time("bound_low_us");
  if (fields.has("disturbed")) row.disturbed = fields.texts("disturbed");
  if (fields.has("rests_on")) row.rests_on = fields.texts("rests_on");
  if (fields.has("repeats_us")) row.measurement.samples = fields.times("repeats_us");
  if (row.measurement.samples.empty() && time) row.measurement.samples = {*time};
  if (!fields.error()) row.axes = read_axes(json, fields);
  if (!fields.error()) row.measurement.check = read_check(json, source, pointer, fields);
  auto kind = collective_kind(collective);
  if (!kind) fields.fail("collective", kind.error());
  auto known_clock = from_name<Clock>("clock", clock, clocks);
  if (!known_clock) fields.fail("clock", known_clock.error());
  if (fields.error()) return *fields.error();
  row.collective = *kind;
  row.measurement.clock = *known_clock;
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

Result<Json> parse(const Source& source) {
  const auto& [file, content] = source;
  RepeatedKeys keys;
  Json::sax_parse(content, &keys);
  if (keys.repeated())
    return Error{ErrorCode::invalid_input, fmt::format("key {} is given twice in one object", quoted(*keys.repeated())), SourceLocation{file}};
  try {
    return Json::parse(content);
  } catch (const Json::parse_error& fault) {
    return Error{ErrorCode::invalid_input, "this is not JSON", locate(content, fault.byte > 0 ? fault.byte - 1 : 0, file)};
  } catch (const Json::exception& fault) {  // a number that no double holds
    return Error{ErrorCode::invalid_input, fmt::format("this cannot be read: {}", fault.what()), SourceLocation{file}};
  }
}

}  // namespace

Result<Report> read_report(const std::string& path) {
  std::error_code ignored;  // what cannot be looked at is read as a file, and says so
  const auto file = std::filesystem::is_directory(path, ignored) ? (std::filesystem::path(path) / "report.json").string() : path;
  auto text = read_text_file(file, longest_report);
  if (!text) {
    auto error = std::move(text).error();
    if (error.code == ErrorCode::io) error.notes.emplace_back("a run writes a report with --out DIR");
    return error;
  }
  const Source source{file, *std::move(text)};
  auto json = parse(source);
  if (!json) return std::move(json).error();
  if (!json->is_object() || !json->contains("rows") || !(*json)["rows"].is_array())
    return source.mistake("/rows", "this is no p2plab report: it has no list 'rows'");
  Report report;
  if (json->contains("name") && (*json)["name"].is_string()) report.name = (*json)["name"].get<std::string>();
  if (const auto* from = json->contains("provenance") ? &(*json)["provenance"] : nullptr; from != nullptr && from->is_object()) {
    if (from->contains("topology") && (*from)["topology"].is_string()) report.provenance.topology = (*from)["topology"].get<std::string>();
  }
  const auto& rows = (*json)["rows"];
  for (std::size_t r = 0; r < rows.size(); ++r) {
    auto row = read_row(rows[r], source, r);
    if (!row) return std::move(row).error();
    report.rows.push_back(*std::move(row));
  }
  mark_winners(report.rows);
  return report;
}

}  // namespace p2plab
