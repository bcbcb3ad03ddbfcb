// SPDX-License-Identifier: Apache-2.0
// Writes tuned files (tuned_file.h).
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/quantity.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/program/plan_io.h"
#include "tune/tuned_file.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

Json size_json(const TunedSize& size) {
  Json json{{"size", to_string(size.size)},
            {"blocks_per_lane", size.tuning.blocks_per_lane},
            {"slice", to_string(size.tuning.slice)},
            {"protocol", to_string(size.tuning.protocol)},
            {"predicted", to_string(size.predicted)}};
  if (size.tuning.slices > 0) json["slices"] = size.tuning.slices;
  if (size.tuning.lane_per_step) json["lane_per_step"] = true;
  if (size.bound) json["bound"] = to_string(*size.bound);
  if (!size.runner_up.empty()) json["runner_up"] = size.runner_up;
  if (size.runner_up_time) json["runner_up_time"] = to_string(*size.runner_up_time);
  if (const auto& measured = size.measured) {
    json["measured"] = to_string(measured->time);
    if (measured->nccl) json["nccl"] = to_string(*measured->nccl);
    json["regret"] = measured->regret;
    json["timed"] = measured->plans;
    json["use"] = size.by_nccl() ? "nccl" : "p2plab";
  }
  if (size.rows_apart || size.rows) json["rows"] = size.rows_apart ? "apart" : "fused";
  if (const auto& rows = size.rows) {
    json["rows_timed"] = rows->rows;
    json["rows_fused"] = to_string(rows->fused);
    json["rows_apart"] = to_string(rows->apart);
  }
  json["weighed"] = size.weighed;
  json["left_out"] = size.left_out;
  return json;
}

Json measured_json(const MeasuredOn& on) {
  Json json{{"executor", on.executor}, {"gpus", on.gpus}};
  if (!on.driver.empty()) json["driver"] = on.driver;
  json["p2plab"] = on.version;
  json["date"] = on.date;
  json["notes"] = on.notes;
  return json;
}

Json json_of(const TunedTable& table) {
  const auto& collective = table.bands.front().plan.schedule.collective();
  Json bands = Json::array();
  std::size_t all_sizes = 0;
  for (const auto& band : table.bands) {
    all_sizes += band.sizes.size();
    Json sizes = Json::array();
    for (const auto& size : band.sizes) sizes.push_back(size_json(size));
    const Payload payload{band.sizes.front().size.count() / size_of(table.dtype), table.dtype, table.op};
    auto plan = write_plan({table.topology, band.plan, payload, table.in_place, {}, table.order});
    Json json{{"from", to_string(band.sizes.front().size)}, {"to", to_string(band.sizes.back().size)}, {"algorithm", band.algorithm.name}};
    if (!band.algorithm.parameters.empty()) json["parameters"] = band.algorithm.parameters;
    if (!band.reason.empty()) json["reason"] = band.reason;
    json["sizes"] = std::move(sizes);
    json["plan"] = std::move(plan);
    bands.push_back(std::move(json));
  }
  Json json{{"p2plab_tuned", tuned_file::version},
            {"collective", to_string(collective.kind)},
            {"ranks", collective.members.size()},
            {"machine", table.topology.name()},
            {"fingerprint", table.topology.fingerprint()},
            {"dtype", to_string(table.dtype)},
            {"op", to_string(table.op)},
            {"in_place", table.in_place},
            {"profile", table.profile},
            {"sizes", all_sizes}};
  if (!table.proof.empty()) json["proof"] = table.proof;
  if (!table.rows.empty()) json["rows"] = table.rows;
  if (table.measured) json["measured_on"] = measured_json(*table.measured);
  json["bands"] = std::move(bands);
  return json;
}

std::string text_of(const Json& value) { return value.dump(-1, ' ', true, Json::error_handler_t::replace); }

bool plain_list(const Json& value) {
  return value.is_array() && std::ranges::none_of(value, [](const Json& element) { return element.is_structured(); });
}

// Block style; scalars as JSON writes them, which YAML reads alike.
void write_yaml(const Json& value, const std::string& indent, std::string& out) {
  for (auto entry = value.begin(); entry != value.end(); ++entry) {
    const bool list = value.is_array();
    const bool flat = !entry->is_structured() || plain_list(*entry) || (entry->is_object() && (list ? !entry->contains("plan") : true));
    if (list && !flat) {
      std::string inner;
      write_yaml(*entry, indent + "  ", inner);
      out += indent + "- " + inner.substr(indent.size() + 2);
    } else if (flat) {
      out += fmt::format("{}{} {}\n", indent, list ? "-" : entry.key() + ":", text_of(*entry));
    } else {
      out += fmt::format("{}{}:\n", indent, entry.key());
      write_yaml(*entry, indent + "  ", out);
    }
  }
}

Result<std::string> not_too_long(std::string text) {
  if (text.size() <= tuned_file::longest) return text;
  return Error{ErrorCode::unsupported,
               fmt::format("the tuned file would have {} bytes; {} can be read back", text.size(), tuned_file::longest),
               std::nullopt,
               {"tune fewer sizes, or a smaller machine"}};
}

}  // namespace

Result<std::string> write_tuned_json(const TunedTable& table) {
  return not_too_long(json_of(table).dump(2, ' ', true, Json::error_handler_t::replace) + "\n");
}

Result<std::string> write_tuned_yaml(const TunedTable& table) {
  std::string text = "# p2plab tune: which plan serves which sizes; `p2plab run` takes it as algorithm {name: tuned, file: ...}\n";
  write_yaml(json_of(table), "", text);
  return not_too_long(std::move(text));
}

}  // namespace p2plab
