// The exporter's interface: a plan in another runtime's or simulator's format.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2plab/base/units.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/planner.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// What an exporter reads: the same program that is simulated and run.
struct ExportJob {
  const Topology* topology = nullptr;
  const Plan* plan = nullptr;
  const Program* program = nullptr;
  Bytes from{0};                    // the payloads that it serves: from this size up to, but not including,
  Bytes to{std::int64_t{1} << 40};  // that one
};

/// One file of an export. Formats of one file have the suffix ""; those of several tell them apart by it (".0.et", ".1.et").
struct ExportedFile {
  std::string suffix;
  std::string content;
};

/// Writes one foreign format.
class Exporter {
 public:
  virtual ~Exporter() = default;
  /// unsupported, with the reason, if the format cannot say what the program does.
  virtual Status supports(const ExportJob& job) const = 0;
  /// The files, at least one. Errors: those of `supports`.
  virtual Result<std::vector<ExportedFile>> write(const ExportJob& job) const = 0;
};

}  // namespace p2plab
