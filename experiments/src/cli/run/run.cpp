// SPDX-License-Identifier: Apache-2.0
// p2plab run CONFIG: the main job.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/run/run.h"
#include "folder/run_folder.h"
#include "p2plab/detail/config_value.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/run.h"
#include "p2plab/experiment/sweep.h"
#include "p2plab/report/files.h"

namespace p2plab::cli {

namespace {

// Hands everything on but what is in the table that is printed on the same terminal anyway.
class WithoutSkips final : public Progress {
 public:
  explicit WithoutSkips(std::unique_ptr<Progress> progress) : progress_(std::move(progress)) {}
  void stage(std::string_view name, std::int64_t total) override { progress_->stage(name, total); }
  void advance(std::string_view what) override { progress_->advance(what); }
  void note(std::string_view text) override {
    if (!text.starts_with("skipped ")) progress_->note(text);
  }

 private:
  std::unique_ptr<Progress> progress_;
};

// What was asked for and not done is a failure if nothing was done, or if the user says so. NCCL's rows stand beside others and are asked by nobody.
Status nothing_missing(const Report& report, bool strict) {
  const auto asked = std::ranges::count_if(report.rows, [](const Row& row) { return row.algorithm != "nccl_model"; });
  if (asked > 0 && (!strict || report.skipped.empty())) return {};
  Error error{ErrorCode::unsupported, asked == 0 ? "nothing that was asked for could be done" : "not all that was asked for was done (--strict)"};
  for (const auto& skip : report.skipped) error.notes.push_back(fmt::format("{}: {}", skip.what, skip.reason));
  return error;
}

}  // namespace

std::unique_ptr<Progress> progress_for(const RunArguments& arguments) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  auto progress = terminal ? terminal_progress(std::cerr) : plain_progress(std::cerr);
  if (!terminal || isatty(STDOUT_FILENO) == 0 || arguments.json) return progress;
  return std::make_unique<WithoutSkips>(std::move(progress));
}

Status give_out(const Report& report, const RunArguments& arguments, Progress& progress, Watch& watch) {
  watch.finishing();
  auto written = arguments.out.empty() ? Status{} : write_report(report, arguments.out);
  if (written && !arguments.out.empty()) progress.note("report written to " + arguments.out);
  // Open MPI gives each rank a terminal of its own, whatever its own output leads to.
  const bool ranks = sharing_by_environment().shared;
  const auto layout = ranks ? TextLayout{.columns = arguments.terminal.columns, .wide = arguments.terminal.wide} : layout_of(arguments.terminal);
  auto printed = watch.print(arguments.json ? to_json(report) : to_text(report, layout));
  if (!written) return written;
  if (!printed) return printed;
  auto status = status_of(report);
  return status ? nothing_missing(report, arguments.strict) : std::move(status);
}

Result<std::string> config_of(const std::string& named) {
  if (auto kept = config_in(named)) return *std::move(kept);
  std::error_code fault;
  if (!std::filesystem::is_directory(named, fault)) return named;
  return Error{ErrorCode::invalid_input,
               fmt::format("'{}' keeps no run: it has no run/run.json", named),
               std::nullopt,
               {"name a config, or the --out folder of a run or sweep"}};
}

namespace {

// Where a rank of the job is lost, what its rows lack is no result.
class CellsOfTheLiving final : public CellKeeper {
 public:
  CellsOfTheLiving(RunFolder& folder, const std::function<Status()>& alive) : folder_(folder), alive_(alive) {}
  bool kept(std::size_t cell) override { return folder_.kept(cell); }
  bool claim(std::size_t cell) override { return folder_.claim(cell); }
  Status keep(std::size_t cell, const Report& report) override {
    auto still = alive_();
    return still ? folder_.keep(cell, report) : still;
  }
  std::optional<Report> take(std::size_t cell) override { return folder_.take(cell); }

 private:
  RunFolder& folder_;
  const std::function<Status()>& alive_;
};

}  // namespace

