// SPDX-License-Identifier: Apache-2.0
// p2plab tune: which plan for which size, as a table and as a file that runs take.
#include <unistd.h>

#include <charconv>
#include <iostream>
#include <sstream>

#include <fmt/format.h>

#include "bench/led.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "config/launched.h"
#include "config/topology_source.h"
#include "p2plab/base/quantity.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/report/provenance.h"
#include "p2plab/run/detect.h"
#include "run/executors.h"

namespace p2plab::cli {

namespace {

constexpr std::size_t most_sizes = 64;

struct TuneArguments {
  MachineArgument topology;
  GroupArguments group;
  std::string sizes = "1 KiB..256 MiB";
  int factor = 4;
  std::string dtype = "float32";
  std::string profile;
  std::string out;
  std::string executor;
  std::string order = "any";
  std::string rows;
  LimitArguments limits;
  int candidates = TuneMeasuring{}.candidates;
  bool gpu = false;
  bool in_place = false;
  bool json = false;
  LaunchArguments launch;
};

// "1 KiB..512 MiB" with a factor between sizes.
Result<std::vector<Bytes>> sizes_from(const TuneArguments& arguments, DataType type) {
  const auto dots = arguments.sizes.find("..");
  if (dots == std::string::npos) return Error{ErrorCode::usage, fmt::format("expected sizes such as '1 KiB..256 MiB', got '{}'", arguments.sizes)};
  auto from = read_option("--sizes", parse_bytes(arguments.sizes.substr(0, dots)));
  if (!from) return std::move(from).error();
  auto to = read_option("--sizes", parse_bytes(arguments.sizes.substr(dots + 2)));
  if (!to) return std::move(to).error();
  if (from->count() < 1 || *to < *from) return Error{ErrorCode::usage, "the first size must be positive and at most the last"};
  if (arguments.factor < 2 || arguments.factor > 1024)
    return Error{ErrorCode::usage, fmt::format("--factor must be from 2 to 1024, got {}", arguments.factor)};
  std::vector<Bytes> sizes;
  for (auto size = *from; size <= *to && sizes.size() < most_sizes && size.count() > 0; size = size * arguments.factor) {
    if (size.count() % size_of(type) != 0) {
      return Error{ErrorCode::invalid_input,
                   fmt::format("{} is not a multiple of the element size: {} has {} bytes", to_string(size), to_string(type), size_of(type))};
    }
    sizes.push_back(size);
  }
  return sizes;
}

Result<std::string> file_text(const TunedTable& table, const std::string& path) {
  return path.ends_with(".json") ? write_tuned_json(table) : write_tuned_yaml(table);
}

// "6144", "6144:layer", "8192:rms:token": rows that follow an all-reduce.
Result<std::optional<Epilogue>> rows_from(const TuneArguments& arguments) {
  if (arguments.rows.empty()) return std::optional<Epilogue>{};
  std::vector<std::string> words;
  std::istringstream text(arguments.rows);
  for (std::string word; std::getline(text, word, ':');) words.push_back(word);
  Epilogue rows;
  const auto& hidden = words.front();
  const auto [end, fault] = std::from_chars(hidden.data(), hidden.data() + hidden.size(), rows.hidden);
  if (fault != std::errc{} || end != hidden.data() + hidden.size() || words.size() > 3)
    return Error{ErrorCode::usage,
                 fmt::format("--rows is HIDDEN, HIDDEN:NORM or HIDDEN:NORM:FLOAT8, as in 8192:rms:token; got '{}'", arguments.rows)};
  if (words.size() > 1) {
    const auto norm = norm_kind(words[1]);
    if (!norm) return norm.error();
    rows.norm = *norm;
  }
  if (words.size() > 2) {
    const auto float8 = float8_kind(words[2]);
    if (!float8) return float8.error();
    rows.float8 = *float8;
  }
  return std::optional{rows};
}

// What plans are timed on; NCCL beside GPUs, if it is there.
class Timers {
 public:
  /// `name` may be empty: then nothing is timed. Errors: those of the executor, if it cannot run here.
  /// `leader`: of the processes that time them together, or null.
  static Result<Timers> of(const std::string& name, int candidates, int ranks, Leader* leader) {
    Timers timers;
    if (name.empty()) return timers;
    if (name != "cuda" && name != "host") return unknown_name("executor that times plans", name, {"cuda", "host"});
    timers.ours_ = leader != nullptr ? leader->executor(name) : make_executor(name);
    if (auto ready = timers.ours_ ? timers.ours_->available() : executor_state(name); !ready) {
      auto error = std::move(ready).error();
      error.notes.emplace_back("without --gpu and --executor the prediction chooses, on any computer");
      return error;
    }
    auto on = here(name, ranks, leader);
    if (!on) return std::move(on).error();
    timers.measuring_ = TuneMeasuring{.ours = timers.ours_.get(), .candidates = candidates, .on = *std::move(on)};
    if (name == "cuda") timers.add_nccl(leader);
    return timers;
  }
  const std::optional<TuneMeasuring>& measuring() const { return measuring_; }

