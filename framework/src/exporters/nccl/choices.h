// SPDX-License-Identifier: Apache-2.0
// Which of NCCL's own algorithms a plan is.
#pragma once

#include <string>

#include "p2plab/program/exporter.h"

namespace p2plab {

/// In the words of NCCL's tuner files.
struct NcclChoice {
  std::string collective;  // allreduce
  std::string algorithm;   // ring or tree
  std::string protocol;    // ll, ll128 or simple
  int channels = 1;        // thread blocks of a GPU
  int ranks = 1;
  int servers = 1;
};

/// Errors: unsupported: a collective that NCCL does not choose for, a plan that is none of its algorithms, ranks outside the collective.
Result<NcclChoice> nccl_choice(const ExportJob& job);

/// What writes a table of NCCL's own algorithms: whatever is one of them can be a row.
class ChoiceExporter : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto choice = nccl_choice(job);
    if (!choice) return choice.error();
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override { return write_table({&job, 1}); }
};

}  // namespace p2plab
