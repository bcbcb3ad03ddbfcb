// SPDX-License-Identifier: Apache-2.0
#include "files/json_values.h"

#include "base/old_words.h"

namespace p2plab {

namespace {

std::vector<std::int32_t> numbers(std::span<const Rank> ranks) {
  std::vector<std::int32_t> values;
  for (const auto rank : ranks) values.push_back(rank.value);
  return values;
}

std::vector<Rank> ranks_of(const JsonValue& value) {
  std::vector<Rank> ranks;
  for (const auto number : value.integers(0, most_ranks)) ranks.emplace_back(number);
  return ranks;
}

template <class Parse, class T>
T word(const JsonValue& value, Parse parse, T fallback) {
  auto result = parse(value.string());
  if (result) return *std::move(result);
  value.fail(result.error().message);
  return fallback;
}

}  // namespace

Json collective_json(const Collective& collective) {
  Json pairs = Json::array();
  for (const auto& [from, to] : collective.pairs) pairs.push_back({from.value, to.value});
  return {{"kind", to_string(collective.kind)}, {"members", numbers(collective.members)},
          {"root", collective.root.value},      {"silent", numbers(collective.silent)},
          {"shares", collective.shares},        {"pairs", pairs}};
}

Json payload_json(const Payload& payload) {
  return {{"elements", payload.elements}, {"dtype", to_string(payload.type)}, {"op", to_string(payload.op)}};
}

Json tuning_json(const Tuning& tuning) {
  Json json{{"blocks_per_lane", tuning.blocks_per_lane}, {"slice", tuning.slice.count()}, {"protocol", to_string(tuning.protocol)}};
  if (tuning.slices != 0) json["slices"] = tuning.slices;
  if (tuning.lane_per_step) json["lane_per_step"] = true;
  return json;
}

Collective read_collective(const JsonValue& value) {
  value.expect_keys({"kind", "members", "root", "silent", "shares", "pairs"});
  Collective collective{.kind = word(value["kind"], collective_kind, CollectiveKind::all_reduce), .members = ranks_of(value["members"])};
  collective.root = Rank{value["root"].integer(0, most_ranks)};
  collective.silent = ranks_of(value["silent"]);
  collective.shares = value["shares"].integers(0, std::int64_t{1} << 40);
  const auto pairs = value["pairs"];
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto pair = ranks_of(pairs.at(i));
    if (pair.size() != 2) {
      pairs.at(i).fail("expected a sender and a receiver");
      break;
    }
    collective.pairs.emplace_back(pair[0], pair[1]);
  }
  return collective;
}

Payload read_payload(const JsonValue& value) {
  value.expect_keys({"elements", "dtype", "op"});
  return {value["elements"].integer(0, Payload::most_bytes), word(value["dtype"], data_type, DataType::float32),
          word(value["op"], reduce_op, ReduceOp::sum)};
}

Tuning read_tuning(const JsonValue& value) {
  const auto* const blocks = value[old_blocks_per_lane].present() ? old_blocks_per_lane : "blocks_per_lane";
  value.expect_keys({blocks, "slice", "protocol", "slices?", "lane_per_step?"});
  Tuning tuning{.blocks_per_lane = static_cast<int>(value[blocks].integer(1, Tuning::most_blocks_per_lane)),
                .slice = Bytes{value["slice"].integer(0, Payload::most_bytes)},
                .protocol = word(value["protocol"], protocol, Protocol::simple)};
  if (const auto slices = value["slices"]; slices.present()) tuning.slices = static_cast<int>(slices.integer(0, Tuning::most_slices));
  if (const auto own = value["lane_per_step"]; own.present()) tuning.lane_per_step = own.boolean();
  if (tuning.slices != 0 && tuning.slice != Bytes{0}) value.fail("'slice' (bytes) and 'slices' (their number) exclude each other");
  return tuning;
}

std::string dump(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace p2plab
