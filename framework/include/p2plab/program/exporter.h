// SPDX-License-Identifier: Apache-2.0
// The exporter's interface: a plan in another runtime's or simulator's format.
#pragma once

#include <cstdint>
#include <span>
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
  /// unsupported, with the reason, if the format cannot say what the program does or its readers would refuse the file.
  virtual Status supports(const ExportJob& job) const = 0;
  /// The files, at least one. Errors: those of `supports`.
  virtual Result<std::vector<ExportedFile>> write(const ExportJob& job) const = 0;
  /// The same for the bands of a tuned table, by rising size: at least one. Unless the format holds several plans, each band's files are named by its
  /// first size.
  virtual Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const;
  /// Does the format cut buffers into equal chunks, so that the program must be one for `even_payload`?
  virtual bool even_chunks() const { return false; }
  /// What names of its files end in, as ".xml"; "" where any will do.
  virtual std::string extension() const { return {}; }
  /// How the runtime is told of files of these names: a sentence.
  virtual std::string how_to_load(const std::string& files) const { return "give " + files + " to its reader"; }
};

/// The largest payload up to `wanted`, but at least the smallest one, that divides into the schedule's chunks exactly by weight, in units of 16
/// bytes. `wanted` itself where blocks are of unequal size.
Payload even_payload(const Schedule& schedule, const Payload& wanted);

}  // namespace p2plab
