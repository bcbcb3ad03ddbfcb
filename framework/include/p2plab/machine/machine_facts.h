// SPDX-License-Identifier: Apache-2.0
// What a live machine says about itself, source by source, as plain values; and the topology that follows. Facts can be written down and read back,
// so the machine can be built, and the building tested, anywhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/machine/topology_import.h"

namespace p2plab {

/// One NVLink of a GPU as NVML sees it.
struct NvlinkFact {
  int number = 0;
  bool active = false;
  std::string remote = {};       // PCI bus id, "ffffffff:ff:ff.0" where a virtual machine hides it
  std::string remote_kind = {};  // "gpu", "switch", "cpu" or "unknown"
};

struct NvmlGpu {
  std::string bus_id;  // as "0000:00:06.0"
  std::string name;
  std::string uuid = {};
  int compute_capability = 0;  // 90; 0: not told
  std::vector<NvlinkFact> links = {};
};

struct CudaGpu {
  std::string bus_id;
  std::string name;
  int compute_capability = 0;
  int multiprocessors = 0;
  int numa = -1;  // of the host memory near to it; -1: not told
};

/// What one GPU may do with the memory of another, by CUDA's ordinals.
struct CudaPeer {
  int from = 0;
  int to = 0;
  bool access = false;
  bool atomics = false;
  int performance_rank = 0;
};

/// A GPU, network interface or bridge on PCIe.
struct PciFact {
  std::string bus_id;
  std::string parent = {};        // bus id of the bridge above; empty: a root
  std::string device_class = {};  // as "0x030200"
  std::string vendor = {};        // as "0x10de"
  std::string speed = {};         // as "32.0 GT/s PCIe"
  int width = 0;                  // PCIe lanes; 0: not told
  int numa = -1;
  std::string device = {};  // as "0x2335"
};

struct NetworkFact {
  std::string name;
  std::string bus_id = {};  // empty: not on PCIe
  int megabits = 0;         // a second; 0: not told
};

struct CpuFact {
  std::string arch = {};
  std::string vendor = {};
  int family = 0;
  int model = 0;
};

/// One thing that one source said of one part of a machine's state, as it was read; or why it could not be read.
struct Reading {
  std::string subject;       // a bus id, two of them, "machine", a device file, the name of an environment variable
  std::string what;          // as in "link_width"
  std::string value = {};    // empty where it could not be read, and where it is empty
  std::string source = {};   // a file, a function, a command
  std::string missing = {};  // why it could not be read; empty: it was
};

struct MachineFacts {
  std::string name = "this machine";
  std::string driver = {};
  std::string nvml_missing = {};  // why NVML told nothing; empty: it did
  std::string cuda_missing = {};
  std::vector<NvmlGpu> nvml = {};
  std::vector<CudaGpu> cuda = {};  // in CUDA's order, which is that of ranks
  std::vector<CudaPeer> peers = {};
  std::vector<PciFact> pci = {};  // a bridge before what lies behind it
  std::vector<NetworkFact> networks = {};
  CpuFact cpu = {};
  std::vector<Reading> readings = {};  // how the machine is, where somebody asked (p2plab doctor)
};

/// A sentence about the machine and who said it: "NVML", "CUDA", "sysfs".
struct SourcedFact {
  std::string subject;
  std::string fact;
  std::string source;
};

struct Detected {
  Topology topology;
  std::vector<SourcedFact> facts = {};
  std::vector<std::string> disagreements = {};  // where sources contradict each other, and whom we believe
  std::vector<std::string> warnings = {};       // what no source told
};

/// The machine of these facts. Ranks are CUDA's devices; NVLinks are NVML's; PCIe, NUMA and network are sysfs'. GPUs whose peers CUDA refuses lose
/// their way over NVLink. Errors: no_device where no GPU was seen, with what is missing and how to go on.
Result<Detected> build_machine(const MachineFacts& facts, const MachineAnswers& answers = {});

/// The facts as JSON, and back. Errors: not JSON, unknown or missing keys, wrong types.
std::string write_facts(const MachineFacts& facts);
Result<MachineFacts> read_facts(std::string_view text, const std::string& filename);

/// Facts and disagreements as text.
std::string facts_text(const Detected& detected);

}  // namespace p2plab
