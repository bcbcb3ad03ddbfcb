// SPDX-License-Identifier: Apache-2.0
// Which GPUs may reach each other's memory, and how that is known.
#pragma once

#include <vector>

#include "p2plab/machine/mask.h"
#include "sources/device_fabric.h"

namespace p2plab {

/// Peer access pair by pair: what the answers say, else the description, else what drivers are known to do with such GPUs.
class DevicePeers {
 public:
  /// `gpus` are devices in order of rank.
  DevicePeers(const DeviceTree& tree, const std::vector<std::size_t>& gpus, const DeviceFabric& fabric, const MachineAnswers& answers);

  bool any_refused() const;
  /// Is there a rank whose memory this one may not reach?
  bool refuses(std::size_t rank) const;
  /// Does all that this rank's PCIe carries between GPUs go through host memory, since it may reach no GPU over PCIe?
  bool staged(std::size_t rank) const;
  /// Does the data of this rank go up to the host, past the bridges above it, since a GPU behind one of them is refused? That holds for all GPUs
  /// behind them, so that no access takes a way that may be refused.
  bool passes_bridges(std::size_t rank) const { return passes_[rank]; }
  /// The links of GPUs' own that join two which may not reach each other.
  Mask refused_links() const;
  const std::vector<SourcedValue>& values() const { return values_; }

 private:
  bool refused(std::size_t a, std::size_t b) const { return refused_[a * gpus_.size() + b]; }
  void refuse(std::size_t a, std::size_t b);
  void refuse_by_words();
  void refuse_without_links();
  void choose(const MachineAnswers& answers);
  bool share_a_bridge(std::size_t a, std::size_t b) const;
  void note(std::string value, Origin origin, std::string source, std::string key = {});
  std::string refused_text() const;

  const DeviceTree& tree_;
  const std::vector<std::size_t>& gpus_;
  const DeviceFabric& fabric_;
  std::vector<bool> refused_;  // by pairs of ranks
  std::vector<bool> passes_;
  std::vector<SourcedValue> values_;
};

}  // namespace p2plab
