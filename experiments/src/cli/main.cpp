// SPDX-License-Identifier: Apache-2.0
// The command line: reads it, runs one command, turns its result into an exit code (0 done, 1 input or machine, 2 usage, 3 verification failed,
// 130 Ctrl-C).
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/commit.h"
#include "cli/usage/usage_errors.h"
#include "config/variables.h"
#include "p2plab/experiment/version.h"

namespace p2plab::cli {

namespace {

int report(const Error& error) {
  std::cerr << describe(error);
  return exit_code(error);
}

// Some disks say only when a file is closed that it could not be written.
int end_of(const Status& done, const Watch& watch) {
  if (!done) {
    std::cerr << describe(done.error());
    return watch.exit_code_of(done.error());
  }
  if (close(STDOUT_FILENO) == 0) return 0;
  return report(Error{ErrorCode::io, fmt::format("cannot write to stdout: {}", std::strerror(errno))});
}

// Ends with the exit code if the arguments ask for help or are wrong.
std::optional<int> parse(CLI::App& app, int count, char** arguments, Watch& watch) {
  try {
    app.parse(count, arguments);
    if (const auto right = no_empty_values(app); !right) return report(right.error());
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    return end_of(watch.print(deepest(app)->help(deepest(app) == &app ? "" : path_of(*deepest(app)->get_parent()))), watch);
  } catch (const CLI::CallForVersion&) {
    return end_of(watch.print(fmt::format("p2plab {}{}\n", version(), commit().empty() ? "" : fmt::format(" ({})", commit()))), watch);
  } catch (const CLI::ParseError& fault) {
    if (count < 2) std::cerr << app.help();
    return report(usage_error(fault, app));
  }
}

// What the command line sets goes before the environment, for this process and those that it starts; nothing else runs yet. A file with mistakes
// ends all commands but those that help to mend it.
Status apply_settings(const std::vector<std::string>& texts, const CLI::App& command) {
  for (const auto& text : texts) {
    const auto one = read_setting(text);
    if (!one) return one.error();
    setenv(one->first.c_str(), one->second.c_str(), 1);
  }
  const auto& file = settings_of_process();
  return file || command.get_parent()->get_name() == "config" ? Status{} : Status{file.error()};
}

// Descriptors 0 to 2 that were closed would go to the first files that are opened, and reports into them. Writing to what stands there now fails.
void fill_standard_streams() {
  for (const int one : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(one, F_GETFD) < 0) open("/dev/null", one == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

int main_of(int count, char** arguments) {
  fill_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is an error, too
  std::signal(SIGPIPE, SIG_IGN);  // a reader of stdout that is gone is an error that is told, and files are still written
  Watch watch;
  CLI::App app("Plans, proves, predicts and runs collectives on any machine of GPUs.", "p2plab");
  app.set_version_flag("--version", std::string{version()});
  app.footer("Example: p2plab run configs/8gpu_nvlink.yaml");
  app.require_subcommand(1);
  std::vector<std::string> settings;
  app.add_option("--set", settings, "a setting, before the environment and the settings file; `p2plab config show` lists them")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  const auto commands = all_commands(app);
  refuse_values_of_flags(app);
  if (const auto ended = parse(app, count, arguments, watch)) return *ended;
  const auto chosen = std::ranges::find(commands, deepest(app), [](const Command& command) -> const CLI::App* { return command.app; });
  expects(chosen != commands.end());
  if (const auto applied = apply_settings(settings, *chosen->app); !applied) return report(applied.error());
  watch.doing(fmt::format("doing {}", path_of(*chosen->app)));
  const auto done = watch.run([&] { return chosen->run(watch); });
  return end_of(done, watch);
}

}  // namespace

}  // namespace p2plab::cli

int main(int count, char** arguments) {
  // Each of hundreds of simulations takes megabytes and gives them back: to this process, not to the kernel, which would clear every page again.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  try {
    return p2plab::cli::main_of(count, arguments);
  } catch (const std::exception& fault) {
    std::cerr << "error: while reading the command line: " << fault.what() << '\n';
    return 1;
  }
}
