// SPDX-License-Identifier: Apache-2.0
// The links that GPUs have of their own: NVLink, NVSwitch, xGMI.
#pragma once

#include <map>
#include <vector>

#include "sources/device_tree.h"
#include "sources/source_list.h"

namespace p2plab {

/// The fault of a description in which nothing is a GPU.
Error no_gpus(const DeviceTree& tree);

class DeviceFabric {
 public:
  /// `gpus` are devices in order of rank.
  DeviceFabric(const DeviceTree& tree, const std::vector<std::size_t>& gpus, const MachineAnswers& answers);

  /// Are there several GPUs, all joined by these links, perhaps by way of other GPUs?
  bool joins_all() const;
  /// Do such links join these two devices, without any other GPU?
  bool joins(std::size_t a, std::size_t b) const;
  /// What NVLinks and chip-to-chip links give a GPU towards its host.
  const std::optional<Sourced>& to_host(std::size_t gpu) const { return ends_.at(gpu).to_host; }

  void add_links(Topology::Builder& builder, const std::vector<NodeId>& nodes, SourceList& sources, std::vector<std::string>& warnings) const;

 private:
  struct Direct {
    std::size_t peer = 0;
    Sourced value;
    bool xgmi = false;
  };
  struct Ends {
    std::vector<Direct> direct;
    std::optional<Sourced> to_switch;
    std::optional<Sourced> to_host;
  };
  Ends ends_of(std::size_t gpu);
  Sourced rate(const Device& gpu, const DeviceLinks& links) const;
  /// Switches of one NVLink domain are one node: those of a server, or of all servers whose GPUs NCCL found in one domain.
  std::string domain_of(std::size_t gpu) const;
  std::string name(std::size_t gpu) const;
  std::size_t rank(std::size_t gpu) const;
  void add_direct(std::size_t gpu, Topology::Builder& builder, const std::vector<NodeId>& nodes, SourceList& sources) const;
  void add_parts(Topology::Builder& builder, const std::vector<NodeId>& nodes, SourceList& sources,
                 const std::map<std::size_t, std::vector<LinkId>>& ports) const;

  const DeviceTree& tree_;
  const std::vector<std::size_t>& gpus_;
  const MachineAnswers& answers_;
  std::map<std::pair<std::string, std::string>, std::size_t> by_bus_id_;
  std::map<std::size_t, Ends> ends_;
  std::vector<std::string> warnings_;
};

}  // namespace p2plab
