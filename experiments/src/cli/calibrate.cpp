// SPDX-License-Identifier: Apache-2.0
// p2plab calibrate: measures this machine and writes a profile for the simulator.
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/led.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "config/launched.h"
#include "config/topology_source.h"
#include "p2plab/experiment/packet_costs.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/report/provenance.h"
#include "run/executors.h"

namespace p2plab::cli {

namespace {

struct CalibrateArguments {
  std::string out;
  MachineArgument topology;
  std::string name = "calibrated";
  std::string executor = "cuda";
  bool json = false;
  LaunchArguments launch;
};

nlohmann::ordered_json json_of(const std::vector<CalibratedNumber>& all) {
  nlohmann::ordered_json numbers = nlohmann::ordered_json::array();
  for (const auto& each : all) {
    numbers.push_back({{"name", each.name},
                       {"unit", each.unit},
                       {"value", each.estimate.value},
                       {"low", each.estimate.low},
                       {"high", each.estimate.high},
                       {"method", each.method}});
  }
  return numbers;
}

std::string dumped(const nlohmann::ordered_json& json) { return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"; }

std::string calibration_json(const Calibration& calibration) {
  return dumped({{"profile", calibration.profile.name}, {"source", calibration.source}, {"numbers", json_of(calibration.numbers)}});
}

// What the kernels by packets cost, where they run. Without, the profile says less, aloud.
Status add_packets(Calibration& calibration, const Topology& topology, Watch& watch) {
  if (const auto ready = executor_state("cuda"); !ready) {
    std::cerr << fmt::format("note: what packets cost was not measured: {}\n", ready.error().message);
    return {};
  }
  watch.stops_when_asked();
  const auto device = make_executor("cuda");
  auto times = time_packets(topology, *device, [&watch] { return watch.asked(); });
  auto done = times ? add_packet_costs(calibration, *times) : Status{std::move(times).error()};
  watch.finishing();
  if (done || done.error().code == ErrorCode::verification_failed) return done;
  std::cerr << fmt::format("note: what packets cost was not measured: {}\n", done.error().message);
  return {};
}

Status run_calibration(const CalibrateArguments& arguments, Watch& watch) {
  say_that_ranks_run_alone();
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
  if (auto done = add_packets(*calibration, *topology, watch); !done) return done;
  const auto profile = write_calibration(*calibration);
  const auto numbers = arguments.json ? calibration_json(*calibration) : std::string{};
  auto written = arguments.out.empty() ? Status{} : watch.write(arguments.out, profile);
  const auto shown = arguments.json ? numbers : arguments.out.empty() ? profile : calibration_text(*calibration);
  // A profile that has no file is worth more than its table.
  const auto& text = written ? shown : profile;
  auto given = watch.print_after(std::move(written), text);
  if (given && watch.asked()) return Error{ErrorCode::interrupted, "interrupted: the profile does not say what packets cost"};
  return given;
}

// Rank 0 reports what the messages took; the others send and receive them.
Status calibrate_launched(const CalibrateArguments& arguments, Watch& watch) {
  if (arguments.topology.empty())
    return Error{ErrorCode::usage, "--topology is required: which ranks are on which server", std::nullopt, {"as in hgx-h200:nodes=2,gpus=4"}};
  const StartedWith told{{"--topology", arguments.topology.name}, {"--executor", arguments.executor}};
  return as_launched_rank("calibrate", told, Seconds{arguments.launch.gathering}, [&](Session& session) -> Status {
    if (session.rank() != 0) return follow(session);
    Leader leader(session);
    if (auto able = try_out(arguments.out); !able) return able;
    const auto executor = leader.executor(arguments.executor);
    if (!executor) return unknown_name("executor", arguments.executor, {"cuda", "host"});
    if (auto able = executor->available(); !able) return able;
    const auto topology = topology_from(arguments.topology);
    if (!topology) return topology.error();
    if (auto all = check_ranks(topology->name(), topology->ranks(), leader.ranks()); !all) return all;
    const auto profile = quiet_profile_from({}, *topology);
    if (!profile) return profile.error();
    const auto calibration = calibrate_network(Evaluator(*topology, *profile), *executor);
    if (!calibration) return calibration.error();
    const auto machine = write_topology(calibration->topology);
    auto written = arguments.out.empty() ? Status{} : watch.write(arguments.out, machine);
    const auto shown =
        arguments.json ? dumped({{"machine", topology->name()}, {"numbers", json_of(calibration->numbers)}}) : calibration_text(*calibration);
    return watch.print_after(std::move(written), shown);
  });
}

}  // namespace

Command calibrate_command(CLI::App& parent) {
  auto a = std::make_shared<CalibrateArguments>();
  auto* app = add_command(parent, "calibrate", "Measure this machine's links, signals and thread blocks, and write a profile",
                          "p2plab calibrate --out profile.yaml");
  app->add_option("--out", a->out,
                  "write the profile (with --launched: the machine) to this file and a table here (default: the profile here; with --launched the "
                  "table alone)")
      ->type_name("FILE");
  add_machine_options(*app, a->topology, "--topology,topology", "the machine's links: a file or a preset (default: detected)");
  auto* name = app->add_option("--name", a->name, "the profile's name")->capture_default_str()->type_name("NAME");
  auto* launched = add_launch_options(*app, a->launch, ": measure the network between its servers, and write the machine with it");
  launched->excludes(name);
  app->add_option("--executor", a->executor, "with --launched: cuda, or host, which measures TCP")
      ->needs(launched)
      ->check(CLI::IsMember({"cuda", "host"}))
      ->capture_default_str()
      ->type_name("X");
  app->add_flag("--json", a->json, "print the numbers with their intervals as JSON");
  return {app, [a](Watch& watch) { return a->launch.launched ? calibrate_launched(*a, watch) : run_calibration(*a, watch); }};
}

}  // namespace p2plab::cli
