// SPDX-License-Identifier: Apache-2.0
// Every command on one random machine, and what must hold of each.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.h"
#include "wild_machine.h"

namespace p2plab::wild {

/// What was seen of a command on all machines.
struct Tally {
  int runs = 0;
  int done = 0;          // exit code 0
  int refused = 0;       // 1, with a reason
  double processor = 0;  // seconds, of all
  double slowest = 0;
  double late = 0;  // seconds past a time limit, at most
  std::uint64_t slowest_seed = 0;
  std::int64_t most_memory = 0;
};
using Tallies = std::map<std::string, Tally>;

struct Settings {
  Program::Limits limits;
  std::int64_t memory = 0;  // what --memory-limit says, and what no command passes
  double slack = 0;         // seconds more than is promised, as sanitizers and other work on the machine take
};

class Trial {
 public:
  Trial(const Program& program, const Settings& settings, std::filesystem::path folder, Tallies& tallies)
      : program_(program), settings_(settings), folder_(std::move(folder)), tallies_(tallies) {}

  /// Runs all commands; what was wrong, a line each.
  std::vector<std::string> of(std::uint64_t seed);

 private:
  using Words = std::vector<std::string>;
  using Json = nlohmann::json;
  // What a planner is asked for.
  struct Asked {
    Words words;
    std::string collective;
    bool in_place = false;
  };

  void look_at_it();
  void plan_with_all();
  void use_plan();
  void export_it();
  void study_it();
  void run_config();

  std::optional<Outcome> command(const std::string& name, Words words, bool timed);
  std::optional<Json> json(const std::string& name, Words words, bool timed = false);
  void check_end(const std::string& name, const Words& words, const Outcome& outcome, bool timed);
  void check_plan(const Json& plan, const std::string& planner);
  Asked asked();
  void fault(const std::string& words);

  const Program& program_;
  const Settings& settings_;
  std::filesystem::path folder_;
  Tallies& tallies_;
  std::uint64_t seed_ = 0;
  std::optional<WildMachine> machine_;
  double time_ = 0;  // seconds, what --time-limit says
  std::vector<std::string> faults_;
  std::map<std::string, double> bounds_;  // of collectives among all, root 0: GB/s
  std::string last_;                      // the command, for messages
  bool planned_ = false;                  // plan.json is there
  bool plan_in_place_ = false;
};

}  // namespace p2plab::wild
