// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/simulated_executor.h"

#include <fmt/format.h>

#include "p2plab/simulator/simulate.h"

namespace p2plab {

namespace {

class Simulator final : public Executor {
 public:
  explicit Simulator(Profile profile) : profile_(std::move(profile)) {}

  Status available() const override { return {}; }
  Clock clock() const override { return Clock::simulated; }

  Result<Measurement> run(const Job& job, const RunOptions&) const override {
    expects(job.topology != nullptr && job.program != nullptr);
    const auto result = simulate(*job.topology, *job.program, profile_, {.in_a_row = true});
    if (!result) return result.error();
    Measurement measurement;
    measurement.executor = "simulator";
    measurement.samples = {to_seconds(result->period)};
    measurement.notes = {fmt::format("profile {}", profile_.name)};
    return measurement;
  }

 private:
  Profile profile_;
};

}  // namespace

namespace executors {
Entry<Executor> simulator(Profile profile) {
  return {"simulator", "predicts the time by events at slice level, with contention", {}, [profile = std::move(profile)] {
            return std::make_unique<Simulator>(profile);
          }};
}
}  // namespace executors

}  // namespace p2plab
