// SPDX-License-Identifier: Apache-2.0
// p2plab import: another system's schedule as a plan of ours, proved on a machine.
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "p2plab/base/quantity.h"
#include "p2plab/detail/text.h"
#include "p2plab/plan/nccl_plan.h"
#include "p2plab/program/importer.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/schedule/verify.h"

namespace p2plab::cli {

namespace {

struct ImportPlanArguments {
  std::string file;
  std::string format = "msccl-xml";
  MachineArgument topology;
  std::string collective = "all_reduce";
  std::string size = "1 MiB";
  std::string dtype = "float32";
  std::string out;
  bool json = false;
};

Error other_machine(const std::string& path, std::size_t ranks, int there) {
  return Error{ErrorCode::invalid_input, fmt::format("the file is for {} GPUs, the machine has {}", ranks, there), SourceLocation{path}};
}

// An algorithm says its sizes; they stay with the plan, so that it can be written again as it was.
Result<PlanFile> algorithm_plan(const std::string& text, const ImportPlanArguments& arguments, const Topology& topology) {
  const auto first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && text[first] == '{';
  auto read = json ? import_mscclpp(text, arguments.file) : import_msccl(text, arguments.file);
  if (!read) return std::move(read).error();
  if (read->schedule.ranks() != topology.ranks())
    return other_machine(arguments.file, static_cast<std::size_t>(read->schedule.ranks()), topology.ranks());
  Plan plan{.schedule = std::move(read->schedule), .planner = read->name};
  constexpr std::int64_t unlimited = std::int64_t{1} << 40;
  auto to = read->to.count();
  if (arguments.format == "rccl-msccl") to = to == 0 ? unlimited : to + 1;  // RCCL includes it, and takes 0 for no limit
  plan.parameters = {{"min_bytes", std::to_string(read->from.count())}, {"max_bytes", std::to_string(to)}};
  plan.tuning.protocol = read->protocol;
  plan.reason = json ? "imported from an execution plan of MSCCL++" : "imported from MSCCL's XML";
  return PlanFile{topology, std::move(plan), {}, read->in_place};
}

Result<PlanFile> graph_plan(const std::string& text, const ImportPlanArguments& arguments, const Topology& topology) {
  const auto graphs = import_nccl_graphs(text, arguments.file);
  if (!graphs) return graphs.error();
  const auto kind = collective_kind(arguments.collective);
  if (!kind) return kind.error();
  const auto& graph = graphs->front();
  if (static_cast<int>(graph.orders.front().size()) != topology.ranks())
    return other_machine(arguments.file, graph.orders.front().size(), topology.ranks());
  nccl::Communicator communicator{.ranks = topology.ranks()};
  (graph.chain ? communicator.tree : communicator.ring).orders = graph.orders;
  const auto algorithm = graph.chain ? nccl::Algorithm::tree : nccl::Algorithm::ring;
  auto plan = nccl_plan(topology, make_collective(*kind, topology.ranks()), communicator, algorithm);
  if (!plan) return std::move(plan).error();
  plan->reason = "imported from NCCL's graph file";
  return PlanFile{topology, *std::move(plan), {}, false};
}

Status import_plan(const ImportPlanArguments& arguments, Watch& watch) {
  if (auto able = try_out(arguments.out); !able) return able;
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  const auto type = data_type(arguments.dtype);
  if (!type) return type.error();
  const auto size = read_option("--size", parse_bytes(arguments.size));
  if (!size) return size.error();
  constexpr std::int64_t longest = std::int64_t{64} << 20;
  const auto text = read_text_file(arguments.file, Bytes{longest});
  if (!text) return text.error();
  constexpr std::size_t head = 4096;
  const bool graph = std::string_view(*text).substr(0, head).find("<graphs") != std::string_view::npos;
  auto file = graph ? graph_plan(*text, arguments, *topology) : algorithm_plan(*text, arguments, *topology);
  if (!file) return std::move(file).error();
  file->payload = {.elements = size->count() / size_of(*type), .type = *type};
  const auto proof = verify(*topology, file->plan.schedule, {.in_place = file->in_place});
  if (!proof) return proof.error();
  const auto& collective = file->plan.schedule.collective();
  std::cerr << fmt::format("proved: {} among {} ranks of {}{}, {} steps\n", to_string(collective.kind), collective.members.size(), topology->name(),
                           file->in_place ? ", in place" : "", file->plan.schedule.step_count());
  const auto plan = write_plan(*file);
  if (arguments.out.empty()) return watch.print(plan);
  if (auto written = watch.write(arguments.out, plan); !written || !arguments.json) return written;
  const nlohmann::ordered_json said{{"file", arguments.out},
                                    {"proved", true},
                                    {"collective", to_string(collective.kind)},
                                    {"ranks", collective.members.size()},
                                    {"machine", topology->name()},
                                    {"in_place", file->in_place},
                                    {"steps", file->plan.schedule.step_count()}};
  return watch.print(said.dump(2) + "\n");
}

}  // namespace

Command import_plan_command(CLI::App& parent) {
  auto a = std::make_shared<ImportPlanArguments>();
  auto* app = add_command(parent, "import", "Read another system's schedule, prove it, and write it as a plan",
                          "p2plab import algorithm.xml --topology hgx-h200 --out plan.json");
  app->add_option("FILE", a->file, "MSCCL's XML in either dialect, MSCCL++'s JSON, or NCCL's graph file (its rings, else its chains)")->required();
  app->add_option("--format", a->format, "of an algorithm, whose reader it is for: do its sizes end below maxBytes, or there?")
      ->check(CLI::IsMember({"msccl-xml", "rccl-msccl"}))
      ->capture_default_str()
      ->type_name("F");
  add_machine_options(*app, a->topology, "--topology", "the machine: a file or a preset, as in hgx-h200:gpus=4")->required();
  app->add_option("--collective", a->collective, "what rings and chains do; an algorithm says it itself")->capture_default_str()->type_name("C");
  app->add_option("--size", a->size, "nccl-tests' size")->capture_default_str()->type_name("S");
  app->add_option("--dtype", a->dtype, "element type")->capture_default_str()->type_name("TYPE");
  app->add_option("--out", a->out, "the plan file (default: stdout)")->type_name("FILE");
  app->add_flag("--json", a->json, "print what was proved as JSON; without --out stdout is the plan, which is JSON");
  return {app, [a](Watch& watch) { return import_plan(*a, watch); }};
}

}  // namespace p2plab::cli
