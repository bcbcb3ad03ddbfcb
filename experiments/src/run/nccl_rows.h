// SPDX-License-Identifier: Apache-2.0
// What NCCL would do here, as rows of a report: its own formula's time, run as this experiment's calls are. Predictions of NCCL, not plans of ours.
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

/// How the calls of an experiment are launched, one of nccl::launch_modes().
std::string mode_of_calls(const Experiment& experiment);

/// The prediction of a call of ours in a graph, for calls that are launched as this experiment's.
Prediction as_run(const Prediction& prediction, const Experiment& experiment);

class NcclRows {
 public:
  /// Searches NCCL's channels on the experiment's machine once.
  NcclRows(const Experiment& experiment, const Evaluator& evaluator);

  /// The row `nccl_model` for one collective and size: the formula's time and what the calls cost by the way they are run. None where the model does
  /// not know the machine or the collective.
  std::vector<Row> rows(CollectiveKind kind, Bytes size) const;
  /// Why there are none at all; empty if there are.
  const std::string& missing() const& { return missing_; }
  const std::string& missing() && = delete;

 private:
  const Experiment& experiment_;
  const Evaluator& evaluator_;
  std::optional<nccl::Communicator> communicator_ = std::nullopt;
  std::string missing_;
};

}  // namespace p2plab
