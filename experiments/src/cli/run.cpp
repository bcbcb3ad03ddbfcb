// SPDX-License-Identifier: Apache-2.0
// p2plab run CONFIG: the main job.
#include <unistd.h>

#include <iostream>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "p2plab/experiment/gallery.h"
#include "p2plab/experiment/run.h"

namespace p2plab::cli {

namespace {

struct RunArguments {
  std::string config;
  std::string out;
  bool json = false;
};

// Published figures beside predictions; --out writes gallery.json and gallery.txt.
Status run_gallery_config(const RunArguments& arguments, Progress& progress) {
  auto gallery = load_gallery(arguments.config);
  if (!gallery) return std::move(gallery).error();
  auto report = run_gallery(*gallery, progress);
  if (!report) return std::move(report).error();
  if (!arguments.out.empty()) {
    if (auto written = write_files({{"gallery.json", to_json(*report)}, {"gallery.txt", to_text(*report)}}, arguments.out); !written) return written;
    progress.note("report written to " + arguments.out);
  }
  std::cout << (arguments.json ? to_json(*report) : to_text(*report));
  return {};
}

Status run_config(const RunArguments& arguments) {
  const auto progress = isatty(STDERR_FILENO) != 0 ? terminal_progress(std::cerr) : plain_progress(std::cerr);
  if (is_gallery(arguments.config)) return run_gallery_config(arguments, *progress);
  auto experiment = load_experiment(arguments.config);
  if (!experiment) return std::move(experiment).error();
  Interrupt interrupt;
  auto report = run(*experiment, *progress, [&] { return interrupt.asked(); });
  if (!report) return std::move(report).error();
  if (!arguments.out.empty()) {
    if (auto written = write_report(*report, arguments.out); !written) return written;
    progress->note("report written to " + arguments.out);
  }
  std::cout << (arguments.json ? to_json(*report) : to_text(*report));
  return status_of(*report);
}

}  // namespace

Command run_command(CLI::App& parent) {
  auto arguments = std::make_shared<RunArguments>();
  auto* app =
      add_command(parent, "run", "Plan, prove, predict and compare what a config asks for", "p2plab run configs/8gpu_nvlink.yaml --out out/8gpu");
  app->add_option("config", arguments->config, "the config file (see 'p2plab config example')")->required()->type_name("CONFIG");
  app->add_option("--out", arguments->out, "folder for report.json, report.csv, report.html and traces")->type_name("DIR");
  app->add_flag("--json", arguments->json, "print the report as JSON");
  return {app, [arguments] { return run_config(*arguments); }};
}

}  // namespace p2plab::cli
