// SPDX-License-Identifier: Apache-2.0
// What others record: PyTorch's flight recorder (version 2), and the text of NCCL's RAS.
#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "monitor/rank_log.h"
#include "p2plab/run/monitor.h"

namespace p2plab::monitor {

namespace {

using Parsed = nlohmann::json;

std::string text_in(const Parsed& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string{};
}
std::uint64_t number_in(const Parsed& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() && found->get<double>() >= 0 ? found->get<std::uint64_t>() : 0;
}
bool true_in(const Parsed& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

// The digits at the end of "nccl_trace_rank_3" or "dump_3.json".
std::optional<int> rank_of(const std::string& path) {
  const auto stem = std::filesystem::path(path).stem().string();
  auto from = stem.size();
  while (from > 0 && stem[from - 1] >= '0' && stem[from - 1] <= '9') --from;
  if (from == stem.size() || stem.size() - from > 6) return std::nullopt;
  return std::stoi(stem.substr(from));
}

// "nccl:_all_gather_base" is an all-gather: the last word after the colon, without what PyTorch puts around it.
std::string kind_of(std::string name) {
  if (const auto colon = name.find(':'); colon != std::string::npos) name = name.substr(colon + 1);
  if (const auto blank = name.find(' '); blank != std::string::npos) name = name.substr(0, blank);  // "send 0->1"
  while (name.starts_with('_')) name = name.substr(1);
  for (const char* end : {"_base", "_coalesced", "_tensor"}) {
    if (name.ends_with(end)) name = name.substr(0, name.size() - std::string_view(end).size());
  }
  return name == "recv" ? "receive" : name;
}

// "[[2, 1024], [3]]" as numbers: the sizes of the inputs.
std::string size_of(const Parsed& entry) {
  const auto found = entry.find("input_sizes");
  return found == entry.end() ? std::string{"unknown size"} : "input " + found->dump();
}

std::string type_of(const Parsed& entry) {
  const auto found = entry.find("input_dtypes");
  if (found == entry.end() || !found->is_array() || found->empty() || !found->front().is_string()) return "of unknown type";
  return found->front().get<std::string>();
}

// The ranks of a group stand as text in JSON: "[0, 1, 2, 3]".
int ranks_in(const Parsed& group) {
  const auto text = text_in(group, "ranks");
  const auto parsed = Parsed::parse(text, nullptr, false);
  return parsed.is_array() ? static_cast<int>(parsed.size()) : 1;
}

LoggedCall call_of(const Parsed& entry, std::uint64_t now) {
  const auto state = text_in(entry, "state");
  const bool over = state == "completed" || true_in(entry, "retired");
  const bool point = true_in(entry, "is_p2p");
  const auto begun = number_in(entry, "time_created_ns");
  return {.sequence = number_in(entry, point ? "p2p_seq_id" : "collective_seq_id"),
          .kind = kind_of(text_in(entry, "profiling_name")),
          .type = type_of(entry),
          .size = size_of(entry),
          .begun = begun,
          .ended = over ? now : 0,
          .finished = over};
}

}  // namespace

Status add_flight_record(Logs& logs, const std::string& text, const std::string& path) {
  const auto bad = [&](ErrorCode code, const std::string& why) {
    return Error{code,
                 fmt::format("{}: {}", path, why),
                 std::nullopt,
                 {"torch._C._distributed_c10d._dump_nccl_trace_json(includeCollectives=True) gives JSON, to be kept in FILE_RANK.json"}};
  };
  if (text.starts_with('\x80')) return bad(ErrorCode::unsupported, "this is a flight record as a Python pickle, which is a program; it is not read");
  const auto json = Parsed::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object() || !json.contains("entries") || !json["entries"].is_array())
    return bad(ErrorCode::invalid_input, "this is no flight record of PyTorch: it has no \"entries\"");
  const auto rank = rank_of(path);
  if (!rank) return bad(ErrorCode::invalid_input, "whose rank it is does not stand in it: the file's name must end with it");
  std::uint64_t last = 0;
  for (const auto& entry : json["entries"]) last = std::max(last, number_in(entry, "time_created_ns"));
  std::map<std::string, RankLog> groups;
  for (const auto& entry : json["entries"]) {
    if (!entry.is_object() || true_in(entry, "is_p2p")) continue;
    auto name = std::string{"0"};
    if (const auto group = entry.find("process_group"); group != entry.end() && group->is_array() && !group->empty() && group->front().is_string())
      name = group->front().get<std::string>();
    auto& log = groups[name];
    log.calls.push_back(call_of(entry, last));
  }
  for (auto& [name, log] : groups) {
    const auto config = json.value("pg_config", Parsed::object());
    log.communicator = std::hash<std::string>{}("torch " + name);
    log.name = "process group " + name;
    log.rank = *rank;
    log.ranks = config.is_object() && config.contains(name) && config[name].is_object() ? ranks_in(config[name]) : 1;
    log.where = path;
    log.now = last;
    log.own_clock = true;
    std::ranges::stable_sort(log.calls, {}, &LoggedCall::sequence);
    log.begun = log.calls.empty() ? 0 : log.calls.back().sequence + 1;
    logs.ranks.push_back(std::move(log));
  }
  const std::string clocks = "PyTorch's flight records hold times of each host's own wall clock: which rank begins last is not told from them";
  if (std::ranges::find(logs.notes, clocks) == logs.notes.end()) logs.notes.push_back(clocks);
  logs.notes.push_back(fmt::format("{}: PyTorch's flight record {} of rank {}, {} entries; calls in captured graphs are not in it", path,
                                   text_in(json, "version"), *rank, json["entries"].size()));
  return {};
}

Status add_ras_text(Logs& logs, const std::string& text, const std::string& path) {
  if (text.find("NCCL version") == std::string::npos || text.find("ommunicator") == std::string::npos)
    return Error{ErrorCode::invalid_input, fmt::format("{}: this is no report of NCCL's RAS (ncclras)", path)};
  constexpr std::array complaints{"INCOMPLETE", "MISMATCH", "DEAD", "ERROR", "TIMEOUT", "unreachable", "Missing", "missing", "not responding"};
  std::size_t found = 0;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    const auto line = text.substr(from, end - from);
    from = end + 1;
    if (std::ranges::none_of(complaints, [&](const char* word) { return line.find(word) != std::string::npos; })) continue;
    ++found;
    if (found <= 16) logs.notes.push_back(fmt::format("NCCL's RAS says: {}", line));
  }
  logs.notes.push_back(fmt::format("{}: {} complaints of NCCL's RAS, which counts no calls of captured graphs", path, found));
  return {};
}

}  // namespace p2plab::monitor
