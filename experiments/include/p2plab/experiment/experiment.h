// SPDX-License-Identifier: Apache-2.0
// An experiment: what a config file asks for, read strictly.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/experiment/question.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/executor.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/payload.h"
#include "p2plab/simulator/profile.h"

namespace p2plab {

/// How real executors measure, and how much real data is run.
struct MeasureOptions {
  int warmup = 2;
  int repeats = 5;
  bool graph = true;
  bool in_place = false;
  /// The host executor checks data up to this size; larger ones would take long and prove nothing new.
  Bytes check_up_to{1 << 20};
};

/// Makes an executor by its name; null where there is none.
using ExecutorMaker = std::function<std::unique_ptr<Executor>(const std::string& name)>;

/// How NCCL is thought to be run where it is predicted (`nccl_model`).
struct NcclRun {
  std::string launch = {};  // one of nccl::launch_modes(); empty: as the calls of this experiment
  bool nvls = false;        // with sums in NVSwitches, where there are such
  bool amd_cpu = false;     // several servers with AMD's CPUs, of which NCCL expects more time at its network thread
  bool peers = true;        // peer access through hosts that pass it on: as behind AMD's CPUs, elsewhere by NCCL_P2P_LEVEL=SYS
};

/// A config file's content; every name in it is known and every number possible.
struct Experiment {
  std::string name;
  std::string path;                         // of the config, as given
  std::string digest;                       // of its bytes
  Topology topology;                        // with the mask applied
  std::vector<std::string> masked = {};     // what the mask took away: "gpu7", "link gpu0 - gpu1"
  std::vector<std::string> warnings = {};   // what the machine's description left open
  std::vector<RunQuestion> questions = {};  // what the report is to answer first
  std::vector<CollectiveKind> collectives = {};
  std::vector<AlgorithmChoice> algorithms = {};
  std::vector<Bytes> sizes = {};  // rising
  DataType dtype = DataType::float32;
  ReduceOp op = ReduceOp::sum;
  Rank root{0};
  std::vector<std::string> executors = {};
  Profile profile = {};                // calibration of the simulator; as constructed: ideal
  PlanForms forms = PlanForms::model;  // in which plans are predicted and run
  MeasureOptions measure = {};
  NcclRun nccl = {};
  std::uint64_t seed = 1;
  ExecutorMaker job = {};  // of the processes that run it together, one a rank; none: this one has all ranks
};

/// Reads a config of one experiment (`read_sweep` reads any). Paths in it are relative to its folder. Errors: all mistakes of the file in one run,
/// each with its place; a matrix of several.
Result<Experiment> load_experiment(const std::string& path);
/// The same of its text.
Result<Experiment> read_experiment(std::string_view text, const std::string& path);

/// The names that `executors` may hold, in order: simulator, host, cuda, nccl, nccl_symmetric.
std::vector<std::string> known_executors();

/// A commented config that runs as it stands.
std::string example_config();

}  // namespace p2plab
