// SPDX-License-Identifier: Apache-2.0
// p2plab doctor: what is wrong with a machine, what it costs, and what to do.
#include <unistd.h>

#include <iostream>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/machines/model_shape.h"
#include "cli/machines/verdict_file.h"
#include "cli/watch.h"
#include "doctor/probes/verdict.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/doctor.h"
#include "p2plab/run/detect.h"
#include "p2plab/run/readings.h"

namespace p2plab::cli {

namespace {

struct DoctorArguments {
  std::string facts;
  std::string record;
  std::string verdict;
  std::string model;
  std::string probe;
  double within = 30;
  std::vector<std::string> serve;  // the part of a child: where, how many devices, the first probe
  std::string serve_facts;         // likewise
  bool strict = false;
  bool json = false;
};

Result<std::unique_ptr<PairProber>> prober_of(const std::string& where, int devices) {
  if (where == "cuda") return cuda_pair_prober();
  return host_pair_prober({.devices = devices});
}

Status serve(const DoctorArguments& arguments) {
  const int devices = std::atoi(arguments.serve[1].c_str());
  const auto first = static_cast<std::size_t>(std::atoll(arguments.serve[2].c_str()));
  return doctor::serve_probes(prober_of(arguments.serve[0], devices), doctor::matrix_of(devices), first, STDOUT_FILENO);
}

std::string facts_here() {
  auto facts = gather_facts();
  add_readings(facts);
  return write_facts(facts);
}

// A driver that hangs holds up a child, not who asks.
Result<MachineFacts> facts_from(const DoctorArguments& arguments) {
  if (arguments.facts.empty()) {
    const auto text = doctor::all_said(doctor::spawned("/proc/self/exe", {"doctor", "--serve-facts"}), Seconds{arguments.within});
    if (text) return read_facts(*text, "this machine");
    return Error{ErrorCode::device_failure,
                 "this machine's drivers do not tell how it is: " + text.error().message,
                 std::nullopt,
                 {"what they last said: dmesg | grep -i -e xid -e nvrm", "does nvidia-smi answer? If not, reset the GPUs or restart the machine",
                  "--within SECONDS waits longer"}};
  }
  auto text = read_text_file(arguments.facts, Bytes{std::int64_t{64} << 20});
  if (!text) return std::move(text).error();
  return read_facts(*text, arguments.facts);
}

// The matrix of pairs, and what it says.
struct Probed {
  std::string text;
  nlohmann::ordered_json json;
};

Result<Probed> probe(const DoctorArguments& arguments, const MachineFacts& facts, Diagnosis& diagnosis) {
  const auto detected = build_machine(facts);
  if (!detected) return detected.error();
  const auto& topology = detected->topology;
  const int devices = topology.ranks();
  auto records = doctor::run_matrix(doctor::matrix_of(devices),
                                    doctor::spawned("/proc/self/exe", {"doctor", "--serve-probes", arguments.probe, std::to_string(devices)}));
  if (!records) return std::move(records).error();
  const bool on_gpus = arguments.probe == "cuda";
  const auto granted = [&](int from, int to) {
    for (const auto& peer : facts.peers) {
      if (on_gpus && peer.from == from && peer.to == to) return peer.access;
    }
    return true;
  };
  auto found = doctor::judge(*records, topology, granted);
  if (found.empty()) diagnosis.fine.emplace_back("probe");
  add_findings(diagnosis, std::move(found));
  auto text = fmt::format("\nEvery ordered pair, each way of access{}: data as the receiver holds it; GB/s in one direction\n",
                          on_gpus ? "" : " (CPU memory: shows that this works, not what GPUs do)");
  return Probed{text + doctor::matrix_text(*records, topology), nlohmann::ordered_json::parse(doctor::matrix_json(*records, topology))};
}

Status print(const DoctorArguments& arguments, const Diagnosis& diagnosis, const Probed& probed, Watch& watch) {
  if (!arguments.json) return watch.print(diagnosis_text(diagnosis) + probed.text);
  auto json = nlohmann::ordered_json::parse(diagnosis_json(diagnosis));
  if (!probed.json.is_null()) json["probes"] = probed.json;
  return watch.print(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

Status write_record(const DoctorArguments& arguments, const MachineFacts& facts, Watch& watch) {
  return arguments.record.empty() ? Status{} : watch.write(arguments.record, write_facts(facts));
}

Status write_verdict(const DoctorArguments& arguments, const MachineFacts& facts, const Diagnosis& diagnosis, const Probed& probed, Watch& watch) {
  return arguments.verdict.empty() ? Status{} : watch.write(arguments.verdict, verdict_json(facts, diagnosis, probed.json, arguments.probe));
}

// A machine of which nothing can be said: scripts get why in the keys of all others, and no verdict of an earlier run stays.
Status unread(const DoctorArguments& arguments, const MachineFacts& facts, const Error& why, Watch& watch) {
  Finding finding{
      .name = "machine.unread", .check = "machine", .severity = Severity::fault, .what = why.message, .no_worth = "not known", .evidence = why.notes};
  const Diagnosis none{.machine = facts.name, .summary = why.message, .findings = {std::move(finding)}, .no_busbw = "not known"};
  if (auto written = write_verdict(arguments, facts, none, {}, watch); !written) return written;
  if (!arguments.json) return why;
  if (auto printed = print(arguments, none, {}, watch); !printed) return printed;
  return why;
}

TokenTraffic traffic_of(const ModelShape& shape, const MachineFacts& facts) {
  const auto gpus = static_cast<int>(facts.cuda.empty() ? facts.nvml.size() : facts.cuda.size());
  return {.model = shape.name, .bytes = shape.reduced() * bus_factor(CollectiveKind::all_reduce, gpus)};
}

Status look(const DoctorArguments& arguments, Watch& watch) {
  if (!arguments.serve.empty()) return serve(arguments);
  if (!arguments.serve_facts.empty()) return watch.print(facts_here() + "\n");
  if (arguments.probe == "cuda" && !arguments.facts.empty())
    return Error{ErrorCode::usage, "--probe cuda tries this machine's GPUs, and --facts names another", std::nullopt, {"leave --facts out"}};
  for (const auto& file : {arguments.record, arguments.verdict}) {
    if (auto able = try_out(file); !able) return able;
  }
  std::optional<ModelShape> shape;
  if (!arguments.model.empty()) {
    auto known = model_shape(arguments.model);
    if (!known) return std::move(known).error();
    shape = *std::move(known);
  }
  auto facts = facts_from(arguments);
  if (!facts) return unread(arguments, {}, facts.error(), watch);
  auto diagnosis = diagnose(*facts);
  if (!diagnosis) {
    if (auto recorded = write_record(arguments, *facts, watch); !recorded) return recorded;
    return unread(arguments, *facts, arguments.facts.empty() ? diagnosis.error() : in_file(diagnosis.error(), arguments.facts), watch);
  }
  if (shape) diagnosis->traffic = traffic_of(*shape, *facts);
  for (const auto& warning : diagnosis->warnings) std::cerr << "warning: " << warning << '\n';
  Probed probed;
  if (!arguments.probe.empty()) {
    auto done = probe(arguments, *facts, *diagnosis);
    if (!done) {
      if (auto written = write_verdict(arguments, *facts, *diagnosis, {}, watch); !written) return written;
      return std::move(done).error();
    }
    probed = *std::move(done);
  }
  if (auto printed = print(arguments, *diagnosis, probed, watch); !printed) return printed;
  if (auto recorded = write_record(arguments, *facts, watch); !recorded) return recorded;
  if (auto written = write_verdict(arguments, *facts, *diagnosis, probed, watch); !written) return written;
  if (!arguments.strict || diagnosis->complaints() == 0) return {};
  return Error{ErrorCode::invalid_input, fmt::format("{} findings (--strict)", diagnosis->complaints())};
}

}  // namespace

Command doctor_command(CLI::App& parent) {
  auto a = std::make_shared<DoctorArguments>();
  auto* app =
      add_command(parent, "doctor", "What is wrong with this machine: what it costs, where it was read, what to do", "p2plab doctor --probe cuda");
  app->add_option("--facts", a->facts, "a machine that was recorded (also by topo detect --record), instead of this one")->type_name("FILE");
  app->add_option("--record", a->record, "write all that was read, so that it can be diagnosed elsewhere")->type_name("FILE");
  app->add_option("--verdict", a->verdict, "write what was found, pair by pair, for engines and scripts to read")->type_name("FILE");
  app->add_option("--model", a->model, "also say what findings cost in tokens a second of this model's prompts: llama-70b, ..., or its config.json")
      ->type_name("M");
  app->add_option("--probe", a->probe, "try every pair by every way of access: data compared, times measured; cuda, or host to try it on CPU memory")
      ->check(CLI::IsMember({"cuda", "host"}))
      ->type_name("WHERE");
  app->add_option("--within", a->within, "seconds that the machine's drivers may take to answer")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
  app->add_option("--serve-facts", a->serve_facts)->group("");          // what is started to ask them
  app->add_option("--serve-probes", a->serve)->expected(3)->group("");  // what --probe starts
  app->add_flag("--strict", a->strict, "exit with 1 if a fault, something slow or a risk was found");
  app->add_flag("--json", a->json, "print as JSON");
  return {app, [a](Watch& watch) { return look(*a, watch); }};
}

}  // namespace p2plab::cli
