// SPDX-License-Identifier: Apache-2.0
// p2plab verify: does a plan, or a program, do what its collective promises, on its machine?
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/detail/text.h"
#include "p2plab/program/check.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/program/program_io.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/schedule/order_of_sums.h"
#include "p2plab/schedule/verify.h"

namespace p2plab::cli {

namespace {

struct VerifyArguments {
  std::string plan;
  bool in_place = false;
  bool json = false;
  LimitArguments limits;
};

// The reader has proved the program already; here it is asked for what it looked at.
Status verify_program(const ProgramFile& file, const VerifyArguments& arguments, Watch& watch) {
  const auto& [topology, program] = file;
  const auto proof = check(topology, program);
  if (!proof) return in_file(proof.error(), arguments.plan);
  const auto& collective = program.collective;
  if (arguments.json) {
    const nlohmann::ordered_json json{{"verified", true},
                                      {"collective", to_string(collective.kind)},
                                      {"ranks", collective.members.size()},
                                      {"size_bytes", program.payload.size().count()},
                                      {"lanes", program.lanes.size()},
                                      {"instructions", program.instructions.size()},
                                      {"accesses", proof->accesses()},
                                      {"ordered_pairs", proof->pairs()},
                                      {"in_place", program.in_place}};
    return watch.print(json.dump(2) + "\n");
  }
  return watch.print(
      fmt::format("proved: {} of {} among {} ranks of {}{}, a program of {} instructions on {} lanes; {} accesses, {} pairs in order\n",
                  to_string(collective.kind), to_string(program.payload.size()), collective.members.size(), topology.name(),
                  program.in_place ? ", in place" : "", program.instructions.size(), program.lanes.size(), proof->accesses(), proof->pairs()));
}

Status verify_plan(const PlanFile& file, const VerifyArguments& arguments, Watch& watch) {
  const bool in_place = file.in_place || arguments.in_place;
  const auto& schedule = file.plan.schedule;
  auto proof = verify(file.topology, schedule, {.in_place = in_place});
  if (!proof) return in_file(std::move(proof).error(), arguments.plan);
  if (auto kept = keeps_order(schedule, in_place, file.order); !kept) return in_file(std::move(kept).error(), arguments.plan);
  const auto& collective = schedule.collective();
  if (arguments.json) {
    nlohmann::ordered_json json{{"verified", true},
                                {"collective", to_string(collective.kind)},
                                {"ranks", collective.members.size()},
                                {"steps", schedule.step_count()},
                                {"rounds", rounds(schedule)},
                                {"in_place", in_place}};
    if (!file.order.empty()) json["order"] = file.order;
    return watch.print(json.dump(2) + "\n");
  }
  return watch.print(fmt::format("proved: {} among {} ranks of {}{}, {} steps in {} rounds{}\n", to_string(collective.kind),
                                 collective.members.size(), file.topology.name(), in_place ? ", in place" : "", schedule.step_count(),
                                 rounds(schedule), file.order.empty() ? "" : fmt::format(", every element added in the order {}", file.order)));
}

Status verify_file(const VerifyArguments& arguments, Watch& watch) {
  if (auto limits = limits_from(arguments.limits, watch); !limits) return std::move(limits).error();
  const auto file = plan_or_program_from(arguments.plan);
  if (!file) return file.error();
  if (const auto* program = std::get_if<ProgramFile>(&*file)) return verify_program(*program, arguments, watch);
  return verify_plan(std::get<PlanFile>(*file), arguments, watch);
}

}  // namespace

Command verify_command(CLI::App& parent) {
  auto a = std::make_shared<VerifyArguments>();
  auto* app = add_command(parent, "verify", "Prove a plan or a program, or name the step that is wrong (exit code 3)", "p2plab verify plan.json");
  app->add_option("PLAN", a->plan, "a file that `p2plab plan` wrote with --out or --program")->required();
  app->add_flag("--in-place", a->in_place, "also where input and output share memory");
  app->add_flag("--json", a->json, "print as JSON");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return verify_file(*a, watch); }};
}

}  // namespace p2plab::cli
