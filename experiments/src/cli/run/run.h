// SPDX-License-Identifier: Apache-2.0
// What is said to `p2plab run`, and what of it each program has (program/): p2plab all, p2plab-run experiments in one process.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/terminal.h"
#include "folder/run_folder.h"
#include "p2plab/experiment/sweep.h"
#include "p2plab/report/progress.h"
#include "p2plab/report/report.h"

namespace p2plab::cli {

struct RunArguments {
  std::string config;
  std::string out;
  bool json = false;
  bool strict = false;
  bool fresh = false;
  LaunchArguments launch;
  TerminalArguments terminal;
  LimitArguments limits;
};

/// The config that is meant: of a run's folder that which it keeps. Errors: invalid_input, a folder that keeps none.
Result<std::string> config_of(const std::string& named);
/// Runs a sweep into --out. Cells are kept there as they are finished, if `alive` then still says so; else its error ends the run.
Status run_in_folder(const RunArguments& arguments, const Sweep& sweep, std::string_view text, const Sharing& sharing,
                     const std::function<Status()>& alive, Progress& progress, Watch& watch);

std::unique_ptr<Progress> progress_for(const RunArguments& arguments);
/// The table is printed even where the files cannot be written any more.
Status give_out(const Report& report, const RunArguments& arguments, Progress& progress, Watch& watch);

/// As one rank of a job that was started in several processes.
Status run_launched(const RunArguments& arguments, Watch& watch);
/// Runs a config that is no experiment and no sweep of them: a gallery, or process groups. None if it is one.
std::optional<Status> run_other_kind(std::string_view text, const RunArguments& arguments, Progress& progress, Watch& watch);

}  // namespace p2plab::cli
