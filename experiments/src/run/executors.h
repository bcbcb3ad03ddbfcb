// SPDX-License-Identifier: Apache-2.0
// The executors that a config may name, and whether they can run here.
#pragma once

#include <memory>
#include <string>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/program/executor.h"

namespace p2plab {

/// Its rows every run has, and by its times plans are chosen.
inline constexpr const char* predicting_executor = "simulator";

/// One line on what an executor does; `name` is one of known_executors().
std::string executor_summary(const std::string& name);

/// Can it run here? not_built or no_device, with reason and remedy, if not. The simulator always can.
Status executor_state(const std::string& name);

/// The executor called `name`; none if this build has none. The simulator needs an evaluator, whose predictions it gives.
std::unique_ptr<Executor> make_executor(const std::string& name, const Evaluator* evaluator = nullptr);

}  // namespace p2plab
