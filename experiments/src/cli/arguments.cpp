// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "cli/watch.h"
#include "p2plab/base/quantity.h"
#include "p2plab/detail/text.h"
#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/machine/fabric.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/report/files.h"

namespace p2plab::cli {

namespace {

// "7" or "0-499", both ends included.
std::optional<std::pair<int, int>> stretch_of(std::string_view word) {
  const auto number = [](std::string_view text) {
    int value = -1;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    return fault == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
  };
  if (const auto single = number(word)) return std::pair{*single, *single};
  const auto dash = word.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(word.substr(0, dash));
  const auto last = number(word.substr(dash + 1));
  return first && last && *first <= *last ? std::optional(std::pair{*first, *last}) : std::nullopt;
}

}  // namespace

Result<std::vector<Rank>> rank_list(const std::string& text, int ranks) {
  std::vector<Rank> list;
  if (text.empty()) {
    for (int r = 0; r < ranks; ++r) list.emplace_back(r);
    return list;
  }
  std::vector<bool> given(static_cast<std::size_t>(ranks));
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    const auto word = text.substr(at, comma - at);
    const auto stretch = stretch_of(word);
    if (!stretch) return Error{ErrorCode::usage, fmt::format("expected ranks such as 0,1,4 or 0-7, got '{}'", word)};
    for (auto rank = stretch->first; rank <= stretch->second; ++rank) {
      if (rank < 0 || rank >= ranks) return Error{ErrorCode::invalid_input, fmt::format("rank {} is out of range 0..{}", rank, ranks - 1)};
      if (given[static_cast<std::size_t>(rank)]) return Error{ErrorCode::invalid_input, fmt::format("rank {} is given twice", rank)};
      given[static_cast<std::size_t>(rank)] = true;
      list.emplace_back(rank);
    }
    at = comma + 1;
  }
  return list;
}

void add_group_options(CLI::App& app, GroupArguments& arguments) {
  app.add_option("--collective", arguments.collective, "what to do")->capture_default_str()->type_name("C");
  app.add_option("--root", arguments.root, "the rank that gives or gets, where only one does")->capture_default_str()->type_name("R");
  app.add_option("--ranks", arguments.ranks, "the ranks that take part, as in 0,1,4 or 0-7 (default: all)")->type_name("LIST");
  app.add_flag("--relays", arguments.relays, "GPUs that take no part may pass data on; the report names them");
}

CLI::Option* add_launch_options(CLI::App& app, LaunchArguments& arguments, const std::string& more) {
  auto* launched = app.add_flag("--launched", arguments.launched, "this is one rank of a job that mpirun, srun or torchrun started" + more);
  app.add_option("--gather-timeout", arguments.gathering, "with --launched: seconds to wait for ranks that start late")
      ->needs(launched)
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str()
      ->type_name("S");
  return launched;
}

Result<Collective> collective_from(const GroupArguments& arguments, int ranks) {
  auto kind = collective_kind(arguments.collective);
  if (!kind) return std::move(kind).error();
  auto members = rank_list(arguments.ranks, ranks);
  if (!members) return std::move(members).error();
  if (arguments.root < 0 || arguments.root >= ranks) {
    return Error{ErrorCode::invalid_input, fmt::format("root {} is out of range 0..{}", arguments.root, ranks - 1)};
  }
  auto collective = make_collective(*kind, ranks, Rank{arguments.root});
  if (static_cast<int>(members->size()) == ranks) return collective;
  collective.members = *std::move(members);
  collective.pairs.clear();
  if (*kind == CollectiveKind::send_receive) {
    const auto& group = collective.members;
    for (std::size_t m = 0; m < group.size(); ++m) collective.pairs.emplace_back(group[m], group[(m + 1) % group.size()]);
  }
  return collective;
}

Result<Topology> machine_of(const GroupArguments& arguments, const Topology& topology) {
  if (arguments.relays || arguments.ranks.empty()) return topology;
  const auto members = rank_list(arguments.ranks, topology.ranks());
  if (!members) return members.error();
  return static_cast<int>(members->size()) == topology.ranks() ? Result<Topology>{topology} : among_members(topology, *members);
}

