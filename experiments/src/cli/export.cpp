// p2plab export: a plan, or the plans of a tuned table, in another system's format.
#include <iostream>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/program/builtin_exporters.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/plan_io.h"

namespace p2plab::cli {

namespace {

struct ExportArguments {
  std::string plan;
  std::string format;
  std::string out;
};

// One plan of the file that is exported. A tuned file has one for each band of sizes, which the names of its files tell apart.
struct Exported {
  PlanFile file;
  Bytes from = ExportJob{}.from;
  Bytes to = ExportJob{}.to;
  std::string band = {};
};

std::vector<Exported> bands_of(const TunedTable& table) {
  std::vector<Exported> all;
  for (const auto& band : table.bands) {
    const auto first = band.sizes.front().size;
    const Payload payload{.elements = first.count() / size_of(table.dtype), .type = table.dtype, .op = table.op};
    Exported one{.file = {.topology = table.topology, .plan = band.plan, .payload = payload, .in_place = table.in_place}};
    one.file.plan.tuning = band.sizes.front().tuning;
    one.band = fmt::format(".{}", first.count());
    if (!all.empty()) all.back().to = one.from = first;
    all.push_back(std::move(one));
  }
  return all;
}

Result<std::vector<Exported>> read(const std::string& path) {
  constexpr std::int64_t longest = std::int64_t{1} << 30;
  auto text = read_text_file(path, Bytes{longest});
  if (!text) return std::move(text).error();
  constexpr std::size_t head = 4096;
  if (std::string_view(*text).substr(0, head).find("p2plab_tuned") != std::string_view::npos) {
    const auto table = read_tuned(*text, path);
    if (!table) return table.error();
    return bands_of(*table);
  }
  auto file = read_plan(*text, path);
  if (!file) return std::move(file).error();
  return std::vector{Exported{*std::move(file)}};
}

Result<std::vector<ExportedFile>> written(const Exporter& exporter, const Exported& one) {
  const auto& [topology, plan, payload, in_place] = one.file;
  auto proof = verify(topology, Routes{topology}, plan.schedule, {.in_place = in_place});
  if (!proof) return std::move(proof).error();
  auto program = lower(plan.schedule, *proof, payload, plan.tuning);
  if (!program) return std::move(program).error();
  auto files = exporter.write({&topology, &plan, &*program, one.from, one.to});
  if (!files) return std::move(files).error();
  for (auto& file : *files) file.suffix = one.band + file.suffix;
  return files;
}

Status export_plans(const ExportArguments& arguments) {
  const auto exporters = builtin_exporters();
  auto entry = exporters.get("format", arguments.format);
  if (!entry) return std::move(entry).error();
  auto plans = read(arguments.plan);
  if (!plans) return std::move(plans).error();
  std::vector<ExportedFile> files;
  for (const auto& plan : *plans) {
    auto more = written(*(*entry)->make(), plan);
    if (!more) return std::move(more).error();
    files.insert(files.end(), std::make_move_iterator(more->begin()), std::make_move_iterator(more->end()));
  }
  if (arguments.out.empty() && files.size() == 1) {
    std::cout << files.front().content;
    return {};
  }
  if (arguments.out.empty()) {
    return Error{ErrorCode::usage,
                 fmt::format("{} files are to be written; give --out NAME, to which {} and so on are added", files.size(), files.front().suffix)};
  }
  for (const auto& one : files) {
    if (auto ok = write_text(arguments.out + one.suffix, one.content); !ok) return ok;
  }
  std::cerr << fmt::format("wrote {}{}\n", arguments.out,
                           files.size() == 1 ? files.front().suffix : fmt::format("{} to {}", files.front().suffix, files.back().suffix));
  return {};
}

}  // namespace

Command export_command(CLI::App& parent) {
  auto a = std::make_shared<ExportArguments>();
  auto* app = add_command(parent, "export", "Write a plan in another system's format", "p2plab export --format goal plan.json --out plan.goal");
  app->add_option("PLAN", a->plan, "a file that `p2plab plan --out` or `p2plab tune --out` wrote")->required();
  app->add_option("--format", a->format, "an exporter (p2plab list exporters)")->required()->type_name("F");
  app->add_option("--out", a->out, "the file, or what its files' names begin with (default: stdout)")->type_name("NAME");
  return {app, [a] { return export_plans(*a); }};
}

}  // namespace p2plab::cli
