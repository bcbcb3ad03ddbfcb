// SPDX-License-Identifier: Apache-2.0
// The one command of p2plab-run, which is what ./dev run builds: it runs experiments, in one process.
#include "cli/program/commands.h"
#include "cli/run/run.h"
#include "p2plab/detail/config_value.h"

namespace p2plab::cli {

namespace {

Error for_the_program(const std::string& what) {
  return {ErrorCode::unsupported, "p2plab-run does not run " + what, std::nullopt, {"p2plab does: ./dev build makes it"}};
}

}  // namespace

std::vector<Command> all_commands(CLI::App& app) { return {run_command(app)}; }

Status run_launched(const RunArguments&, Watch&) { return for_the_program("as a rank of a job (--launched)"); }

std::optional<Status> run_other_kind(std::string_view text, const RunArguments& arguments, Progress&, Watch&) {
  const auto file = ConfigFile::parse(text, arguments.config);
  if (!file || !file->root().is_map()) return std::nullopt;
  const auto kind = file->root()["kind"];
  if (!kind.is_scalar()) return std::nullopt;
  return for_the_program("configs of the kind " + kind.string());
}

}  // namespace p2plab::cli
