// SPDX-License-Identifier: Apache-2.0
// What NCCL would do here, as rows of a report: its own formula's time, and its plan at our costs. Predictions of NCCL, not plans of ours.
#pragma once

#include <string>
#include <vector>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/experiment.h"
#include "p2plab/nccl/nccl_model.h"
#include "p2plab/report/report.h"
#include "report/row_names.h"

namespace p2plab {

/// Where NCCL itself runs, its prediction is not needed.
bool nccl_rows_wanted(const Experiment& experiment);

class NcclRows {
 public:
  /// Searches NCCL's channels on the experiment's machine once.
  NcclRows(const Experiment& experiment, const Evaluator& evaluator);

  /// Rows for one collective and size: `nccl_model` with the formula's time, `nccl_ring` or `nccl_tree` with the simulated time of the plan that it
  /// chooses. None where the model does not know the machine or the collective.
  std::vector<Row> rows(CollectiveKind kind, Bytes size) const;
  /// Why there are none at all; empty if there are.
  const std::string& missing() const& { return missing_; }
  const std::string& missing() && = delete;

 private:
  std::optional<Row> plan_row(const Row& model, nccl::Algorithm algorithm, nccl::Proto proto) const;
  const Experiment& experiment_;
  const Evaluator& evaluator_;
  std::optional<nccl::Communicator> communicator_ = std::nullopt;
  std::string missing_;
};

}  // namespace p2plab
