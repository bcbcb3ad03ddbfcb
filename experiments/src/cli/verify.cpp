// SPDX-License-Identifier: Apache-2.0
// p2plab verify: does a plan do what its collective promises, on its machine?
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/schedule/verify.h"

namespace p2plab::cli {

namespace {

struct VerifyArguments {
  std::string plan;
  bool in_place = false;
  bool json = false;
};

Status verify_plan(const VerifyArguments& arguments) {
  auto file = plan_from(arguments.plan);
  if (!file) return std::move(file).error();
  const bool in_place = file->in_place || arguments.in_place;
  const auto& schedule = file->plan.schedule;
  auto proof = verify(file->topology, Routes{file->topology}, schedule, {.in_place = in_place});
  if (!proof) return std::move(proof).error();
  const auto& collective = schedule.collective();
  if (arguments.json) {
    const nlohmann::ordered_json json{{"verified", true},
                                      {"collective", to_string(collective.kind)},
                                      {"ranks", collective.members.size()},
                                      {"steps", schedule.step_count()},
                                      {"rounds", rounds(schedule)},
                                      {"in_place", in_place}};
    std::cout << json.dump(2) << '\n';
    return {};
  }
  std::cout << fmt::format("proved: {} among {} ranks of {}{}, {} steps in {} rounds\n", to_string(collective.kind), collective.members.size(),
                           file->topology.name(), in_place ? ", in place" : "", schedule.step_count(), rounds(schedule));
  return {};
}

}  // namespace

Command verify_command(CLI::App& parent) {
  auto a = std::make_shared<VerifyArguments>();
  auto* app = add_command(parent, "verify", "Prove a plan file, or name the step that is wrong (exit code 3)", "p2plab verify plan.json");
  app->add_option("PLAN", a->plan, "a file that `p2plab plan --out` wrote")->required();
  app->add_flag("--in-place", a->in_place, "also where input and output share memory");
  app->add_flag("--json", a->json, "print as JSON");
  return {app, [a] { return verify_plan(*a); }};
}

}  // namespace p2plab::cli
