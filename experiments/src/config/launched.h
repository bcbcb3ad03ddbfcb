// SPDX-License-Identifier: Apache-2.0
// A process's place in a job of many processes, as whoever started it says.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/run/processes.h"

namespace p2plab {

struct LaunchedRank {
  int rank = 0;
  int ranks = 1;
  std::string address = {};  // where rank 0 listens, "node1:29500"
  std::string job = {};      // instead, where all ranks are of this machine: what their launcher calls the job
  std::string by = {};       // "torchrun", "Open MPI", "Slurm", "MPICH"
};

/// The value of a variable of the environment; empty if it is not set.
using ReadVariable = std::function<std::string(const std::string& name)>;

/// Rank and number of ranks from the first pair that is set: RANK and WORLD_SIZE (torchrun), OMPI_COMM_WORLD_RANK and _SIZE (mpirun of Open MPI),
/// SLURM_PROCID and SLURM_STEP_NUM_TASKS (srun), PMI_RANK and PMI_SIZE (mpirun of MPICH). The address from P2PLAB_ADDRESS, else by
/// address_of_torchrun; without one, jobs of Open MPI and of Slurm on one machine meet by their names. Errors: invalid_input, naming what is missing
/// or wrong.
Result<LaunchedRank> launched_rank(const ReadVariable& variable);
/// By this process's environment.
Result<LaunchedRank> launched_rank();
/// The same without where to meet, of a process that may have been started alone: then none.
std::optional<LaunchedRank> started_rank();
/// Of a command that could be one job: on stderr, where a launcher started several processes, that each runs alone. Rank 0 says it.
void say_that_ranks_run_alone();

/// What a rank was started with, by name, in one order on all ranks.
using StartedWith = std::vector<std::pair<std::string, std::string>>;

/// As that rank: meets the others, who run the same `command` and were `told` the same, runs `body`, and leaves when all have ended theirs. What ends
/// one rank ends all, with its error. `gathering`: how long to wait for ranks that start late.
Status as_launched_rank(const std::string& command, const StartedWith& told, Seconds gathering, const std::function<Status(Session&)>& body);

/// Has `what` as many ranks as the job has processes? Errors: invalid_input, saying both numbers.
Status check_ranks(const std::string& what, int needed, int ranks);

/// All ranks call it together. Errors: invalid_input, on all ranks the same, with the first rank that was started with something else than rank 0.
Status check_started_alike(Session& session, const StartedWith& mine);

}  // namespace p2plab
