// SPDX-License-Identifier: Apache-2.0
// p2plab topo: the machine as text, JSON, YAML or drawing; machines by name; descriptions of other tools.
#include <iostream>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/machines/hosts.h"
#include "cli/watch.h"
#include "p2plab/detail/text.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/machine/topology_view.h"
#include "p2plab/run/detect.h"

namespace p2plab::cli {

namespace {

struct TopoArguments {
  MachineArgument topology;
  std::string format;
  std::string gpu;
  bool yaml = false;
  bool json = false;
  bool dot = false;
  bool svg = false;
  bool slurm = false;
  std::string hosts;
  std::string out;
  LimitArguments limits;
};

// The machine in the format asked for; text if none is.
std::string shown(const Topology& topology, const TopoArguments& arguments) {
  if (arguments.yaml) return write_topology(topology);
  if (arguments.json) return topology_json(topology);
  if (arguments.dot) return topology_dot(topology);
  if (arguments.svg) return topology_svg(topology);
  return topology_text(topology) + sources_text(topology);
}

Status print(const std::string& text, const std::string& out, Watch& watch) { return out.empty() ? watch.print(text) : watch.write(out, text); }

Status show(const TopoArguments& arguments, Watch& watch) {
  if (auto limits = limits_from(arguments.limits, watch); !limits) return std::move(limits).error();
  if (auto able = try_out(arguments.out); !able) return able;
  auto topology = topology_from(arguments.topology);
  if (!topology) return std::move(topology).error();
  if (auto able = arguments.yaml ? try_text_of(*topology) : Status{}; !able) return able;
  if (auto able = arguments.yaml ? Status{} : afford_routes(topology->ranks(), watch); !able) return able;
  if (arguments.slurm) {
    const auto hosts = hosts_of(*topology, arguments.hosts);
    if (!hosts) return hosts.error();
    const auto text = topology_conf(*topology, *hosts);
    return text ? print(*text, arguments.out, watch) : text.error();
  }
  return print(shown(*topology, arguments), arguments.out, watch);
}

// By the format that is given, else by what the file looks like.
Result<Imported> load_as(const std::string& format, const std::string& path, const MachineAnswers& answers) {
  if (format == "infragraph" || (format.empty() && is_infragraph_file(path))) return load_infragraph(path, answers);
  if (format == "ibnetdiscover") return load_ibnetdiscover(path, answers);
  const bool xml = format == "nccl_xml" || (format.empty() && path.ends_with(".xml"));
  return xml ? load_nccl_xml(path, answers) : load_smi(path, answers);
}

Status import(const TopoArguments& arguments, Watch& watch) {
  if (auto able = try_out(arguments.out); !able) return able;
  auto words = arguments.topology.answers;
  if (!arguments.gpu.empty()) words.push_back("gpu=" + arguments.gpu);
  const auto answers = answers_from(words);
  if (!answers) return answers.error();
  auto imported = load_as(arguments.format, arguments.topology.name, *answers);
  if (!imported) return std::move(imported).error();
  for (const auto& warning : imported->warnings) std::cerr << "warning: " << warning << '\n';
  if (arguments.json) return print(topology_json(imported->topology), arguments.out, watch);
  return print(write_topology(imported->topology), arguments.out, watch);
}

Status print_presets(bool json, Watch& watch) {
  std::string text;
  if (json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& preset : builtin_presets()) {
      auto parameters = nlohmann::ordered_json::array();
      for (const auto& known : preset.parameters)
        parameters.push_back({{"name", known.name}, {"summary", known.summary}, {"default", known.fallback}});
      list.push_back({{"name", preset.name}, {"summary", preset.summary}, {"parameters", parameters}});
    }
    return watch.print(list.dump(2) + "\n");
  }
  for (const auto& preset : builtin_presets()) {
    std::string parameters;
    for (const auto& known : preset.parameters) parameters += fmt::format("{}{}={}", parameters.empty() ? ":" : ",", known.name, known.fallback);
    text += fmt::format("{:<14} {}\n{:<14} {}{}\n", preset.name, preset.summary, "", preset.name, parameters);
  }
  return watch.print(text);
}

// Flags of which one may be given.
void one_of(const std::vector<CLI::Option*>& flags) {
  for (auto* flag : flags) {
    for (auto* other : flags) {
      if (other != flag) flag->excludes(other);
    }
  }
}

Command show_command(CLI::App& topo) {
  auto a = std::make_shared<TopoArguments>();
  auto* app = add_command(topo, "show", "Matrix of routes, islands and narrowest cut of a machine", "p2plab topo show dgx-v100 --svg --out dgx.svg");
  add_machine_options(*app, a->topology, "topology", "a file or a preset, as in hgx-h200:gpus=4")->required();
  one_of({app->add_flag("--yaml", a->yaml, "p2plab's own description"), app->add_flag("--json", a->json, "all of it for scripts"),
          app->add_flag("--dot", a->dot, "for Graphviz"), app->add_flag("--svg", a->svg, "a drawing"),
          app->add_flag("--slurm", a->slurm, "its network as Slurm's topology.conf")});
  app->add_option("--hosts", a->hosts, "with --slurm: names of the servers' hosts in their order, as in node[01-04]")
      ->needs(app->get_option("--slurm"))
      ->type_name("LIST");
  app->add_option("--out", a->out, "write to this file")->type_name("FILE");
  add_memory_limit(*app, a->limits);
  return {app, [a](Watch& watch) { return show(*a, watch); }};
}

Command import_command(CLI::App& topo) {
  auto a = std::make_shared<TopoArguments>();
  auto* app = add_command(topo, "import", "Make a description from another tool's", "p2plab topo import --format smi topo.txt --out machine.yaml");
  add_machine_options(
      *app, a->topology, "file",
      "what NCCL_TOPO_DUMP_FILE, 'nvidia-smi topo -m', 'rocm-smi --showtopo', 'amd-smi topology' or ibnetdiscover wrote, or an InfraGraph")
      ->required()
      ->type_name("FILE");
  app->add_option("--format", a->format, "nccl_xml, smi, rocm, infragraph or ibnetdiscover, where the file does not tell by itself")
      ->check(CLI::IsMember({"nccl_xml", "smi", "rocm", "infragraph", "ibnetdiscover"}))
      ->type_name("F");
  app->add_option("--gpu", a->gpu, "with smi: which GPU these are, as in h200, where the text does not tell")->type_name("NAME");
  app->add_option("--out", a->out, "write to this file")->type_name("FILE");
  app->add_flag("--json", a->json, "all of the machine for scripts, instead of p2plab's own description");
  return {app, [a](Watch& watch) { return import(*a, watch); }};
}

// The facts as comments above the description, so that the file tells where it comes from.
std::string commented(const std::string& text) {
  std::string lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines += "# " + line + '\n';
  return lines;
}

std::string json_of(const Detected& detected) {
  using Json = nlohmann::ordered_json;
  auto facts = Json::array();
  for (const auto& fact : detected.facts) facts.push_back({{"subject", fact.subject}, {"fact", fact.fact}, {"source", fact.source}});
  const Json json{{"facts", std::move(facts)},
                  {"disagreements", detected.disagreements},
                  {"warnings", detected.warnings},
                  {"topology", Json::parse(topology_json(detected.topology), nullptr, false)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Status detect(const TopoArguments& arguments, const std::string& record, const std::string& replay, Watch& watch) {
  for (const auto* out : {&arguments.out, &record}) {
    if (auto able = try_out(*out); !able) return able;
  }
  const auto answers = answers_from(arguments.topology.answers);
  if (!answers) return answers.error();
  MachineFacts facts;
  if (replay.empty()) {
    facts = gather_facts();
  } else {
    auto text = read_text_file(replay, Bytes{16 << 20});
    if (!text) return std::move(text).error();
    auto read = read_facts(*text, replay);
    if (!read) return std::move(read).error();
    facts = *std::move(read);
  }
  auto recorded = record.empty() ? Status{} : watch.write(record, write_facts(facts));
  auto detected = build_machine(facts, *answers);
  if (!detected) return std::move(detected).error();
  for (const auto& warning : detected->warnings) std::cerr << "warning: " << warning << '\n';
  for (const auto& disagreement : detected->disagreements) std::cerr << "warning: the sources disagree: " << disagreement << '\n';
  const bool yaml = arguments.yaml || !arguments.out.empty();
  const auto text = arguments.json ? json_of(*detected)
                    : yaml         ? commented(facts_text(*detected)) + write_topology(detected->topology)
                                   : facts_text(*detected) + '\n' + shown(detected->topology, arguments);
  auto printed = print(text, arguments.out, watch);
  if (!recorded) return recorded;
  return printed;
}

Command detect_command(CLI::App& topo) {
  auto a = std::make_shared<TopoArguments>();
  auto record = std::make_shared<std::string>();
  auto replay = std::make_shared<std::string>();
  auto* app = add_command(topo, "detect", "Look at this machine: every fact with its source, and the machine that follows",
                          "p2plab topo detect --out machine.yaml");
  app->add_option("--machine", a->topology.answers, "an answer to what this machine does not tell, as in topo import")->type_name("KEY=VALUE");
  one_of({app->add_flag("--yaml", a->yaml, "p2plab's own description, the facts as comments (also with --out alone)"),
          app->add_flag("--json", a->json, "facts and machine for scripts")});
  app->add_option("--out", a->out, "write to this file")->type_name("FILE");
  app->add_option("--record", *record, "write the facts themselves, so that this machine can be built elsewhere")->type_name("FILE");
  app->add_option("--facts", *replay, "build the machine whose facts were recorded, instead of looking")->type_name("FILE");
  return {app, [a, record, replay](Watch& watch) { return detect(*a, *record, *replay, watch); }};
}

}  // namespace

std::vector<Command> topo_commands(CLI::App& parent) {
  auto* topo = add_command(parent, "topo", "The machine as graph, matrix, islands and cuts", "p2plab topo show dgx-v100");
  topo->require_subcommand(1);
  auto* listed = add_command(*topo, "presets", "Machines by name, with their parameters", "p2plab topo presets");
  auto json = std::make_shared<bool>(false);
  listed->add_flag("--json", *json, "print as JSON");
  return {show_command(*topo), {listed, [json](Watch& watch) { return print_presets(*json, watch); }}, import_command(*topo), detect_command(*topo)};
}

}  // namespace p2plab::cli