Result<Parameters> parameter_list(const std::string& algorithm, const std::vector<std::string>& words) {
  Parameters parameters;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return Error{ErrorCode::usage, fmt::format("expected key=value after --set, got '{}'", word)};
    if (!parameters.emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
      return Error{ErrorCode::usage, fmt::format("parameter {} is given twice", word.substr(0, equals))};
    }
  }
  for (const auto& known : algorithms()) {
    if (known.name != algorithm) continue;
    for (const auto& warning : warnings_of(algorithm, known.parameters, parameters)) std::cerr << fmt::format("warning: {}\n", warning);
  }
  return parameters;
}

Result<Profile> quiet_profile_from(const std::string& path, const Topology& topology) {
  if (!path.empty()) {
    auto profile = load_profile(path);
    for (const auto& warning : profile ? profile->warnings : std::vector<std::string>{}) std::cerr << fmt::format("warning: {}\n", warning);
    return profile;
  }
  auto usual = usual_profile(topology);
  if (!usual) return std::move(usual).error();
  return std::move(*usual).value_or(Profile{});
}

Result<Profile> profile_from(const std::string& path, const Topology& topology) {
  auto profile = quiet_profile_from(path, topology);
  if (!profile || !path.empty()) return profile;
  if (profile->name == Profile{}.name)
    std::cerr << fmt::format("note: times are of an ideal machine, for {} (--profile NAME)\n", why_no_profile());
  else
    std::cerr << fmt::format("note: times by profile {}, after the machine's GPUs (--profile NAME, or ideal){}\n", profile->name,
                             usual_forms(*profile) == PlanForms::gpu ? "; plans in the form in which p2plab's kernels run them" : "");
  return profile;
}

Result<std::variant<PlanFile, ProgramFile>> plan_or_program_from(const std::string& path) {
  using Either = std::variant<PlanFile, ProgramFile>;
  constexpr Bytes longest{std::int64_t{1} << 30};
  auto text = read_text_file(path, longest);
  if (!text) return std::move(text).error();
  constexpr std::size_t head = 64;  // the key that says what a file is stands first
  if (std::string_view(*text).substr(0, head).find("p2plab_program") != std::string_view::npos) {
    auto program = read_program(*text, path);
    if (!program) return std::move(program).error();
    return Either{*std::move(program)};
  }
  auto plan = told(read_plan(*text, path));
  if (!plan) return std::move(plan).error();
  return Either{*std::move(plan)};
}

Result<PlanFile> plan_from(const std::string& path) { return told(load_plan(path)); }

Result<PlanFile> told(Result<PlanFile> file) {
  if (!file) return file;
  for (const auto& warning : file->warnings) std::cerr << "warning: " << warning << '\n';
  return file;
}

namespace {

constexpr int most_gpus = 4096;  // as presets have

}  // namespace

CLI::Option* add_machine_options(CLI::App& app, MachineArgument& machine, const std::string& option, const std::string& summary) {
  app.add_option("--machine", machine.answers, fmt::format("an answer to what a description leaves open: {}", fmt::join(answer_keys(), ", ")))
      ->type_name("KEY=VALUE");
  return app.add_option(option, machine.name, summary)->type_name("T");
}

Result<MachineAnswers> answers_from(const std::vector<std::string>& words) {
  std::vector<std::pair<std::string, std::string>> answers;
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return Error{ErrorCode::usage, fmt::format("expected key=value after --machine, got '{}'", word)};
    answers.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return read_answers(answers);
}

Result<Topology> resolve_machine(const MachineArgument& machine, std::vector<std::string>* warnings) {
  const auto answers = answers_from(machine.answers);
  if (!answers) return answers.error();
  return resolve_topology(machine.name, warnings, *answers);
}

