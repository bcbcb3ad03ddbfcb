// SPDX-License-Identifier: Apache-2.0
// A benchmark as nccl-tests prints it, and the words of its command line.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/quantity.h"
#include "p2plab/experiment/bench.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

struct TypeName {
  std::string_view theirs;
  DataType type;
};
constexpr std::array type_names{TypeName{"half", DataType::float16}, TypeName{"float", DataType::float32}, TypeName{"double", DataType::float64}};
struct OpName {
  std::string_view theirs;
  ReduceOp op;
};
constexpr std::array op_names{OpName{"prod", ReduceOp::product}, OpName{"avg", ReduceOp::average}};

std::string name_of(DataType type) {
  const auto found = std::ranges::find(type_names, type, &TypeName::type);
  return std::string{found != type_names.end() ? found->theirs : to_string(type)};
}

std::string name_of(const BenchRow& row) {
  if (!reduces(row.collective)) return "none";
  const auto found = std::ranges::find(op_names, row.payload.op, &OpName::op);
  return std::string{found != op_names.end() ? found->theirs : to_string(row.payload.op)};
}

std::int32_t root_of(const BenchRow& row) { return rooted(row.collective) ? row.root.value : -1; }

// Seven characters, with the decimals that fit.
std::string time_text(Seconds time) {
  const auto us = microseconds(time);
  return us < 10'000 ? fmt::format("{:7.2f}", us) : us < 100'000 ? fmt::format("{:7.1f}", us) : fmt::format("{:7.0f}", us);
}

std::string side_text(const BenchRow& row, const BenchSide& side) {
  const auto wrong = side.check ? fmt::format("{}", side.check->wrong) : "N/A";
  if (!side.time) return fmt::format("  {:>7}  {:>6}  {:>6}  {:>5}", "N/A", "N/A", "N/A", wrong);
  return fmt::format("  {}  {:6.2f}  {:6.2f}  {:>5}", time_text(*side.time), *row.algbw_gbps(side), *row.busbw_gbps(side), wrong);
}

Json side_json(const BenchRow& row, const BenchSide& side) {
  Json json;
  json["time"] = side.time ? Json(microseconds(*side.time)) : Json(nullptr);
  json["alg_bw"] = side.time ? Json(*row.algbw_gbps(side)) : Json(nullptr);
  json["bus_bw"] = side.time ? Json(*row.busbw_gbps(side)) : Json(nullptr);
  json["nwrong"] = side.check ? Json(side.check->wrong) : Json(nullptr);
  if (side.error) json["error"] = side.error->message;
  return json;
}

std::string_view clock_name(Clock clock) {
  constexpr std::array<std::string_view, 3> names{"simulated", "host", "device"};
  return names[static_cast<std::size_t>(clock)];
}

// Each comma-separated name of `text`, or all.
template <class T, class Parse>
Result<std::vector<T>> names(const std::string& text, std::vector<T> all, const Parse& parse) {
  if (text == "all") return all;
  std::vector<T> found;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    auto one = parse(text.substr(at, comma - at));
    if (!one) return std::move(one).error();
    found.push_back(*one);
    at = comma + 1;
  }
  return found;
}

}  // namespace

std::string bench_header(const BenchReport& report, const BenchOptions& options) {
  const auto* program = options.program ? &options.program->program : nullptr;
  const auto kind = program != nullptr ? program->collective.kind : options.plan ? options.plan->plan.schedule.collective().kind : options.collective;
  const auto [from, to] = program != nullptr ? std::pair{program->payload.size(), program->payload.size()} : std::pair{options.from, options.to};
  auto text = fmt::format("# p2plab {} bench: {}, executor {}\n", report.provenance.version, to_string(kind), report.executor);
  const auto ranks = report.rows.empty() ? 0 : report.rows.front().ranks;
  text += fmt::format("# {} rank{}{}{}\n", ranks, ranks == 1 ? "" : "s", options.more_ranks.empty() ? "" : "; ", options.more_ranks);
  text += fmt::format("# {} to {}; {} iterations after {} to warm up; {}; data {}{}\n", to_string(from), to_string(to), options.iterations,
                      options.warmup,
                      options.graphs > 0 ? fmt::format("one graph of them launched {} times", options.graphs)
                      : options.blocking ? "each timed alone"
                                         : "one after another",
                      options.check ? "checked" : "not checked", options.staged ? "; buffers staged" : "");
  text += report.executor == "host" ? "# times are CPU threads' by the host's clock: they say nothing about GPUs\n"
                                    : "# times are the slowest rank's by the GPUs' clocks\n";
  const bool of_file = options.plan != nullptr || program != nullptr;
  text += of_file ? fmt::format("# the plan of a file, for {}\n", report.provenance.topology)
                  : fmt::format("# plans chosen by profile {}\n", report.provenance.profile);
  for (const auto& gpu : report.provenance.gpus) text += fmt::format("#   {}\n", gpu);
  text += "#\n#                                                     out-of-place                         in-place\n";
  text += "#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong  algorithm\n";
  text += "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)\n";
  return text;
}

