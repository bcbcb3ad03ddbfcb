// SPDX-License-Identifier: Apache-2.0
#include "folder/cell_file.h"

#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

constexpr int format = 3;

template <class T, class Of>
concept Is = std::same_as<std::remove_const_t<T>, Of>;

// Each type's fields stand once, for reading and for writing.
void fields(auto&& f, Is<AxisValue> auto& v) { f("axis", v.axis), f("value", v.value); }

void fields(auto&& f, Is<Interval> auto& v) { f("low", v.low), f("high", v.high); }

void fields(auto&& f, Is<Prediction> auto& v) { f("time", v.time), f("interval", v.interval); }

void fields(auto&& f, Is<DataCheck> auto& v) {
  f("passed", v.passed), f("elements", v.elements), f("wrong", v.wrong), f("worst_error", v.worst_error), f("first_wrong", v.first_wrong);
}

void fields(auto&& f, Is<Measurement> auto& v) {
  f("executor", v.executor), f("clock", v.clock), f("samples", v.samples), f("check", v.check), f("notes", v.notes);
}

void fields(auto&& f, Is<Row> auto& v) {
  f("axes", v.axes), f("collective", v.collective), f("algorithm", v.algorithm), f("ranks", v.ranks), f("dtype", v.dtype), f("size", v.size);
  f("prediction", v.prediction), f("measurement", v.measurement), f("bound", v.bound), f("verified", v.verified), f("in_place", v.in_place);
  f("thread_blocks", v.thread_blocks), f("protocol", v.protocol), f("blocks_per_lane", v.blocks_per_lane), f("slice", v.slice), f("slices", v.slices);
  f("chosen", v.chosen), f("winner", v.winner), f("bound_low", v.bound_low), f("rests_on", v.rests_on), f("disturbed", v.disturbed);
}

void fields(auto&& f, Is<SourcedValue> auto& v) {
  f("what", v.what), f("value", v.value), f("origin", v.origin), f("source", v.source), f("key", v.key), f("least", v.least), f("most", v.most);
}

void fields(auto&& f, Is<Provenance> auto& v) {
  f("version", v.version), f("command", v.command), f("config", v.config), f("config_digest", v.config_digest), f("seed", v.seed), f("cpu", v.cpu);
  f("gpus", v.gpus), f("driver", v.driver), f("before", v.before), f("after", v.after), f("date", v.date), f("topology", v.topology),
      f("profile", v.profile), f("forms", v.forms);
  f("assumed", v.assumed);
}

void fields(auto&& f, Is<Skipped> auto& v) { f("what", v.what), f("reason", v.reason); }

void fields(auto&& f, Is<Attachment> auto& v) { f("name", v.name), f("text", v.text); }

void fields(auto&& f, Is<SimulatedView> auto& v) { f("axes", v.axes), f("json", v.json); }

void fields(auto&& f, Is<Report> auto& v) {
  f("name", v.name), f("provenance", v.provenance), f("rows", v.rows), f("skipped", v.skipped), f("interrupted", v.interrupted);
  f("findings", v.findings), f("answers", v.answers), f("attachments", v.attachments), f("views", v.views);
}

Json json_of(const std::string& v) { return v; }
Json json_of(bool v) { return v; }
// JSON has no numbers for what is not finite.
Json json_of(double v) { return std::isfinite(v) ? Json(v) : std::isnan(v) ? Json("nan") : Json(v > 0 ? "inf" : "-inf"); }
Json json_of(int v) { return v; }
Json json_of(std::int64_t v) { return v; }
Json json_of(std::uint64_t v) { return v; }
Json json_of(Seconds v) { return json_of(v.count()); }  // written so that the same number is read
Json json_of(Bytes v) { return v.count(); }
Json json_of(Bandwidth v) { return v.bytes_per_second(); }
template <class T>
requires std::is_enum_v<T> Json json_of(T v) { return static_cast<int>(v); }
template <class T>
Json json_of(const std::optional<T>& v);
template <class T>
Json json_of(const std::vector<T>& v);
template <class T>
requires std::is_class_v<T> Json json_of(const T& v) {
  Json json = Json::object();
  fields([&](const char* name, const auto& field) { json[name] = json_of(field); }, v);
  return json;
}
template <class T>
Json json_of(const std::optional<T>& v) {
  return v ? json_of(*v) : Json(nullptr);
}
template <class T>
Json json_of(const std::vector<T>& v) {
  Json json = Json::array();
  for (const auto& each : v) json.push_back(json_of(each));
  return json;
}

// What does not fit throws, as nlohmann does; `from_cell_file` catches it.
void take(const Json& json, std::string& v) { v = json.get<std::string>(); }
void take(const Json& json, bool& v) { v = json.get<bool>(); }
void take(const Json& json, double& v) {
  constexpr auto most = std::numeric_limits<double>::infinity();
  for (const auto& [word, value] : {std::pair{"inf", most}, std::pair{"-inf", -most}, std::pair{"nan", std::numeric_limits<double>::quiet_NaN()}}) {
    if (json == word) return static_cast<void>(v = value);
  }
  v = json.get<double>();
}
void take(const Json& json, int& v) { v = json.get<int>(); }
void take(const Json& json, std::int64_t& v) { v = json.get<std::int64_t>(); }
void take(const Json& json, std::uint64_t& v) { v = json.get<std::uint64_t>(); }
void take(const Json& json, Seconds& v) {
  double count = 0;
  take(json, count);
  v = Seconds{count};
}
void take(const Json& json, Bytes& v) { v = Bytes{json.get<std::int64_t>()}; }
void take(const Json& json, Bandwidth& v) { v = Bandwidth::bytes_per_second(json.get<std::int64_t>()); }
template <class T>
requires std::is_enum_v<T>
void take(const Json& json, T& v) { v = static_cast<T>(json.get<int>()); }
template <class T>
void take(const Json& json, std::optional<T>& v);
template <class T>
void take(const Json& json, std::vector<T>& v);
template <class T>
requires std::is_class_v<T>
void take(const Json& json, T& v) {
  fields([&](const char* name, auto& field) { take(json.at(name), field); }, v);
}
template <class T>
void take(const Json& json, std::optional<T>& v) {
  if (json.is_null()) return v.reset();
  take(json, v.emplace());
}
template <class T>
void take(const Json& json, std::vector<T>& v) {
  for (const auto& each : json.get_ref<const Json::array_t&>()) take(each, v.emplace_back());
}

}  // namespace

std::string to_cell_file(const Report& report) {
  const Json json{{"p2plab_cell", format}, {"report", json_of(report)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<Report> from_cell_file(std::string_view text) {
  try {
    const auto json = Json::parse(text);
    if (json.at("p2plab_cell").get<int>() != format) return std::nullopt;
    Report report;
    take(json.at("report"), report);
    return report;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace p2plab
