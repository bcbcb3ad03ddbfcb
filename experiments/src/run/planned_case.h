// SPDX-License-Identifier: Apache-2.0
// What became of one algorithm at one size, inside a run.
#pragma once

#include <optional>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/experiment.h"

namespace p2plab {

struct PlannedCase {
  CollectiveKind kind = CollectiveKind::all_reduce;
  const AlgorithmChoice* choice = nullptr;
  Bytes size{0};
  std::optional<Evaluation> evaluation = std::nullopt;
  std::optional<Error> error = std::nullopt;  // why there is none
};

}  // namespace p2plab