 private:
  static Result<MeasuredOn> here(const std::string& name, int ranks, Leader* leader) {
    const auto provenance = provenance_here();
    MeasuredOn on{.executor = name, .version = provenance.version, .date = provenance.date};
    if (name != "cuda") return on;
    const auto facts = gather_facts();
    on.driver = facts.driver;
    if (leader != nullptr) {
      auto gpus = leader->gpus();
      if (!gpus) return std::move(gpus).error();
      on.gpus = *std::move(gpus);
      return on;
    }
    for (const auto& gpu : facts.cuda) {
      if (static_cast<int>(on.gpus.size()) < ranks) on.gpus.push_back(gpu.name);
    }
    return on;
  }

  void add_nccl(Leader* leader) {
    nccl_ = leader != nullptr ? leader->executor("nccl") : make_executor("nccl");
    if (const auto ready = nccl_ ? nccl_->available() : executor_state("nccl"); !ready) {
      measuring_->on.notes.push_back("NCCL was not timed: " + ready.error().message);
      return;
    }
    measuring_->nccl = nccl_.get();
  }

  std::unique_ptr<Executor> ours_;
  std::unique_ptr<Executor> nccl_;
  std::optional<TuneMeasuring> measuring_;
};

// The machine that is named; where plans are timed on GPUs, this one by default.
Result<Topology> machine_from(const TuneArguments& arguments, const std::string& executor) {
  if (!arguments.topology.empty()) return topology_from(arguments.topology);
  if (executor != "cuda")
    return Error{ErrorCode::usage, "--topology is required: the machine to tune for", std::nullopt, {"with --gpu it is this one by default"}};
  std::vector<std::string> warnings;
  auto topology = detect_topology(&warnings);
  for (const auto& warning : warnings) std::cerr << "warning: " << warning << '\n';
  return topology;
}

// A table for a machine that costs nothing would be made for none that is; so that one is to be asked for.
Result<Profile> profile_for(const TuneArguments& arguments, const Topology& topology) {
  auto profile = quiet_profile_from(arguments.profile, topology);
  if (!profile || !arguments.profile.empty() || profile->name != Profile{}.name) return profile;
  return Error{ErrorCode::invalid_input,
               why_no_profile() + ": a table for an ideal machine would be wrong for a real one",
               std::nullopt,
               {"--profile h200, or another name or file, says what they cost; --machine gpu=h100 names the GPUs of a text or an XML file",
                "--profile ideal makes the table of the ideal machine"}};
}

Result<std::string> executor_of(const TuneArguments& arguments) {
  if (!arguments.gpu || arguments.executor.empty() || arguments.executor == "cuda") return arguments.gpu ? "cuda" : arguments.executor;
  return Error{ErrorCode::usage, fmt::format("--gpu times plans on executor cuda, --executor says {}", arguments.executor)};
}

// Writes and prints what was found, and says what is missing of `wanted` sizes.
Status give(const TuneArguments& arguments, const Result<TunedTable>& table, std::size_t wanted, Watch& watch) {
  if (!table) return table.error();
  Status written;
  if (!arguments.out.empty()) {
    const auto text = file_text(*table, arguments.out);
    if (!text) return text.error();
    written = watch.write(arguments.out, *text);
    if (written) std::cerr << fmt::format("table written to {}\n", arguments.out);
  }
  const auto text = arguments.json ? write_tuned_json(*table) : Result<std::string>{to_text(*table)};
  if (!text) return text.error();
  if (auto printed = watch.print_after(std::move(written), *text); !printed) return printed;
  std::size_t held = 0;
  for (const auto& band : table->bands) held += band.sizes.size();
  const auto holds = fmt::format("the table holds {} of {} sizes", held, wanted);
  if (watch.asked()) return Error{ErrorCode::interrupted, "interrupted: " + holds};
  if (held < wanted) std::cerr << fmt::format("note: the time was not enough for all: {}\n", holds);
  return {};
}

Status tune_machine(const TuneArguments& arguments, Leader* leader, Watch& watch) {
  auto limit = limits_from(arguments.limits, watch);
  if (!limit) return std::move(limit).error();
  if (auto able = try_out(arguments.out); !able) return able;
  const auto executor = executor_of(arguments);
  if (!executor) return executor.error();
  auto topology = machine_from(arguments, *executor);
  if (!topology) return std::move(topology).error();
  if (auto all = leader != nullptr ? check_ranks(topology->name(), topology->ranks(), leader->ranks()) : Status{}; !all) return all;
  if (auto able = arguments.out.empty() ? Status{} : try_text_of(*topology); !able) return able;
  auto collective = collective_from(arguments.group, topology->ranks());
  if (!collective) return std::move(collective).error();
  auto type = data_type(arguments.dtype);
  if (!type) return std::move(type).error();
  auto sizes = sizes_from(arguments, *type);
  if (!sizes) return std::move(sizes).error();
  auto profile = profile_for(arguments, *topology);
  if (!profile) return std::move(profile).error();
  if (leader == nullptr && !executor->empty()) say_that_ranks_run_alone();
  const auto timers = Timers::of(*executor, arguments.candidates, topology->ranks(), leader);
  if (!timers) return timers.error();
  const auto forms = *executor == "cuda" ? PlanForms::gpu : *executor == "host" ? PlanForms::model : usual_forms(*profile);
  const Evaluator evaluator(*topology, *profile, {.forms = forms});
  TuneOptions options{.sizes = *std::move(sizes), .dtype = *type, .in_place = arguments.in_place, .stop = [&watch] { return watch.asked(); }};
  options.measuring = timers->measuring();
  options.fixed_order = arguments.order == "fixed";
  auto rows = rows_from(arguments);
  if (!rows) return std::move(rows).error();
  if (*rows && executor->empty()) return Error{ErrorCode::usage, "--rows is timed beside the plans: it needs --gpu or --executor", std::nullopt, {}};
  if (*rows) {
    const auto fits = check_epilogue(**rows, *collective, {.elements = (*rows)->hidden, .type = *type});
    if (!fits) return fits.error();
  }
  options.rows = *rows;
  if (*limit) options.time_limit = watch.time_left().value_or(**limit);
  watch.stops_when_asked();
  const auto progress = isatty(STDERR_FILENO) != 0 ? terminal_progress(std::cerr) : plain_progress(std::cerr);
  options.found = [&](const std::function<Result<TunedTable>()>& so_far) {
    watch.keep([&, so_far](const std::string&) { return give(arguments, so_far(), options.sizes.size(), watch); });
  };
  const auto table = tune(evaluator, *collective, options, *progress);
  watch.finishing();
  return give(arguments, table, options.sizes.size(), watch);
}

// Rank 0 tunes; the others run what it times.
Status tune_launched(const TuneArguments& arguments, Watch& watch) {
  if (!arguments.gpu && arguments.executor.empty())
    return Error{ErrorCode::usage, "--launched is for tables whose plans are timed", std::nullopt, {"add --gpu, or --executor host"}};
  if (arguments.topology.empty())
    return Error{ErrorCode::usage, "--topology is required: which ranks are on which server", std::nullopt, {"as in hgx-h200:nodes=2,gpus=4"}};
  const StartedWith told{{"--topology", arguments.topology.name}, {"--collective", arguments.group.collective}, {"--sizes", arguments.sizes}};
  return as_launched_rank("tune", told, Seconds{arguments.launch.gathering}, [&](Session& session) -> Status {
    if (session.rank() != 0) {
      watch.stops_when_asked();
      return follow(session);
    }
    Leader leader(session);
    return tune_machine(arguments, &leader, watch);
  });
}

}  // namespace

Command tune_command(CLI::App& parent) {
  auto a = std::make_shared<TuneArguments>();
  auto* app = add_command(parent, "tune", "Find the fastest plan for each size, and keep the table for runs",
                          "p2plab tune hgx-h200 --collective all_reduce --sizes '1 KiB..256 MiB' --out tuned.yaml");
  add_machine_options(*app, a->topology, "--topology,topology", "a file or a preset, as in hgx-h200:gpus=4 (with --gpu: this machine)");
  add_group_options(*app, a->group);
  app->add_option("--sizes", a->sizes, "nccl-tests' sizes, from and to")->capture_default_str()->type_name("A..B");
  app->add_option("--factor", a->factor, "from one size to the next")->capture_default_str()->type_name("N");
  app->add_option("--dtype", a->dtype, "element type")->capture_default_str()->type_name("TYPE");
  app->add_option("--profile", a->profile, "calibration of the simulator (default: that of the machine's GPUs; ideal: none)")->type_name("P");
  app->add_option("--out", a->out, "write the table with its plans, as YAML or (FILE.json) JSON")->type_name("FILE");
  app->add_option("--order", a->order, "of sums; fixed: every element adds the members in their order, whatever its place, the size, the rank")
      ->check(CLI::IsMember({"any", "fixed"}))
      ->capture_default_str()
      ->type_name("O");
  app->add_option("--rows", a->rows,
                  "a table for all-reduces that rows of so many elements follow, with a residual add, a norm (rms, layer, none) and float8 (tensor, "
                  "token, group), as in 8192:rms:token: plans are timed with them, in the same kernel and apart")
      ->type_name("HIDDEN[:NORM[:FLOAT8]]");
  add_time_limit(*app, a->limits, "how long to look; then the best so far", "--seconds");
  add_memory_limit(*app, a->limits);
  app->add_flag("--gpu", a->gpu, "time the plans predicted fastest, and NCCL, on this machine's GPUs, in turns; the fastest is taken");
  app->add_option("--executor", a->executor, "time them on this executor: cuda, as --gpu does, or host, which says nothing about GPUs")
      ->type_name("X");
  app->add_option("--candidates", a->candidates, "plans that are timed at a size, at most")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->type_name("N");
  add_launch_options(*app, a->launch, ", on one machine or on several; with --gpu or --executor host");
  app->add_flag("--in-place", a->in_place, "input and output share memory");
  app->add_flag("--json", a->json, "print the table as JSON");
  return {app, [a](Watch& watch) { return a->launch.launched ? tune_launched(*a, watch) : tune_machine(*a, nullptr, watch); }};
}

}  // namespace p2plab::cli