std::string bench_line(const BenchRow& row) {
  auto text = fmt::format("{:12}  {:12}  {:>8}  {:>6}  {:6}{}{}  {}\n", row.payload.size().count(), row.count(), name_of(row.payload.type),
                          name_of(row), root_of(row), side_text(row, row.out_of_place), side_text(row, row.in_place), row.algorithm);
  for (const auto& [word, side] : {std::pair{"out of place", &row.out_of_place}, {"in place", &row.in_place}}) {
    if (side->error) text += fmt::format("#   {}: {}\n", word, side->error->message);
    if (side->check && !side->check->passed) text += fmt::format("#   {}: {}\n", word, side->check->first_wrong);
  }
  return text;
}

std::string bench_footer(const BenchReport& report) {
  const auto found = report.checked() ? fmt::format("{} {}", report.wrong(), report.wrong() == 0 ? "OK" : "FAILED") : "none were looked for";
  auto text = fmt::format("# Out of bounds values : {}\n# Avg bus bandwidth    : {:g}\n", found, report.mean_busbw_gbps());
  for (const auto& note : report.notes) text += fmt::format("# {}\n", note);
  return text;
}

std::string to_json(const BenchReport& report) {
  Json results = Json::array();
  for (const auto& row : report.rows) {
    results.push_back({{"collective", to_string(row.collective)},
                       {"ranks", row.ranks},
                       {"size", row.payload.size().count()},
                       {"count", row.count()},
                       {"type", name_of(row.payload.type)},
                       {"redop", name_of(row)},
                       {"root", root_of(row)},
                       {"algorithm", row.algorithm},
                       {"out_of_place", side_json(row, row.out_of_place)},
                       {"in_place", side_json(row, row.in_place)}});
  }
  const auto& from = report.provenance;
  const Json json{{"version", from.version},
                  {"executor", report.executor},
                  {"clock", clock_name(report.clock)},
                  {"date", from.date},
                  {"cpu", from.cpu},
                  {"devices", from.gpus},
                  {"driver", from.driver},
                  {"topology", from.topology},
                  {"profile", from.profile},
                  {"notes", report.notes},
                  {"results", std::move(results)},
                  {"out_of_bounds", {{"count", report.wrong()}, {"okay", report.checked() ? Json(report.wrong() == 0) : Json()}}},
                  {"average_bus_bandwidth", {{"bandwidth", report.mean_busbw_gbps()}}}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Bytes> parse_bench_size(const std::string& text) {
  std::int64_t number = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, fault] = std::from_chars(text.data(), last, number);
  if (fault == std::errc{} && number >= 0 && last - end <= 1) {
    const auto unit = end == last ? 'B' : static_cast<char>(std::toupper(static_cast<unsigned char>(*end)));
    const auto place = std::string_view{"BKMGT"}.find(unit);
    const auto shift = 10 * static_cast<int>(place);
    if (place != std::string_view::npos && number <= (std::int64_t{1} << 62) >> shift) return Bytes{number << shift};
  }
  auto size = parse_bytes(text);
  if (!size) size = Error{ErrorCode::usage, fmt::format("expected a size such as 8, 128M or '64 MiB', got '{}'", text)};
  return size;
}

Result<std::vector<DataType>> parse_bench_types(const std::string& text) {
  return names(text, all_data_types(), [](const std::string& name) -> Result<DataType> {
    const auto found = std::ranges::find(type_names, name, &TypeName::theirs);
    return found != type_names.end() ? Result<DataType>{found->type} : data_type(name);
  });
}

Result<std::vector<ReduceOp>> parse_bench_ops(const std::string& text) {
  return names(text, all_reduce_ops(), [](const std::string& name) -> Result<ReduceOp> {
    const auto found = std::ranges::find(op_names, name, &OpName::theirs);
    return found != op_names.end() ? Result<ReduceOp>{found->op} : reduce_op(name);
  });
}

}  // namespace p2plab
