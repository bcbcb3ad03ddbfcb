// SPDX-License-Identifier: Apache-2.0
// p2plab doctor: what is wrong with a machine, what it costs, and what to do.
#include <iostream>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/watch.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/doctor.h"
#include "p2plab/run/detect.h"
#include "p2plab/run/readings.h"

namespace p2plab::cli {

namespace {

struct DoctorArguments {
  std::string facts;
  std::string record;
  bool strict = false;
  bool json = false;
};

Result<MachineFacts> facts_from(const DoctorArguments& arguments) {
  if (arguments.facts.empty()) {
    auto facts = gather_facts();
    add_readings(facts);
    return facts;
  }
  auto text = read_text_file(arguments.facts, Bytes{std::int64_t{64} << 20});
  if (!text) return std::move(text).error();
  return read_facts(*text, arguments.facts);
}

Status look(const DoctorArguments& arguments, Watch& watch) {
  if (auto able = try_out(arguments.record); !able) return able;
  auto facts = facts_from(arguments);
  if (!facts) return std::move(facts).error();
  if (!arguments.record.empty()) {
    if (auto written = watch.write(arguments.record, write_facts(*facts)); !written) return written;
  }
  auto diagnosis = diagnose(*facts);
  if (!diagnosis) return arguments.facts.empty() ? std::move(diagnosis).error() : in_file(std::move(diagnosis).error(), arguments.facts);
  for (const auto& warning : diagnosis->warnings) std::cerr << "warning: " << warning << '\n';
  if (auto printed = watch.print(arguments.json ? diagnosis_json(*diagnosis) : diagnosis_text(*diagnosis)); !printed) return printed;
  if (!arguments.strict || diagnosis->complaints() == 0) return {};
  return Error{ErrorCode::invalid_input, fmt::format("{} findings (--strict)", diagnosis->complaints())};
}

}  // namespace

Command doctor_command(CLI::App& parent) {
  auto a = std::make_shared<DoctorArguments>();
  auto* app = add_command(parent, "doctor", "What is wrong with this machine: what it costs, where it was read, what to do",
                          "p2plab doctor --record box.json");
  app->add_option("--facts", a->facts, "a machine that was recorded (also by topo detect --record), instead of this one")->type_name("FILE");
  app->add_option("--record", a->record, "write all that was read, so that it can be diagnosed elsewhere")->type_name("FILE");
  app->add_flag("--strict", a->strict, "exit with 1 if a fault, something slow or a risk was found");
  app->add_flag("--json", a->json, "print as JSON");
  return {app, [a](Watch& watch) { return look(*a, watch); }};
}

}  // namespace p2plab::cli
