// SPDX-License-Identifier: Apache-2.0
// The machine's part of a compiled program: what serves transfers, and the stages of a path.
#pragma once

#include <span>
#include <vector>

#include "compile/compiled.h"
#include "p2plab/detail/parallel_links.h"

namespace p2plab {

/// Fills resources, names and memories at once, stages and paths on demand.
class ResourcePaths {
 public:
  /// By the protocol in `out`: copy engines are resources where they move the data.
  ResourcePaths(const Topology& topology, const Profile& profile, Compiled& out);

  /// What is sent over a path: by loads of the executor or by its stores, into or out of a host's memory or between GPUs.
  struct Transfer {
    bool loads = false;
    bool host_memory = false;
  };

  /// The path's index. The link comes first, or the copy engines of the executor: it paces the thread block; then what it shares with others, then
  /// the way to the next node.
  std::uint32_t add(std::span<const LinkId> links, Rank executor, const Transfer& transfer);

 private:
  std::uint32_t add_resource(std::string name, Bandwidth rate);
  void add_limits(double efficiency);
  void add_stage(std::int32_t resource);
  bool counts(Traffic of, const Transfer& transfer) const;
  const Topology& topology_;
  ParallelLinks parallel_;
  Compiled& out_;
  std::vector<std::vector<std::pair<std::uint32_t, Traffic>>> groups_of_;  // by link; of the first of parallel ones
  std::vector<std::int32_t> egress_;                                       // by node: resource or -1
  std::vector<std::int32_t> ingress_;
  std::vector<std::int32_t> root_complex_;
  std::vector<std::int32_t> host_memory_;
  std::vector<std::uint32_t> engines_;  // by rank, where copy engines move the data
};

}  // namespace p2plab
