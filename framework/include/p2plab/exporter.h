// The exporter's interface: a plan in another runtime's format.
#pragma once

#include <ostream>

#include "p2plab/planner.h"
#include "p2plab/program.h"
#include "p2plab/topology.h"

namespace p2plab {

/// What an exporter reads: the same program that is simulated and run.
struct ExportJob {
  const Topology* topology = nullptr;
  const Plan* plan = nullptr;
  const Program* program = nullptr;
};

/// Writes one foreign format.
class Exporter {
 public:
  virtual ~Exporter() = default;
  /// unsupported, with the reason, if the format cannot say what the program does.
  virtual Status supports(const ExportJob& job) const = 0;
  virtual Status write(const ExportJob& job, std::ostream& out) const = 0;
};

}  // namespace p2plab
