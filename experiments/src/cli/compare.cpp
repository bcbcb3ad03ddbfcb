// SPDX-License-Identifier: Apache-2.0
// p2plab compare RUN_A RUN_B: two reports side by side.
#include "p2plab/report/compare.h"
#include "cli/command.h"

namespace p2plab::cli {

namespace {

struct CompareArguments {
  std::string a;
  std::string b;
  bool json = false;
};

Status compare_reports(const CompareArguments& arguments, Watch& watch) {
  auto a = read_report(arguments.a);
  if (!a) return std::move(a).error();
  auto b = read_report(arguments.b);
  if (!b) return std::move(b).error();
  const auto comparison = compare(*a, *b);
  return watch.print(arguments.json ? to_json(comparison) : to_text(comparison));
}

}  // namespace

Command compare_command(CLI::App& parent) {
  auto arguments = std::make_shared<CompareArguments>();
  auto* app = add_command(parent, "compare", "Two reports side by side, row by row", "p2plab compare out/before out/after");
  app->add_option("run_a", arguments->a, "report.json, or the folder that holds it")->required()->type_name("RUN_A");
  app->add_option("run_b", arguments->b, "the same of the other run")->required()->type_name("RUN_B");
  app->add_flag("--json", arguments->json, "print the comparison as JSON");
  return {app, [arguments](Watch& watch) { return compare_reports(*arguments, watch); }};
}

}  // namespace p2plab::cli
