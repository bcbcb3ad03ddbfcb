// SPDX-License-Identifier: Apache-2.0
// The peer-access table: which ranks may touch each other's memory. The others exchange data through pinned host memory.
#pragma once

#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// A plain value: derived from a machine, or given by whoever asked the GPUs themselves.
class PeerAccess {
 public:
  /// Every rank reaches every other, over NVLink.
  PeerAccess() = default;
  /// Ranks reach each other over routes that pass no host, or only hosts that forward peer accesses, and over a network. Over another host data takes
  /// two steps: into its memory, and out of it.
  explicit PeerAccess(const Topology& topology);
  /// `reaches[a * ranks + b]`: may a read and write the memory of b? `whole_lines`: do all accesses deliver lines of 128 bytes whole?
  PeerAccess(std::size_t ranks, std::vector<bool> reaches, bool whole_lines);

  /// May `from` read and write the memory of `to`?
  bool connected(Rank from, Rank to) const { return reaches_.empty() || reaches_[from.index() * ranks_ + to.index()]; }
  /// May everyone everyone's?
  bool all_connected() const { return reaches_.empty() || all_; }
  /// Where `from` does not reach `to`: can it hand over data in the host memory of `to`? Of a table that was given, always.
  bool through_host(Rank from, Rank to) const { return no_host_.empty() || !no_host_[from.index() * ranks_ + to.index()]; }
  /// Does all peer access deliver lines of 128 bytes whole, as NVLink does? LL128 needs it.
  bool whole_lines() const { return whole_lines_; }
  /// Do all steps of a program touch only memory that their ranks reach?
  bool covers(const Program& program) const;

 private:
  std::size_t ranks_ = 0;
  std::vector<bool> reaches_;  // empty: all
  bool all_ = false;           // of `reaches_`
  std::vector<bool> no_host_;  // pairs that neither reach nor have such a way; empty: none
  bool whole_lines_ = true;
};

}  // namespace p2plab
