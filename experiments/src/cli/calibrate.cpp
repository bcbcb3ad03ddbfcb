// SPDX-License-Identifier: Apache-2.0
// p2plab calibrate: measures this machine and writes a profile for the simulator.
#include <iostream>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "config/topology_source.h"
#include "p2plab/experiment/calibrate.h"
#include "p2plab/machine/presets.h"
#include "p2plab/report/provenance.h"

namespace p2plab::cli {

namespace {

struct CalibrateArguments {
  std::string out;
  MachineArgument topology;
  std::string name = "calibrated";
};

Status run_calibration(const CalibrateArguments& arguments, Watch& watch) {
  if (auto able = try_out(arguments.out); !able) return able;
  auto data = measure_calibration();
  if (!data) return std::move(data).error();
  const auto here = provenance_here();
  data->machine =
      fmt::format("p2plab {} on {}, driver {}, {}", here.version, data->machine, here.driver.empty() ? "unknown" : here.driver, here.date);
  std::vector<std::string> warnings;
  auto topology = arguments.topology.empty() ? detect_topology(&warnings) : resolve_machine(arguments.topology, &warnings);
  if (!topology) return std::move(topology).error();
  for (const auto& warning : warnings) std::cerr << "warning: " << warning << '\n';
  auto calibration = calibrate(*data, *topology, arguments.name);
  if (!calibration) return std::move(calibration).error();
  const auto profile = write_calibration(*calibration);
  if (arguments.out.empty()) return watch.print(profile);
  auto written = watch.write(arguments.out, profile);
  const auto shown = written ? calibration_text(*calibration) : profile;  // a profile that has no file is worth more than its table
  return watch.print_after(std::move(written), shown);
}

}  // namespace

Command calibrate_command(CLI::App& parent) {
  auto a = std::make_shared<CalibrateArguments>();
  auto* app = add_command(parent, "calibrate", "Measure this machine's links, signals and thread blocks, and write a profile",
                          "p2plab calibrate --out profile.yaml");
  app->add_option("--out", a->out, "write the profile to this file and a table here (default: the profile here)")->type_name("FILE");
  add_machine_options(*app, a->topology, "--topology", "the machine's links: a file or a preset (default: detected)");
  app->add_option("--name", a->name, "the profile's name")->capture_default_str()->type_name("NAME");
  return {app, [a](Watch& watch) { return run_calibration(*a, watch); }};
}

}  // namespace p2plab::cli
