// SPDX-License-Identifier: Apache-2.0
#include "run/measured_steps.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "run/device_rows.h"
#include "run/executors.h"

namespace p2plab {

namespace {

// How long a step takes a block that has it, in the mean; microseconds.
using StepMeans = std::map<std::int32_t, double>;

template <class Block>
class MeanOfBlocks {
 public:
  void add(std::int32_t step, const Block& block, double time) {
    sums_[step] += time;
    blocks_[step].insert(block);
  }
  StepMeans means() const {
    StepMeans means;
    for (const auto& [step, sum] : sums_) means[step] = sum / static_cast<double>(blocks_.at(step).size());
    return means;
  }

 private:
  std::map<std::int32_t, double> sums_;
  std::map<std::int32_t, std::set<Block>> blocks_;
};

StepMeans predicted(const WinnerRecording& recording) {
  constexpr double us = 1e-6;
  const auto& program = recorded(recording.winner->evaluation->program, recording.result.recording);
  MeanOfBlocks<std::uint32_t> means;
  for (const auto& slice : recording.result.recording.slices)
    means.add(static_cast<std::int32_t>(program.instructions[slice.instruction].step.value), slice.block,
              static_cast<double>((slice.released - slice.considered).count()) * us);
  return means.means();
}

StepMeans measured(const Measurement& measurement) {
  constexpr double us = 1e6;
  MeanOfBlocks<std::tuple<std::int32_t, std::int32_t, std::int32_t>> means;
  for (const auto& step : measurement.steps) means.add(step.step, {step.rank, step.lane, step.block}, (step.ended - step.begun).count() * us);
  return means.means();
}

}  // namespace

void measure_steps(const Experiment& experiment, const Evaluator& evaluator, std::vector<WinnerRecording>& recordings,
                   const std::function<void(const std::string&)>& note) {
  for (const auto& name : experiment.executors) {
    if (name == predicting_executor || is_nccl(name) || experiment.job || !executor_state(name)) continue;
    const auto executor = make_executor(name, &evaluator);
    for (auto& recording : recordings) {
      const auto& winner = *recording.winner;
      if (slices_of(winner.evaluation->program) > most_traced_slices) continue;
      if (executor->clock() == Clock::host && winner.size > experiment.measure.check_up_to) continue;
      const Job job{&evaluator.topology(), &winner.evaluation->plan(), &winner.evaluation->program};
      auto ran =
          executor->run(job, {.warmup = 0, .repeats = 1, .seed = experiment.seed, .graph = experiment.measure.graph, .steps = true, .check = false});
      if (!ran) {
        note(fmt::format("no steps of {} at {} by {}: {}", winner.choice->label(), to_string(winner.size), name, ran.error().message));
      } else if (!ran->steps.empty()) {
        recording.measured.push_back(*std::move(ran));
      }
    }
  }
}

std::vector<std::string> step_sentences(std::span<const WinnerRecording> recordings) {
  std::vector<std::string> sentences;
  for (const auto& recording : recordings) {
    for (const auto& each : recording.measured) {
      if (each.clock != Clock::device) continue;
      const auto expected = predicted(recording);
      const auto found = measured(each);
      const auto off = [&](const auto& step) { return std::abs(step.second - (expected.contains(step.first) ? expected.at(step.first) : 0)); };
      const auto worst = std::ranges::max_element(found, {}, off);
      if (worst == found.end() || !expected.contains(worst->first)) continue;
      const auto what = worst->first < 0 ? std::string{"to wait for the ranks' begin"} : fmt::format("step {}", worst->first);
      sentences.push_back(fmt::format("{}: of the steps of {} at {}, by {}, {} is furthest from its prediction: {:.2f} us a block, {:.2f} predicted.",
                                      to_string(recording.winner->kind), recording.winner->choice->label(), to_string(recording.winner->size),
                                      each.executor, what, worst->second, expected.at(worst->first)));
    }
  }
  return sentences;
}

}  // namespace p2plab
