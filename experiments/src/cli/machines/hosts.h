// SPDX-License-Identifier: Apache-2.0
// The servers of a machine by the names of their hosts, for what starts jobs: Slurm, Open MPI, NCCL's rank order.
#pragma once

#include <string>
#include <vector>

#include "p2plab/bounds/place.h"
#include "p2plab/machine/topology.h"
#include "p2plab/segments/servers.h"

namespace p2plab::cli {

struct Hosts {
  Servers servers;
  std::vector<std::string> names;  // by server
};

/// Hosts by `list` ("node[01-04],gpu7", in the order of the servers); without one by the names of GPUs ("node01.gpu0"), else node0, node1, ...
/// Errors: usage, of a list that cannot be read or has another number of hosts.
Result<Hosts> hosts_of(const Topology& topology, const std::string& list);

/// Numbers as 0-3,6.
std::string number_ranges(const std::vector<int>& numbers);

/// The host of each rank, a line each: what SLURM_HOSTFILE names for `srun --distribution=arbitrary`. As the ranks of a host follow each other, it
/// is what `mpirun --hostfile` takes, too.
std::string hostfile(const Hosts& hosts, const Placement& placement);

/// A line for each host: which of its GPUs are which ranks.
std::string ranks_by_host(const Hosts& hosts, const Placement& placement);

/// Slurm's topology.conf (topology/tree). A node there has one switch and a switch one above it, so switches that share what is below them become
/// one. Errors: unsupported, if no network joins servers.
Result<std::string> topology_conf(const Topology& topology, const Hosts& hosts);

}  // namespace p2plab::cli
