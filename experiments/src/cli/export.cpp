// p2plab export: a plan in another system's format.
#include <iostream>

#include <fmt/format.h>

#include "arguments.h"
#include "command.h"
#include "p2plab/builtin_exporters.h"
#include "p2plab/lower.h"
#include "p2plab/plan_io.h"

namespace p2plab::cli {

namespace {

struct ExportArguments {
  std::string plan;
  std::string format;
  std::string out;
};

Status export_plan(const ExportArguments& arguments) {
  const auto exporters = builtin_exporters();
  auto entry = exporters.get("format", arguments.format);
  if (!entry) return std::move(entry).error();
  auto file = load_plan(arguments.plan);
  if (!file) return std::move(file).error();
  auto proof = verify(file->topology, Routes{file->topology}, file->plan.schedule, {.in_place = file->in_place});
  if (!proof) return std::move(proof).error();
  auto program = lower(file->plan.schedule, *proof, file->payload, file->plan.tuning);
  if (!program) return std::move(program).error();
  auto files = (*entry)->make()->write({&file->topology, &file->plan, &*program});
  if (!files) return std::move(files).error();
  if (arguments.out.empty() && files->size() == 1) {
    std::cout << files->front().content;
    return {};
  }
  if (arguments.out.empty()) {
    return Error{ErrorCode::usage, fmt::format("{} writes {} files; give --out NAME, to which {} and so on are added", arguments.format,
                                               files->size(), files->front().suffix)};
  }
  for (const auto& one : *files) {
    if (auto ok = write_text(arguments.out + one.suffix, one.content); !ok) return ok;
  }
  std::cerr << fmt::format("wrote {}{}\n", arguments.out,
                           files->size() == 1 ? "" : fmt::format("{} to {}", files->front().suffix, files->back().suffix));
  return {};
}

}  // namespace

Command export_command(CLI::App& parent) {
  auto a = std::make_shared<ExportArguments>();
  auto* app = add_command(parent, "export", "Write a plan in another system's format", "p2plab export --format goal plan.json --out plan.goal");
  app->add_option("PLAN", a->plan, "a file that `p2plab plan --out` wrote")->required();
  app->add_option("--format", a->format, "an exporter (p2plab list exporters)")->required()->type_name("F");
  app->add_option("--out", a->out, "the file, or what its files' names begin with (default: stdout)")->type_name("NAME");
  return {app, [a] { return export_plan(*a); }};
}

}  // namespace p2plab::cli
