// SPDX-License-Identifier: Apache-2.0
// What is said to `p2plab bench`, and the machine that it means.
#pragma once

#include <iosfwd>

#include "cli/arguments.h"
#include "config/launched.h"
#include "p2plab/experiment/bench.h"

namespace p2plab::cli {

struct BenchArguments {
  std::string executor = "cuda";
  MachineArgument topology;
  std::string collective = "all_reduce";
  std::string algorithm = "auto";
  std::vector<std::string> set;
  std::string plan;
  std::string profile;
  std::string from = "32M";
  std::string to = "32M";
  std::string step;
  std::string type = "float";
  std::string op = "sum";
  std::string file;
  bool json = false;
  int factor = 2;
  int iterations = 20;
  int warmup = 1;
  int threads = 1;
  int gpus = 1;
  int processes = 0;
  bool ranks_said = false;  // by -t or -g
  LaunchArguments launch;
  int root = 0;
  int check = 1;
  int blocking = 0;
  int graphs = 0;
  int registration = 0;
  bool staged = false;
  LimitArguments limits;
};

Result<BenchOptions> options_from(const BenchArguments& a, int ranks);

struct BenchMachine {
  Topology topology;
  std::string more_ranks = {};  // how more of its GPUs would be ranks; empty: all are
};

/// The first `ranks` GPUs of the machine asked for, or of this one.
Result<BenchMachine> machine_for(const BenchArguments& a, int ranks, std::ostream& notes);

/// What decides what runs: all ranks of a job must have been told the same.
StartedWith started_with(const BenchArguments& a, const Topology& topology);

}  // namespace p2plab::cli
