// SPDX-License-Identifier: Apache-2.0
#include "run/executors.h"

#include <fmt/format.h>

#include "p2plab/run/builtin_executors.h"

namespace p2plab {

namespace {

// The simulator as a run uses it: what was predicted to choose a plan's form is not simulated again.
class Predicting final : public Executor {
 public:
  explicit Predicting(Evaluator evaluator) : evaluator_(std::move(evaluator)) {}

  Status available() const override { return {}; }
  Clock clock() const override { return Clock::simulated; }
  Result<Measurement> run(const Job& job, const RunOptions&) const override {
    expects(job.program != nullptr);
    const auto time = evaluator_.time(*job.program);
    if (!time) return time.error();
    return Measurement{.executor = predicting_executor, .samples = {*time}};
  }

 private:
  Evaluator evaluator_;
};

}  // namespace

std::string executor_summary(const std::string& name) {
  if (name == predicting_executor) return "predicts times on the machine described, on any computer";
  const auto registry = builtin_executors();
  const auto* entry = registry.find(name);
  return entry != nullptr ? entry->summary : "";
}

Status executor_state(const std::string& name) {
  if (name == predicting_executor) return {};
  if (const auto executor = make_executor(name)) return executor->available();
  return Error{ErrorCode::not_built,
               fmt::format("this build has no {} executor", name == "cuda"             ? "CUDA"
                                                            : name.starts_with("nccl") ? "NCCL"
                                                                                       : name),
               std::nullopt,
               {"predictions and data checks need none: executors simulator and host run anywhere"}};
}

std::unique_ptr<Executor> make_executor(const std::string& name, const Evaluator* evaluator) {
  if (name == predicting_executor) return evaluator != nullptr ? std::make_unique<Predicting>(*evaluator) : nullptr;
  const auto registry = builtin_executors();
  const auto* entry = registry.find(name);
  return entry != nullptr ? entry->make() : nullptr;
}

}  // namespace p2plab
