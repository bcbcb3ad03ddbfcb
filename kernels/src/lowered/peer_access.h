// SPDX-License-Identifier: Apache-2.0
// Which ranks may touch each other's memory: those joined by a route that passes no host. The others exchange through pinned host memory.
#pragma once

#include <vector>

#include "p2plab/machine/routes.h"
#include "p2plab/program/program.h"

namespace p2plab {

class PeerAccess {
 public:
  PeerAccess(const Topology& topology, const Routes& routes);

  /// May `from` read and write the memory of `to`?
  bool connected(Rank from, Rank to) const { return reaches_[from.index() * ranks_ + to.index()]; }
  /// Do all ranks that reach each other do so by NVLink alone, which delivers lines of 128 bytes whole?
  bool by_nvlink() const { return by_nvlink_; }
  /// Do all steps of a program touch only memory that their ranks reach?
  bool covers(const Program& program) const;

 private:
  std::size_t ranks_ = 0;
  std::vector<bool> reaches_;
  bool by_nvlink_ = true;
};

}  // namespace p2plab
