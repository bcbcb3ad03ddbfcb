// SPDX-License-Identifier: Apache-2.0
// A machine that checks look at: its facts, and its readings by name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "p2plab/machine/gpu_facts.h"
#include "p2plab/machine/machine_facts.h"
#include "p2plab/machine/topology.h"
#include "p2plab/run/readings.h"

namespace p2plab::doctor {

inline const std::string machine = "machine";  // the subject of what is of no part

/// What one source said, as a line: "link_width of 0000:8a:00.0 is 8 (/sys/bus/pci/...)".
std::string evidence_of(const Reading& reading);

/// What PCIe gives a device now, and what device and slot could.
struct PcieLink {
  double now_gt = 0;  // GT/s; 0: not told
  int now_lanes = 0;
  double own_gt = 0;
  int own_lanes = 0;
  double slot_gt = 0;  // of the bridge above; 0: no bridge is told
  int slot_lanes = 0;
  double best_gt() const { return slot_gt > 0 && slot_gt < own_gt ? slot_gt : own_gt; }
  int best_lanes() const { return slot_lanes > 0 && slot_lanes < own_lanes ? slot_lanes : own_lanes; }
};

struct PatientGpu {
  std::string name;  // "gpu0", by rank
  std::string bus_id;
  std::string model;              // as the driver says
  std::optional<GpuFacts> known;  // what the table has
  const NvmlGpu* nvml = nullptr;
  const PciFact* pci = nullptr;
};

class Patient {
 public:
  /// `facts` must outlive it. `topology` is the machine of these facts; null where they name no GPU.
  Patient(const MachineFacts& facts, const Topology* topology);

  const MachineFacts& facts() const { return facts_; }
  const std::vector<PatientGpu>& gpus() const { return gpus_; }
  /// Were readings taken at all? Facts alone say nothing of settings.
  bool examined() const { return !facts_.readings.empty(); }

  /// The reading; null if nobody asked.
  const Reading* find(std::string_view subject, std::string_view what) const;
  /// Its value; none if nobody asked or it could not be read.
  std::optional<std::string> text(std::string_view subject, std::string_view what) const;
  std::optional<std::int64_t> number(std::string_view subject, std::string_view what) const;
  /// The value of an environment variable that is set.
  std::optional<std::string> variable(std::string_view name) const { return text(name, reading::environment); }
  /// Its line, or that nobody asked.
  std::string evidence(std::string_view subject, std::string_view what) const;

  bool virtual_machine() const { return number(machine, reading::virtual_machine).value_or(0) == 1; }
  /// Does a peer access between the two stay on NVLink?
  bool over_nvlink(std::size_t a, std::size_t b) const { return nvlink_[a * gpus_.size() + b]; }
  bool all_over_nvlink() const;
  bool any_nvlink() const;
  /// Does CUDA let the two reach each other's memory? None: not asked.
  std::optional<bool> peer_access(std::size_t a, std::size_t b) const;
  /// Do some GPUs reach each other over PCIe?
  bool peers_over_pcie() const;

  /// What PCIe does for a device; none if no source tells.
  std::optional<PcieLink> link(const std::string& bus_id) const;
  /// Is the GPU at work, so that the speed of its link is what the link can do? None: not told.
  std::optional<bool> awake(const PatientGpu& gpu) const;
  /// The bridges above a device, nearest first.
  std::vector<std::string> bridges_above(const std::string& bus_id) const;

 private:
  void find_nvlinks(const Topology& topology);

  const MachineFacts& facts_;
  std::vector<PatientGpu> gpus_;
  std::vector<bool> nvlink_;
  std::map<std::pair<std::string, std::string>, const Reading*, std::less<>> readings_;
};

/// "32.0 GT/s PCIe"; 0 if there is no number.
double transfers_of(std::string_view speed);

}  // namespace p2plab::doctor
