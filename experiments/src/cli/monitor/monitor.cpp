// SPDX-License-Identifier: Apache-2.0
// p2plab monitor: what the collectives of this machine's processes do now.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/monitor/looking.h"
#include "cli/monitor/serve.h"
#include "cli/terminal.h"
#include "monitor/views.h"
#include "p2plab/base/quantity.h"

namespace p2plab::cli {

namespace {

using namespace monitor;

struct MonitorArguments {
  std::vector<std::string> records;
  std::string folder;
  std::string prometheus;
  std::string trace;
  std::string save;
  std::string serve;
  std::string token;
  MachineArgument machine;
  std::string lasting;
  std::string interval = "1s";
  std::string window;
  bool once = false;
  bool ended = false;
  bool clean = false;
  bool strict = false;
  bool json = false;
  bool steps = false;
};

std::uint64_t ns(Seconds time) { return static_cast<std::uint64_t>(time.count() * 1e9); }

// With steps, which the watcher does not read.
Status write_trace(const std::string& file, std::optional<Seconds> last, const Picture& picture, Watch& watch) {
  std::vector<RecordedProcess> all;
  for (const auto* process : picture.processes) {
    auto whole = read_records(process->path, {.steps = true});
    all.push_back(whole ? *std::move(whole) : *process);
  }
  Window window;
  if (last) {
    std::uint64_t end = 0;
    for (const auto& process : all) {
      for (const auto& call : process.calls) end = std::max({end, call.begun, call.ended});
    }
    window.from = end - std::min(end, ns(*last));
  }
  return watch.write(file, trace_of(all, window));
}

Status save_records(const MonitorArguments& arguments, const Picture& picture) {
  std::error_code code;
  std::filesystem::create_directories(arguments.save, code);
  for (const auto* process : picture.processes) {
    const auto to = std::filesystem::path(arguments.save) / std::filesystem::path(process->path).filename();
    if (!code) std::filesystem::copy_file(process->path, to, std::filesystem::copy_options::overwrite_existing, code);
    if (code) return Error{ErrorCode::io, fmt::format("cannot copy {} to {}: {}", process->path, arguments.save, code.message())};
  }
  return {};
}

Status clean(const MonitorArguments& arguments, Watch& watch) {
  const auto folder = arguments.folder.empty() ? usual_record_folder() : arguments.folder;
  const auto files = record_files(folder);
  if (!files) return files.error();
  int removed = 0;
  for (const auto& file : *files) {
    const auto process = read_records(file);
    if (!process || process->state == ProcessState::running || process->state == ProcessState::stopped) continue;
    removed += unlink(file.c_str()) == 0 ? 1 : 0;
  }
  return watch.print(fmt::format("{}: removed {} records of processes that have ended\n", folder, removed));
}

Status show(const MonitorArguments& arguments, Looking& looking, bool live, Watch& watch) {
  if (!arguments.prometheus.empty()) {
    if (auto written = watch.write(arguments.prometheus, prometheus_of(looking.picture())); !written) return written;
  }
  if (arguments.json) return watch.print(looking.lines(arguments.once ? Seconds{0} : Seconds{1}));
  if (!live) return {};
  constexpr const char* home_and_clear = "\x1b[H\x1b[2J";
  return watch.print(home_and_clear + table_of(looking.picture(), layout_of({}).columns));
}

// Sleeps in short pieces, so that Ctrl-C ends it at once. False: it was asked to end.
bool sleep_for(Seconds time, const Watch& watch) {
  const auto until = monotonic_now() + ns(time);
  while (monotonic_now() < until && !watch.asked()) std::this_thread::sleep_for(std::chrono::milliseconds{20});
  return !watch.asked();
}

Status finish(const MonitorArguments& arguments, std::optional<Seconds> window, const Looking& looking, bool live, Watch& watch) {
  if (!arguments.trace.empty()) {
    if (auto written = write_trace(arguments.trace, window, looking.picture(), watch); !written) return written;
  }
  if (!arguments.save.empty()) {
    if (auto saved = save_records(arguments, looking.picture()); !saved) return saved;
  }
  if (arguments.steps) {
    for (const auto* process : looking.picture().processes) {
      const auto whole = read_records(process->path, {.steps = true});
      if (auto printed = watch.print(whole ? step_lines(*whole) : std::string{}); !printed) return printed;
    }
  }
  if (!arguments.json && !live) {
    if (auto printed = watch.print(table_of(looking.picture(), 0)); !printed) return printed;
  }
  if (!arguments.strict || !looking.bad()) return {};
  return Error{ErrorCode::invalid_input, fmt::format("{} alarms (--strict)", looking.picture().alarms.size())};
}

Status run(const MonitorArguments& arguments, Watch& watch) {
  if (arguments.clean) return clean(arguments, watch);
  for (const auto& file : {arguments.prometheus, arguments.trace}) {
    if (auto able = try_out(file); !able) return able;
  }
  const auto interval = parse_time(arguments.interval);
  const auto lasting = arguments.lasting.empty() ? Result<Seconds>{Seconds{1e9}} : parse_time(arguments.lasting);
  const auto window = arguments.window.empty() ? Result<Seconds>{Seconds{0}} : parse_time(arguments.window);
  for (const auto* time : {&interval, &lasting, &window}) {
    if (!*time) return time->error();
  }
  watch.stops_when_asked();
  const auto folder = arguments.folder.empty() ? usual_record_folder() : arguments.folder;
  if (!arguments.serve.empty())
    return serve({.address = arguments.serve,
                  .token = arguments.token,
                  .folder = folder,
                  .ended = arguments.ended,
                  .lasting = *lasting,
                  .machine = arguments.machine},
                 watch);
  const bool live = !arguments.once && !arguments.json && isatty(STDOUT_FILENO) != 0;
  // What is only to be written, with nobody looking, is of now.
  const bool once = arguments.once || (!live && !arguments.json && arguments.lasting.empty() && arguments.prometheus.empty());
  Looking looking({.folder = folder, .files = arguments.records}, arguments.ended || !arguments.records.empty());
  const auto end = monotonic_now() + ns(*lasting);
  do {
    if (auto seen = looking.look(); !seen) return seen;
    if (auto shown = show(arguments, looking, live, watch); !shown) return shown;
  } while (!once && monotonic_now() < end && sleep_for(std::min(*interval, Seconds{static_cast<double>(end - monotonic_now()) * 1e-9}), watch));
  return finish(arguments, arguments.window.empty() ? std::nullopt : std::optional{*window}, looking, live, watch);
}

}  // namespace

Command monitor_command(CLI::App& parent) {
  auto a = std::make_shared<MonitorArguments>();
  auto* app =
      add_command(parent, "monitor", "What the collectives of this machine's processes do (P2PLAB_MONITOR)", "p2plab monitor --json --for 10s");
  app->alias("top");
  app->add_option("records", a->records, "records to read, instead of those of a folder")->type_name("FILE");
  app->add_option("--dir", a->folder, "the folder of records; default: P2PLAB_MONITOR_DIR, else /dev/shm")->type_name("FOLDER");
  app->add_option("--for", a->lasting, "how long to watch; default: until Ctrl-C, or, with nobody to look, once")->type_name("TIME");
  app->add_option("--interval", a->interval, "between two looks")->type_name("TIME")->capture_default_str();
  app->add_flag("--once", a->once, "look once");
  app->add_flag("--ended", a->ended, "also communicators none of whose ranks runs any more");
  app->add_option("--prometheus", a->prometheus, "write Prometheus' text at each look, whole or not at all")->type_name("FILE");
  app->add_option("--trace", a->trace, "write Chrome's trace of the calls (and, at level steps, their steps) at the end")->type_name("FILE");
  app->add_option("--window", a->window, "of the trace: only the last so long")->type_name("TIME");
  app->add_option("--save", a->save, "copy the records into a folder at the end, for p2plab explain")->type_name("FOLDER");
  app->add_option("--serve", a->serve, "show a page at this address, such as 127.0.0.1:8080")->type_name("ADDRESS");
  app->add_option("--token", a->token, "of the page: needed where the address is not this machine's own")->type_name("TEXT")->needs("--serve");
  add_machine_options(*app, a->machine, "--topology", "the machine that the page draws: a file or a preset (default: detected)")->needs("--serve");
  app->get_option("--machine")->needs("--topology");
  app->add_flag("--clean", a->clean, "remove the records of processes that have ended, and nothing else");
  app->add_flag("--strict", a->strict, "exit with 1 if an alarm is on at the end");
  app->add_flag("--json", a->json, "print a line of JSON for each call and each alarm");
  app->add_flag("--steps", a->steps, "with --json: at the end a line for each step that was recorded (P2PLAB_MONITOR=steps)")->needs("--json");
  return {app, [a](Watch& watch) { return run(*a, watch); }};
}

}  // namespace p2plab::cli
