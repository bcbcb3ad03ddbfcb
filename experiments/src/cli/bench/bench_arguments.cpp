// SPDX-License-Identifier: Apache-2.0
#include "cli/bench/bench_arguments.h"

#include <ostream>

#include <fmt/format.h>

#include "config/topology_source.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"

namespace p2plab::cli {

Result<BenchOptions> options_from(const BenchArguments& a, int ranks) {
  BenchOptions options{.algorithm = {a.algorithm},
                       .factor = a.factor,
                       .iterations = a.iterations,
                       .warmup = a.warmup,
                       .check = a.check != 0,
                       .blocking = a.blocking != 0,
                       .graphs = a.graphs};
  auto kind = collective_kind(a.collective);
  if (!kind) return std::move(kind).error();
  options.collective = *kind;
  if (auto known = known_algorithm(a.algorithm); !known) return std::move(known).error();
  auto parameters = parameter_list(a.algorithm, a.set);
  if (!parameters) return std::move(parameters).error();
  options.algorithm.parameters = *std::move(parameters);
  for (const auto& [text, size] : {std::pair{&a.from, &options.from}, {&a.to, &options.to}}) {
    auto parsed = parse_bench_size(*text);
    if (!parsed) return std::move(parsed).error();
    *size = *parsed;
  }
  if (!a.step.empty()) {
    auto step = parse_bench_size(a.step);
    if (!step) return std::move(step).error();
    options.step = *step;
  }
  auto types = parse_bench_types(a.type);
  if (!types) return std::move(types).error();
  options.types = *std::move(types);
  auto ops = parse_bench_ops(a.op);
  if (!ops) return std::move(ops).error();
  options.ops = *std::move(ops);
  if (a.root < 0 || a.root >= ranks) return Error{ErrorCode::invalid_input, fmt::format("root {} is out of range 0..{}", a.root, ranks - 1)};
  options.root = Rank{a.root};
  options.registration = static_cast<Registration>(a.registration);
  options.staged = a.staged;
  return options;
}

namespace {

std::string more_ranks(const BenchArguments& a, int ranks, const Topology& whole) {
  if (a.executor == "host" && a.topology.empty() && !a.launch.launched) return ranks > 1 ? "" : "-g N or --processes N runs N";
  if (ranks == whole.ranks()) return {};
  const auto how = a.launch.launched ? std::string{"as many processes run all"} : fmt::format("-g {0} or --processes {0} runs all", whole.ranks());
  return fmt::format("{} has {}: {}", whole.name(), whole.ranks(), how);
}

}  // namespace

Result<BenchMachine> machine_for(const BenchArguments& a, int ranks, std::ostream& notes) {
  std::vector<std::string> warnings;
  auto topology = !a.topology.empty()    ? resolve_machine(a.topology, &warnings)
                  : a.executor == "host" ? make_preset("full-mesh", {{"gpus", fmt::format("{}", ranks)}})
                                         : detect_topology(&warnings);
  if (!topology) return std::move(topology).error();
  for (const auto& warning : warnings) notes << "warning: " << warning << '\n';
  if (ranks > topology->ranks()) {
    return Error{ErrorCode::invalid_input, fmt::format("{}, but {} has {} GPUs",
                                                       a.launch.launched ? fmt::format("this job has {} ranks", ranks)
                                                                         : fmt::format("{} ranks are asked for (-t times -g, or --processes)", ranks),
                                                       topology->name(), topology->ranks())};
  }
  std::vector<Rank> first;
  for (int r = 0; r < ranks; ++r) first.emplace_back(r);
  auto kept = keep_gpus(*topology, first);
  if (!kept) return std::move(kept).error();
  return BenchMachine{*std::move(kept), more_ranks(a, ranks, *topology)};
}

StartedWith started_with(const BenchArguments& a, const Topology& topology) {
  std::string set;
  for (const auto& one : a.set) set += (set.empty() ? "" : " ") + one;
  return {{"--executor", a.executor},
          {"the machine", fmt::format("{} (fingerprint {})", topology.name(), topology.fingerprint())},
          {"--collective", a.collective},
          {"--algorithm", a.algorithm},
          {"--set", set.empty() ? "nothing" : set},
          {"--plan", a.plan.empty() ? "nothing" : "a file"},
          {"--minbytes", a.from},
          {"--maxbytes", a.to},
          {"--stepbytes", a.step.empty() ? "nothing" : a.step},
          {"--stepfactor", fmt::format("{}", a.factor)},
          {"--datatype", a.type},
          {"--op", a.op},
          {"--iters", fmt::format("{}", a.iterations)},
          {"--warmup_iters", fmt::format("{}", a.warmup)},
          {"--root", fmt::format("{}", a.root)},
          {"--check", fmt::format("{}", a.check)},
          {"--cudagraph", fmt::format("{}", a.graphs)}};
}

}  // namespace p2plab::cli
