// SPDX-License-Identifier: Apache-2.0
// p2plab compare BASELINE RUN...: reports beside a baseline.
#include "p2plab/report/compare.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/terminal.h"

namespace p2plab::cli {

namespace {

struct CompareArguments {
  std::string baseline;
  std::vector<std::string> runs;
  std::string fail_above;
  bool json = false;
  TerminalArguments terminal;
};

// "3%", "3 %" and "3" are the factor 1.03.
Result<std::optional<double>> limit_from(const std::string& text) {
  if (text.empty()) return std::optional<double>{};
  double percent = -1;
  const auto* end = text.data() + text.size();
  const auto [rest, fault] = std::from_chars(text.data(), end, percent);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (fault != std::errc{} || !(percent >= 0) || !std::isfinite(percent) || (!unit.empty() && unit != "%" && unit != " %"))
    return Error{ErrorCode::usage, fmt::format("--fail-above: expected percent from 0 on, got '{}'", text), std::nullopt, {"write it as 3%"}};
  return std::optional(1 + percent / 100);
}

// For those who are told by an exit code.
Status within(std::optional<double> limit, const std::string& words, std::span<const Comparison> comparisons) {
  if (!limit) return {};
  for (const auto& comparison : comparisons) {
    bool judged = false;
    for (const auto& verdict : comparison.verdicts()) judged = judged || verdict.rows > 0;
    if (!judged) return Error{ErrorCode::unsupported, fmt::format("nothing in {} could be judged (--fail-above)", comparison.b.name)};
  }
  auto slower = slower_than(*limit, comparisons);
  if (slower.empty()) return {};
  return Error{ErrorCode::unsupported, fmt::format("slower than the baseline by more than --fail-above {}", words), std::nullopt, std::move(slower)};
}

Status compare_reports(const CompareArguments& arguments, Watch& watch) {
  const auto limit = limit_from(arguments.fail_above);
  if (!limit) return limit.error();
  auto baseline = read_report(arguments.baseline);
  if (!baseline) return std::move(baseline).error();
  std::vector<Comparison> comparisons;
  for (const auto& run : arguments.runs) {
    auto report = read_report(run);
    if (!report) return std::move(report).error();
    comparisons.push_back(compare(*baseline, *report));
  }
  if (auto printed = watch.print(arguments.json ? to_json(comparisons) : to_text(comparisons, layout_of(arguments.terminal))); !printed)
    return printed;
  return within(*limit, arguments.fail_above, comparisons);
}

}  // namespace

Command compare_command(CLI::App& parent) {
  auto arguments = std::make_shared<CompareArguments>();
  auto* app = add_command(parent, "compare", "Reports beside a baseline: what differs, and is it more than chance?",
                          "p2plab compare out/baseline out/today --fail-above 3%");
  app->add_option("baseline", arguments->baseline, "report.json, or the folder that holds it")->required()->type_name("BASELINE");
  app->add_option("run", arguments->runs, "the same of the runs to be judged")->required()->type_name("RUN");
  app->add_option("--fail-above", arguments->fail_above, "exit code 1 if something is slower by more than so many percent, beyond chance")
      ->type_name("PERCENT");
  app->add_flag("--json", arguments->json, "print the comparison as JSON");
  add_terminal_options(*app, arguments->terminal);
  return {app, [arguments](Watch& watch) { return compare_reports(*arguments, watch); }};
}

}  // namespace p2plab::cli
