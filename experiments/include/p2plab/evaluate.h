// One plan, judged: proved, lowered with the best of a few tunings, predicted.
#pragma once

#include <functional>

#include "p2plab/planner.h"
#include "p2plab/program.h"
#include "p2plab/routes.h"
#include "p2plab/topology.h"
#include "p2plab/verify.h"

namespace p2plab {

/// What all plans of a run are judged on: the machine, and the model that predicts times on it.
struct Setting {
  Topology topology;
  Routes routes;
  std::function<Result<Seconds>(const Program&)> predict;
};

/// A plan with everything that is known about it; `program` is the form with the least predicted time.
struct Evaluation {
  Plan plan;
  Proof proof;
  Program program;
  Seconds predicted{0};
};

/// Proves `plan`, then tries tunings (copies of lanes, slices), from the planner's suggestion on, and keeps the fastest.
/// Errors: verification_failed; those of `lower` and of the model.
Result<Evaluation> evaluate(const Setting& setting, Plan plan, const Payload& payload, bool in_place);

/// The same with the tuning given.
Result<Evaluation> evaluate_as(const Setting& setting, Plan plan, const Payload& payload, bool in_place, const Tuning& tuning);

/// The payload of `size` bytes; the size is rounded down to whole elements.
Payload payload_of(Bytes size, DataType type, ReduceOp op);

}  // namespace p2plab
