// p2plab topo: the machine as text, JSON, YAML or drawing; machines by name; descriptions of other tools.
#include <iostream>

#include <fmt/format.h>

#include "arguments.h"
#include "command.h"
#include "p2plab/presets.h"
#include "p2plab/topology_import.h"
#include "p2plab/topology_io.h"
#include "p2plab/topology_view.h"

namespace p2plab::cli {

namespace {

struct TopoArguments {
  std::string topology;
  std::string format;
  std::string gpu;
  bool yaml = false;
  bool json = false;
  bool dot = false;
  bool svg = false;
  std::string out;
};

// The machine in the form asked for; text if none is.
std::string shown(const Topology& topology, const TopoArguments& arguments) {
  if (arguments.yaml) return write_topology(topology);
  if (arguments.json) return topology_json(topology, Routes(topology));
  if (arguments.dot) return topology_dot(topology);
  if (arguments.svg) return topology_svg(topology);
  return topology_text(topology, Routes(topology));
}

Status print(const std::string& text, const std::string& out) {
  if (!out.empty()) return write_text(out, text);
  std::cout << text;
  return {};
}

Status show(const TopoArguments& arguments) {
  auto topology = resolve_topology(arguments.topology);
  if (!topology) return std::move(topology).error();
  return print(shown(*topology, arguments), arguments.out);
}

Status import(const TopoArguments& arguments) {
  auto imported = arguments.format == "smi" ? load_smi(arguments.topology, {.gpu = arguments.gpu}) : load_nccl_xml(arguments.topology);
  if (!imported) return std::move(imported).error();
  for (const auto& warning : imported->warnings) std::cerr << "warning: " << warning << '\n';
  return print(write_topology(imported->topology), arguments.out);
}

Status presets() {
  for (const auto& preset : builtin_presets()) {
    std::string parameters;
    for (const auto& known : preset.parameters) parameters += fmt::format("{}{}={}", parameters.empty() ? ":" : ",", known.name, known.fallback);
    std::cout << fmt::format("{:<14} {}\n{:<14} {}{}\n", preset.name, preset.summary, "", preset.name, parameters);
  }
  return {};
}

Command show_command(CLI::App& topo) {
  auto a = std::make_shared<TopoArguments>();
  auto* app = add_command(topo, "show", "Matrix of routes, islands and narrowest cut of a machine", "p2plab topo show dgx-v100 --svg --out dgx.svg");
  app->add_option("topology", a->topology, "a file or a preset, as in hgx-h200:gpus=4")->required()->type_name("T");
  auto* forms = app->add_option_group("form");
  forms->add_flag("--yaml", a->yaml, "p2plab's own description");
  forms->add_flag("--json", a->json, "all of it for scripts");
  forms->add_flag("--dot", a->dot, "for Graphviz");
  forms->add_flag("--svg", a->svg, "a drawing");
  forms->require_option(0, 1);
  app->add_option("--out", a->out, "write to this file")->type_name("FILE");
  return {app, [a] { return show(*a); }};
}

Command import_command(CLI::App& topo) {
  auto a = std::make_shared<TopoArguments>();
  auto* app = add_command(topo, "import", "Make a description from another tool's", "p2plab topo import --format smi topo.txt --out machine.yaml");
  app->add_option("file", a->topology, "what NCCL_TOPO_DUMP_FILE or 'nvidia-smi topo -m' wrote")->required()->type_name("FILE");
  app->add_option("--format", a->format, "nccl_xml or smi")->required()->check(CLI::IsMember({"nccl_xml", "smi"}))->type_name("F");
  app->add_option("--gpu", a->gpu, "with smi: which GPU these are, as in h200, where the text does not tell")->type_name("NAME");
  app->add_option("--out", a->out, "write to this file")->type_name("FILE");
  return {app, [a] { return import(*a); }};
}

Command detect_command(CLI::App& topo) {
  auto* app = add_command(topo, "detect", "Look at this machine (needs a build with CUDA)", "p2plab topo detect > machine.yaml");
  return {app, [] {
            return Status{Error{ErrorCode::not_built,
                                "this build cannot look at the machine's GPUs: it has no CUDA executor",
                                std::nullopt,
                                {"nvidia-smi topo -m > topo.txt; p2plab topo import --format smi topo.txt --out machine.yaml"}}};
          }};
}

}  // namespace

std::vector<Command> topo_commands(CLI::App& parent) {
  auto* topo = add_command(parent, "topo", "The machine as graph, matrix, islands and cuts", "p2plab topo show dgx-v100");
  topo->require_subcommand(1);
  auto* listed = add_command(*topo, "presets", "Machines by name, with their parameters", "p2plab topo presets");
  return {show_command(*topo), {listed, presets}, import_command(*topo), detect_command(*topo)};
}

}  // namespace p2plab::cli
