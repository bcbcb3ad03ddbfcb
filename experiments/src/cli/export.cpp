// SPDX-License-Identifier: Apache-2.0
// p2plab export: a plan, or the plans of a tuned table, in another system's format.
#include <iostream>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/program/builtin_exporters.h"
#include "p2plab/program/check.h"
#include "p2plab/program/plan_io.h"

namespace p2plab::cli {

namespace {

struct ExportArguments {
  std::string plan;
  std::string format;
  std::string out;
  LimitArguments limits;
  bool json = false;
};

// One plan of the file that is exported, lowered. A tuned file has one for each band of sizes.
struct Exported {
  PlanFile file;
  Bytes from = ExportJob{}.from;
  Bytes to = ExportJob{}.to;
  Program program = {};
};

std::vector<Exported> exported_bands(const TunedTable& table) {
  std::vector<Exported> all;
  for (const auto& band : table.bands) {
    const auto first = band.sizes.front().size;
    const Payload payload{.elements = first.count() / size_of(table.dtype), .type = table.dtype, .op = table.op};
    Exported one{.file = {.topology = table.topology, .plan = band.plan, .payload = payload, .in_place = table.in_place}};
    one.file.plan.tuning = band.sizes.front().tuning;
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
    return exported_bands(*table);
  }
  auto file = read_plan(*text, path);
  if (!file) return std::move(file).error();
  Exported one{*std::move(file)};
  // Imported plans keep the sizes that they were for.
  const auto& parameters = one.file.plan.parameters;
  if (parameters.contains("min_bytes") && parameters.contains("max_bytes")) {
    constexpr std::int64_t most = std::int64_t{1} << 50;
    const auto from = integer_parameter(parameters, "min_bytes", 0, most);
    const auto to = integer_parameter(parameters, "max_bytes", 0, most);
    if (!from) return from.error();
    if (!to) return to.error();
    one.from = Bytes{*from};
    one.to = Bytes{*to};
  }
  return std::vector{std::move(one)};
}

Status lower_for(const Exporter& exporter, Exported& one) {
  const auto& [topology, plan, payload, in_place, warnings, order] = one.file;
  auto proof = verify(topology, plan.schedule, {.in_place = in_place});
  if (!proof) return std::move(proof).error();
  const auto cut = exporter.even_chunks() ? even_payload(plan.schedule, payload) : payload;
  auto program = lower_checked(topology, plan.schedule, *proof, cut, plan.tuning);
  if (!program) return std::move(program).error();
  one.program = *std::move(program);
  return {};
}

Result<std::vector<ExportedFile>> written(const Exporter& exporter, std::vector<Exported>& plans) {
  std::vector<ExportJob> jobs;
  for (auto& one : plans) {
    if (auto lowered = lower_for(exporter, one); !lowered) return std::move(lowered).error();
    jobs.push_back({&one.file.topology, &one.file.plan, &one.program, one.from, one.to});
  }
  return exporter.write_table(jobs);
}

// Where several files are written, what tells them apart stands before the ending: algorithm.from_4096.xml.
std::string path_of(const std::string& out, const std::string& suffix, const std::string& extension) {
  if (suffix.empty() || extension.empty()) return out + suffix;
  return (out.ends_with(extension) ? out.substr(0, out.size() - extension.size()) : out) + suffix + extension;
}

Status export_plans(const ExportArguments& arguments, Watch& watch) {
  if (auto limits = limits_from(arguments.limits, watch); !limits) return std::move(limits).error();
  if (auto able = try_out(arguments.out); !able) return able;
  if (arguments.json && arguments.out.empty()) return Error{ErrorCode::usage, "--json tells the files that --out NAME writes; give that, too"};
  const auto exporters = builtin_exporters();
  auto entry = exporters.get("format", arguments.format);
  if (!entry) return std::move(entry).error();
  auto plans = read(arguments.plan);
  if (!plans) return std::move(plans).error();
  const auto exporter = (*entry)->make();
  const auto files = written(*exporter, *plans);
  if (!files) return in_file(files.error(), arguments.plan);
  if (arguments.out.empty() && files->size() == 1) {
    return watch.print(files->front().content);
  }
  if (arguments.out.empty()) {
    return Error{ErrorCode::usage,
                 fmt::format("{} files are to be written; give --out NAME, to which {} and so on are added", files->size(), files->front().suffix)};
  }
  std::vector<std::string> paths;
  for (const auto& one : *files) {
    paths.push_back(path_of(arguments.out, one.suffix, exporter->extension()));
    if (auto ok = watch.write(paths.back(), one.content); !ok) return ok;
  }
  if (arguments.json) {
    auto list = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < paths.size(); ++i) list.push_back({{"file", paths[i]}, {"bytes", (*files)[i].content.size()}});
    return watch.print(
        nlohmann::ordered_json{{"format", arguments.format}, {"files", list}}.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
        "\n");
  }
  std::cerr << fmt::format("wrote {}{}\n", paths.front(), paths.size() == 1 ? "" : " to " + paths.back());
  std::cerr << exporter->how_to_load(paths.size() == 1 ? paths.front() : fmt::format("{}...{}", paths.front(), paths.back())) << '\n';
  return {};
}

}  // namespace

Command export_command(CLI::App& parent) {
  auto a = std::make_shared<ExportArguments>();
  auto* app = add_command(parent, "export", "Write a plan in another system's format", "p2plab export --format goal plan.json --out plan.goal");
  app->add_option("PLAN", a->plan, "a file that `p2plab plan --out` or `p2plab tune --out` wrote")->required();
  app->add_option("--format", a->format, "an exporter (p2plab list exporters)")->required()->type_name("F");
  app->add_option("--out", a->out, "the file, or what its files' names begin with (default: stdout)")->type_name("NAME");
  app->add_flag("--json", a->json, "with --out: print the files that were written as JSON");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return export_plans(*a, watch); }};
}

}  // namespace p2plab::cli