// Of processes that share the cells one writes and prints the report.
Status run_in_folder(const RunArguments& arguments, const Sweep& sweep, std::string_view text, const Sharing& sharing,
                     const std::function<Status()>& alive, Progress& progress, Watch& watch) {
  auto folder = RunFolder::open({arguments.out, sharing, arguments.fresh}, sweep, text, arguments.config);
  if (!folder) return std::move(folder).error();
  if (folder->found() > 0 && sharing.rank == 0)
    progress.note(fmt::format("{} of {} cells are finished in {} (--fresh begins anew)", folder->found(), sweep.cells.size(), arguments.out));
  SilentProgress silent;  // one rank speaks for all
  CellsOfTheLiving cells(*folder, alive);
  auto done = run_cells(sweep, cells, sharing.rank == 0 ? progress : silent, [&] { return watch.asked(); });
  if (!done) return done;
  if (watch.asked() && sharing.shared)
    return Error{ErrorCode::interrupted, "the run was interrupted: finished cells stay in the folder, and the same command goes on"};
  if (!watch.asked() && !folder->writes_report()) return {};
  const auto report = report_of(sweep, *folder);
  auto given = give_out(report, arguments, progress, watch);
  // What could not be written or printed stays in the cells, for the same command.
  if (report.interrupted || (!given && given.error().code == ErrorCode::io)) return given;
  auto finished = folder->finish();
  return given ? std::move(finished) : std::move(given);
}

namespace {

Status run_config(RunArguments arguments, Watch& watch) {
  if (auto limits = limits_from(arguments.limits, watch); !limits) return std::move(limits).error();
  if (arguments.launch.launched) return run_launched(arguments, watch);
  if (!arguments.out.empty()) {
    if (auto able = can_write_into(arguments.out); !able) return able;
  }
  auto config = config_of(arguments.config);
  if (!config) return std::move(config).error();
  arguments.config = *std::move(config);
  if (arguments.out.empty() && sharing_by_environment().shared)
    return Error{ErrorCode::invalid_input,
                 "several processes run this config",
                 std::nullopt,
                 {"--out DIR names the folder in which they share its cells; --launched makes them ranks of one job"}};
  const auto progress = progress_for(arguments);
  auto text = read_text_file(arguments.config, longest_config);  // once: a pipe cannot be read again
  if (!text) return std::move(text).error();
  if (auto other = run_other_kind(*text, arguments, *progress, watch)) return *std::move(other);
  auto sweep = read_sweep(*text, arguments.config);
  if (!sweep) return std::move(sweep).error();
  watch.stops_when_asked();
  if (!arguments.out.empty())
    return run_in_folder(
        arguments, *sweep, *text, sharing_by_environment(), [] { return Status{}; }, *progress, watch);
  auto report = run(
      *sweep, *progress, [&] { return watch.asked(); }, false);  // traces are files
  if (!report) return std::move(report).error();
  return give_out(*report, arguments, *progress, watch);
}

}  // namespace

Command run_command(CLI::App& parent) {
  auto arguments = std::make_shared<RunArguments>();
  auto* app =
      add_command(parent, "run", "Plan, prove, predict and compare what a config asks for", "p2plab run configs/8gpu_nvlink.yaml --out out/8gpu");
  app->add_option("config", arguments->config,
                  "the config file (see 'p2plab config example'), or the --out folder of a run or sweep (a gallery keeps none)")
      ->required()
      ->type_name("CONFIG");
  app->add_option("--out", arguments->out,
                  "folder for report.json, report.csv, report.html and traces; it keeps the run or sweep (not a gallery) to be run again")
      ->type_name("DIR");
  add_launch_options(*app, arguments->launch, ": host, cuda and nccl run each rank in its own process");
  app->add_flag("--fresh", arguments->fresh, "begin anew where --out holds finished cells of a run that was interrupted");
  app->add_flag("--json", arguments->json, "print the report as JSON");
  app->add_flag("--strict", arguments->strict, "exit code 1 if anything that the config asks for is skipped");
  add_terminal_options(*app, arguments->terminal);
  add_memory_limit(*app, arguments->limits);
  return {app, [arguments](Watch& watch) { return run_config(*arguments, watch); }};
}

}  // namespace p2plab::cli
