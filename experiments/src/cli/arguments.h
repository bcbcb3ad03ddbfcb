// SPDX-License-Identifier: Apache-2.0
// Words of the command line as values; a word that is wrong is the input's fault or, for numbers and lists, a wrong use.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "p2plab/base/ids.h"
#include "p2plab/base/registry.h"
#include "p2plab/base/result.h"
#include "p2plab/machine/machine_answers.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/program/program_io.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/payload.h"
#include "p2plab/simulator/profile.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace p2plab::cli {
class Watch;
}

namespace p2plab::cli {

/// Ranks "0,1,4": each once and below `ranks`. Empty text gives all of them.
Result<std::vector<Rank>> rank_list(const std::string& text, int ranks);

/// What says which collective and who takes part; others relay if `relays`.
struct GroupArguments {
  std::string collective = "all_reduce";
  int root = 0;
  std::string ranks;
  bool relays = false;
};

/// The options --collective, --root, --ranks and --relays.
void add_group_options(CLI::App& app, GroupArguments& arguments);

/// The collective on a machine of `ranks` ranks. Errors: unknown names, ranks that are not there.
Result<Collective> collective_from(const GroupArguments& arguments, int ranks);

/// The machine as the members may use it: without links to other GPUs, unless --relays asks for these. Errors: as of `collective_from`.
Result<Topology> machine_of(const GroupArguments& arguments, const Topology& topology);

/// Each "key=value" of this algorithm, keys once; former names are a warning on stderr.
Result<Parameters> parameter_list(const std::string& algorithm, const std::vector<std::string>& words);

/// The profile of a file or name; without one that of the machine's GPUs, or the ideal one where nothing tells what they cost: a note on stderr says
/// which. Errors: those of the file.
Result<Profile> profile_from(const std::string& path, const Topology& topology);
/// The same without the note; old words of the file are a warning on stderr.
Result<Profile> quiet_profile_from(const std::string& path, const Topology& topology);

/// The plan or the program in a file. A plan's old words are a warning on stderr. Errors: those of their readers.
Result<std::variant<PlanFile, ProgramFile>> plan_or_program_from(const std::string& path);
/// The plan in a file; old words in it are a warning on stderr. Errors: those of `load_plan`.
Result<PlanFile> plan_from(const std::string& path);
/// A plan that has been read; its old words are a warning on stderr.
Result<PlanFile> told(Result<PlanFile> file);

/// A machine as the command line names it, and answers to what its description leaves open.
struct MachineArgument {
  std::string name;
  std::vector<std::string> answers;
  bool empty() const { return name.empty(); }
};

/// The option (or positional) that names the machine, and --machine key=value.
CLI::Option* add_machine_options(CLI::App& app, MachineArgument& machine, const std::string& option, const std::string& summary);

/// The answers of --machine. Errors: usage, those of `read_answers`.
Result<MachineAnswers> answers_from(const std::vector<std::string>& words);

/// The machine; what its description does not tell goes to `warnings`. Errors: those of `resolve_topology` and `answers_from`.
Result<Topology> resolve_machine(const MachineArgument& machine, std::vector<std::string>* warnings);

/// The same with warnings on stderr.
Result<Topology> topology_from(const MachineArgument& machine);

/// What is said to a process that may be one rank of a job.
struct LaunchArguments {
  bool launched = false;
  double gathering = 60;  // seconds to wait for ranks that start late
};

/// The options --launched, with `more` after what it says in every command, and --gather-timeout; the former.
CLI::Option* add_launch_options(CLI::App& app, LaunchArguments& arguments, const std::string& more);

/// The options of a command's limits; what is not given is empty.
struct LimitArguments {
  std::string time = {};
  std::string former_time = {};  // the same under the name that the option had: a warning tells the new one
  std::string former_name = {};
  std::string memory = {};
};

/// The option --memory-limit.
void add_memory_limit(CLI::App& app, LimitArguments& arguments);
/// The option --time-limit, and `former`, the name that it had in this command, if it had one.
void add_time_limit(CLI::App& app, LimitArguments& arguments, const std::string& what, const std::string& former);

/// Puts the limits under watch. The time that the work is to stop by itself in: none without a limit. Errors:
/// usage.
Result<std::optional<Seconds>> limits_from(const LimitArguments& arguments, Watch& watch);

/// Is there memory for the routes between all pairs of `ranks` GPUs, which whatever is planned or drawn needs? Errors: unsupported.
Status afford_routes(int ranks, const Watch& watch);

/// Will a file that holds the machine be read again? Errors: unsupported, if its text is longer than what is read.
Status try_text_of(const Topology& topology);

/// The error with the file that it is about, if it names none.
Error in_file(Error error, const std::string& path);

/// What an option's text says, if it can be read. Errors: usage, with the option's name before what is wrong.
template <class T>
Result<T> read_option(const char* option, Result<T> value) {
  if (value) return value;
  auto error = std::move(value).error();
  error.code = ErrorCode::usage;
  error.message = std::string{option} + ": " + error.message;
  return error;
}

/// The payload of so many whole elements. Errors: a type that is not known, bytes that are no whole number of elements.
Result<Payload> payload_from(Bytes size, const std::string& dtype);

/// Can the file be written? Asked before any work. An empty path is no file. Errors: io.
Status try_out(const std::string& path);

}  // namespace p2plab::cli