Result<Topology> topology_from(const MachineArgument& machine) {
  std::vector<std::string> warnings;
  auto topology = resolve_machine(machine, &warnings);
  for (const auto& warning : warnings) std::cerr << "warning: " << warning << '\n';
  if (topology && topology->ranks() > most_gpus) {
    return Error{ErrorCode::unsupported, fmt::format("{} has {} GPUs; up to {} are looked at, more would take minutes and all memory",
                                                     topology->name(), topology->ranks(), most_gpus)};
  }
  return topology;
}

void add_memory_limit(CLI::App& app, LimitArguments& arguments) {
  app.add_option("--memory-limit", arguments.memory, "the most memory to take, as in '8 GiB' (default: half of this machine's)")->type_name("SIZE");
}

void add_time_limit(CLI::App& app, LimitArguments& arguments, const std::string& what, const std::string& former) {
  app.add_option("--time-limit", arguments.time, what + ", in seconds or as in '500 ms' (0: what is found at once)")->type_name("TIME");
  arguments.former_name = former;
  if (!former.empty()) app.add_option(former, arguments.former_time)->group("");
}

namespace {

// "5" is five seconds, as is "5 s".
Result<Seconds> time_from(const std::string& text, const std::string& name) {
  constexpr Seconds day{86400};
  double count = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool bare = fault == std::errc{} && end == text.data() + text.size();
  auto time = bare ? Result<Seconds>{Seconds{count}} : parse_time(text);
  if (!time || !(time->count() >= 0) || *time > day)
    return Error{ErrorCode::usage, fmt::format("{}: expected a time from 0 to 86400 s, got {}", name, quoted(text))};
  return time;
}

}  // namespace

Result<std::optional<Seconds>> limits_from(const LimitArguments& arguments, Watch& watch) {
  if (!arguments.memory.empty()) {
    auto memory = read_option("--memory-limit", parse_bytes(arguments.memory));
    if (!memory) return std::move(memory).error();
    watch.limit_memory(*memory);
  }
  const bool former = !arguments.former_time.empty();
  if (former && !arguments.time.empty())
    return Error{ErrorCode::usage, fmt::format("{} is the former name of --time-limit: give one of them", arguments.former_name)};
  const auto& text = former ? arguments.former_time : arguments.time;
  if (former) std::cerr << fmt::format("warning: {} is now called --time-limit\n", arguments.former_name);
  if (text.empty()) return std::optional<Seconds>{};
  auto time = time_from(text, former ? arguments.former_name : "--time-limit");
  if (!time) return std::move(time).error();
  watch.limit_time(*time);
  return std::optional{*time};
}

Status afford_routes(int ranks, const Watch& watch) {
  constexpr std::int64_t a_pair = 5;  // bytes; measured on 4096 GPUs, 5 (a ring) to 21 (512 servers of 8 A100)
  return watch.afford(Bytes{std::int64_t{ranks} * ranks * a_pair}, fmt::format("a machine of {} GPUs", ranks));
}

Error in_file(Error error, const std::string& path) {
  if (!error.where) error.where = SourceLocation{path};
  return error;
}

Result<Payload> payload_from(Bytes size, const std::string& dtype) {
  auto type = data_type(dtype);
  if (!type) return std::move(type).error();
  if (size.count() % size_of(*type) == 0) return payload_of(size, *type, ReduceOp::sum);
  return Error{ErrorCode::invalid_input,
               fmt::format("{} is not a multiple of the element size: {} has {} bytes", to_string(size), to_string(*type), size_of(*type))};
}

Status try_text_of(const Topology& topology) {
  const auto length = static_cast<std::int64_t>(write_topology(topology).size());
  if (length <= longest_config.count()) return {};
  return Error{ErrorCode::unsupported, fmt::format("{} takes {:.1f} MiB of text; files of machines are read up to {}, so none is written",
                                                   topology.name(), static_cast<double>(length) / 0x1p20, to_string(longest_config))};
}

Status try_out(const std::string& path) { return path.empty() ? Status{} : can_write(path); }

}  // namespace p2plab::cli
