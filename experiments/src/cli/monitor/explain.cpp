// SPDX-License-Identifier: Apache-2.0
// p2plab explain: why calls do not end, from what ranks recorded.
#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "monitor/explain.h"
#include "monitor/step_waits.h"
#include "monitor/watcher.h"
#include "p2plab/detail/text.h"

namespace p2plab::cli {

namespace {

using namespace monitor;

struct ExplainArguments {
  std::vector<std::string> records;
  double stuck = 1;
  bool strict = false;
  bool json = false;
};

// A file as whichever of the three it is: ours begins with our mark, the others are text.
Status add_record(const std::string& path, std::vector<RecordedProcess>& ours, Logs& logs) {
  auto process = read_records(path, {.steps = true});
  if (process) {
    ours.push_back(*std::move(process));
    return {};
  }
  if (process.error().code == ErrorCode::io) return std::move(process).error();
  const auto text = read_text_file(path, Bytes{std::int64_t{256} << 20});
  if (!text) return text.error();
  if (text->starts_with("P2LMON")) return std::move(process).error();
  const auto first = text->find_first_not_of(" \t\r\n");
  if (first != std::string::npos && ((*text)[first] == '{' || (*text)[first] == '\x80')) return add_flight_record(logs, *text, path);
  return add_ras_text(logs, *text, path);
}

// The records that are named: files, or folders of ours; none: this machine's, now.
Result<Logs> read_all(const std::vector<std::string>& given) {
  std::vector<std::string> paths;
  for (const auto& path : given.empty() ? std::vector{usual_record_folder()} : given) {
    if (auto inside = record_files(path); inside)
      paths.insert(paths.end(), inside->begin(), inside->end());
    else
      paths.push_back(path);
  }
  Logs foreign;
  std::vector<RecordedProcess> ours;
  for (const auto& path : paths) {
    if (auto added = add_record(path, ours, foreign); !added) return std::move(added).error();
  }
  // Of processes that have all ended, the last moment is the last that one of them recorded.
  const bool alive =
      std::ranges::any_of(ours, [](const RecordedProcess& p) { return p.state == ProcessState::running || p.state == ProcessState::stopped; });
  std::uint64_t now = alive ? monotonic_now() : 0;
  for (const auto& process : ours) {
    for (const auto& call : process.calls) now = std::max({now, call.begun, call.ended});
  }
  std::vector<const RecordedProcess*> all;
  for (const auto& process : ours) all.push_back(&process);
  auto logs = logs_of(all, now);
  for (const auto& process : ours) std::ranges::move(step_waits(process), std::back_inserter(logs.notes));
  logs.ranks.insert(logs.ranks.end(), foreign.ranks.begin(), foreign.ranks.end());
  logs.notes.insert(logs.notes.end(), foreign.notes.begin(), foreign.notes.end());
  if (paths.empty()) logs.notes.push_back(fmt::format("no records in {}: start programs with P2PLAB_MONITOR=basic", usual_record_folder()));
  return logs;
}

Status explain_all(const ExplainArguments& arguments, Watch& watch) {
  const auto logs = read_all(arguments.records);
  if (!logs) return logs.error();
  const auto verdicts = explain(*logs, {.stuck = Seconds{arguments.stuck}});
  if (auto printed = watch.print(arguments.json ? explanation_json(*logs, verdicts) : explanation_text(*logs, verdicts)); !printed) return printed;
  if (!arguments.strict || verdicts.empty()) return {};
  return Error{ErrorCode::invalid_input, fmt::format("{} (--strict)", verdicts.front().what)};
}

}  // namespace

Command explain_command(CLI::App& parent) {
  auto a = std::make_shared<ExplainArguments>();
  auto* app = add_command(parent, "explain", "Why calls do not end or come late, from what their ranks recorded", "p2plab explain");
  app->add_option("records", a->records,
                  "records of P2PLAB_MONITOR, or folders of them, PyTorch's flight records in JSON, reports of ncclras; default: what this machine's "
                  "processes record now")
      ->type_name("FILE");
  app->add_option("--stuck", a->stuck, "seconds after which a call that lasts is called stuck")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  app->add_flag("--strict", a->strict, "exit with 1 if something is wrong");
  app->add_flag("--json", a->json, "print as JSON");
  return {app, [a](Watch& watch) { return explain_all(*a, watch); }};
}

}  // namespace p2plab::cli
