// SPDX-License-Identifier: Apache-2.0
// What NCCL would do on a machine, and how long it says that takes: its search for channels and its cost formula, as of NCCL 2.30
// (src/graph/search.cc and src/graph/tuning.cc, whose constants are facts restated here). A comparison, never a plan of ours.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"

namespace p2plab::nccl {

enum class Generation : std::uint8_t { volta, ampere, hopper, blackwell };
enum class Algorithm : std::uint8_t { tree, ring, nvls, nvls_tree, pat };
enum class Proto : std::uint8_t { ll, ll128, simple };
inline constexpr std::array all_algorithms{Algorithm::tree, Algorithm::ring, Algorithm::nvls, Algorithm::nvls_tree, Algorithm::pat};
inline constexpr std::array all_protos{Proto::ll, Proto::ll128, Proto::simple};

std::string_view to_string(Algorithm algorithm);
std::string_view to_string(Proto proto);
/// Errors: unknown_name with the nearest.
Result<Algorithm> algorithm(std::string_view name);
Result<Proto> proto(std::string_view name);

/// The outcome of NCCL's search for one pattern. Bandwidths in GB/s a channel, as NCCL counts them (net of protocol overhead).
struct Graph {
  int channels = 0;  // 0: NCCL finds none
  double bw_intra = 0;
  double bw_inter = 0;
  bool nvlink = true;    // all hops inside a server over NVLink; else PCIe
  bool by_host = false;  // some hop goes through host memory (NCCL's transport SHM)
  double share = 1;      // of the links' bandwidth that NCCL counts
  double exchange = 1;   // of a port, where every GPU sends to every other at once
  double latency_inter_us = 0;
  bool same_channels = true;
  std::vector<std::vector<Rank>> orders = {};  // ring: the members in order, by channel (before channels are duplicated)
};

/// A communicator as the formula sees it.
struct Communicator {
  int ranks = 1;
  int nodes = 1;
  Generation generation = Generation::hopper;
  bool amd_cpu = false;
  bool ll128 = true;  // NCCL's default where GPUs are joined by NVLink
  Graph ring = {};
  Graph tree = {};
  Graph nvls = {};
};

/// Latency and algorithm bandwidth of one choice; a bandwidth of zero means that NCCL does not use it.
struct Line {
  double latency_us = 0;
  double bandwidth_gbps = 0;
};

/// The lines of one collective, by algorithm and protocol.
class Table {
 public:
  /// The formula of ncclTopoTuneModel. CollNet (switches that add) is left out.
  Table(Communicator communicator, CollectiveKind kind);
  const Line& at(Algorithm algorithm, Proto proto) const { return lines_[static_cast<std::size_t>(algorithm)][static_cast<std::size_t>(proto)]; }
  /// ncclTopoGetAlgoTime for a lone call; none where NCCL does not use the choice.
  std::optional<Seconds> time(Algorithm algorithm, Proto proto, Bytes size) const;
  struct Choice {
    Algorithm algorithm = Algorithm::ring;
    Proto proto = Proto::simple;
    Seconds time{0};
  };
  /// The least time, as NCCL chooses, of all or of those that it was told to use; none if nothing of that is enabled.
  std::optional<Choice> best(Bytes size, std::optional<Algorithm> told = std::nullopt, std::optional<Proto> told_proto = std::nullopt) const;

 private:
  Communicator communicator_;
  CollectiveKind kind_;
  std::array<std::array<Line, all_protos.size()>, all_algorithms.size()> lines_{};
};

/// What NCCL would build among all GPUs of `topology`. The generation follows from the GPUs' NVLink bandwidth if not given (400 GB/s and more with
/// NVSwitch: Hopper; 800: Blackwell; 240 and more: Ampere; else Volta). Multicast (NVLS) counts as available where `multicast` and the machine has
/// NVSwitches of Hopper or later. Errors: unsupported, for collectives without a formula, machines of one GPU, and where no ring is found.
/// Peer access through a host is used where the topology says that its host forwards it, as NCCL does behind AMD's CPUs (ncclTopoCheckP2p, paths.cc:
/// PATH_SYS); behind Intel's, Zhaoxin's and ARM's it asks for NCCL_P2P_LEVEL=SYS (PATH_PXB else), which a topology does not tell: `peers_over_hosts`
/// false. Then those hops go through host memory. The generation is that of the GPUs' compute capability where the machine names them.
struct SearchOptions {
  std::optional<Generation> generation = std::nullopt;
  bool multicast = false;
  bool peers_over_hosts = true;
  bool amd_cpu = false;  // of several servers: NCCL counts 2 us a hop for its network thread, not 1, and LL's bandwidth anew
};
Result<Communicator> search(const Topology& topology, const SearchOptions& options = {});

/// Rings through all GPUs with `speed` GB/s each on links of which NCCL counts `share` of the bandwidth: depth first with backtracking, as NCCL's,
/// at most `budget` moves. `nvlink_only` keeps to GPU links and NVSwitches; with `wide_sockets` links between sockets hold up nothing. The orders
/// found, possibly none.
struct RingSearch {
  double speed = 0;
  double share = 1;
  bool nvlink_only = true;
  bool wide_sockets = false;
  int most = 32;
  int budget = 1 << 14;
};
std::vector<std::vector<Rank>> find_rings(const Topology& topology, const RingSearch& search);

}  // namespace p2plab::nccl
