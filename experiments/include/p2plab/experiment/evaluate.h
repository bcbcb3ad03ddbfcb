// SPDX-License-Identifier: Apache-2.0
// One plan, judged: proved, lowered with the best of a few tunings, predicted.
#pragma once

#include <functional>
#include <optional>

#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology.h"
#include "p2plab/program/planner.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {

/// Where a time lies if every number of the profile lies within its interval.
struct Interval {
  Seconds low{0};
  Seconds high{0};
};

/// What all plans of a run are judged on: the machine, and the model that predicts times on it.
struct Setting {
  Topology topology;
  Routes routes;
  std::function<Result<Seconds>(const Program&)> predict;
  /// A time that no cut of this program into slices and parts falls below, for the bytes that it puts on its busiest link; empty where the model
  /// has none. Much cheaper than `predict`.
  std::function<Result<Seconds>(const Program&)> least = {};
  /// The interval of a prediction; empty where the model has none.
  std::function<Result<Interval>(const Program&)> interval = {};
  /// The form in which plans run, where that is not for the model to choose: executors on GPUs have forms that were measured to suit them.
  std::function<Tuning(const Schedule&, const Payload&)> suited = {};
};

/// A plan with everything that is known about it; `program` is the form with the least predicted time.
struct Evaluation {
  Plan plan;
  Proof proof;
  Program program;
  Seconds predicted{0};
  std::optional<Interval> interval = std::nullopt;  // of the prediction, where it was asked for
};

/// Proves `plan`, then tries tunings (copies of lanes, slices, protocols), from the planner's suggestion on, and keeps the fastest; where the
/// setting says which form is suited, it takes that. Once `stop` says true (empty: never) the fastest so far is taken.
/// Errors: verification_failed; those of `lower` and of the model.
Result<Evaluation> evaluate(const Setting& setting, Plan plan, const Payload& payload, bool in_place, const std::function<bool()>& stop = {});

/// The same with the tuning given, and the predicted time, if it is known.
Result<Evaluation> evaluate_as(const Setting& setting, Plan plan, const Payload& payload, bool in_place, const Tuning& tuning,
                               std::optional<Seconds> predicted = std::nullopt);

/// The payload of `size` bytes; the size is rounded down to whole elements.
Payload payload_of(Bytes size, DataType type, ReduceOp op);

}  // namespace p2plab
