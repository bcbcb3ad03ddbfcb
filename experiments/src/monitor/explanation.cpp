// SPDX-License-Identifier: Apache-2.0
// Verdicts as text and JSON.
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "monitor/explain.h"

namespace p2plab::monitor {

namespace {

// "world: 4 ranks, of which 0, 1 and 3 recorded".
std::vector<std::string> communicators_of(const Logs& logs) {
  std::map<std::uint64_t, std::vector<const RankLog*>> all;
  for (const auto& log : logs.ranks) all[log.communicator].push_back(&log);
  std::vector<std::string> lines;
  for (const auto& [number, ranks] : all) {
    auto text = fmt::format("communicator {}: {} of {} ranks recorded; calls begun:", ranks.front()->name, ranks.size(), ranks.front()->ranks);
    for (const auto* log : ranks) {
      const char* state = log->state == ProcessState::gone      ? " (gone)"
                          : log->state == ProcessState::stopped ? " (stopped)"
                          : log->closed                         ? " (left)"
                                                                : "";
      text += fmt::format(" rank {} {}{}", log->rank, log->begun, state);
    }
    lines.push_back(std::move(text));
  }
  return lines;
}

}  // namespace

std::string explanation_text(const Logs& logs, const std::vector<Verdict>& verdicts) {
  std::string text;
  for (const auto& line : communicators_of(logs)) text += line + "\n";
  for (const auto& note : logs.notes) text += note + "\n";
  // A report of NCCL's RAS has complaints, but no calls of ranks.
  if (verdicts.empty())
    text += logs.ranks.empty() ? "\nNo rank's calls were read, so nothing is known of them.\n" : "\nNothing is wrong as far as is recorded.\n";
  for (const auto& verdict : verdicts) {
    text += fmt::format("\n{}: {}\n", to_string(verdict.cause), verdict.what);
    for (const auto& line : verdict.evidence) text += fmt::format("        {}\n", line);
    text += fmt::format("        do: {}\n", verdict.advice);
  }
  return text;
}

std::string explanation_json(const Logs& logs, const std::vector<Verdict>& verdicts) {
  nlohmann::ordered_json json{{"communicators", communicators_of(logs)}, {"notes", logs.notes}, {"verdicts", nlohmann::ordered_json::array()}};
  for (const auto& verdict : verdicts) {
    nlohmann::ordered_json each{{"cause", to_string(verdict.cause)}, {"communicator", verdict.communicator}};
    each["rank"] = verdict.rank >= 0 ? nlohmann::ordered_json(verdict.rank) : nlohmann::ordered_json(nullptr);
    each.update({{"what", verdict.what}, {"evidence", verdict.evidence}, {"advice", verdict.advice}});
    json["verdicts"].push_back(std::move(each));
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace p2plab::monitor
