// SPDX-License-Identifier: Apache-2.0
#include "bench/interleaved.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"

namespace p2plab {

namespace {

Error wrong_data(const Measurement& measured, const Evaluation& evaluation) {
  return {ErrorCode::verification_failed,
          fmt::format("{} of {}: {} of {} elements came out wrong on {}: {}", evaluation.plan().planner, to_string(evaluation.program.payload.size()),
                      measured.check->wrong, measured.check->elements, measured.executor, measured.check->first_wrong)};
}

}  // namespace

std::optional<Seconds> InterleavedTimes::median() const { return Measurement{.executor = {}, .samples = samples}.median(); }

Result<std::vector<InterleavedTimes>> time_interleaved(const Evaluator& evaluator, std::span<const Contender> contenders,
                                                       const InterleavedOptions& options) {
  std::vector<InterleavedTimes> times(contenders.size());
  for (int round = 0; round < options.rounds; ++round) {
    if (round > 0 && options.stop && options.stop()) break;
    for (std::size_t nth = 0; nth < contenders.size(); ++nth) {
      const auto i = round % 2 == 0 ? nth : contenders.size() - 1 - nth;
      auto& mine = times[i];
      if (mine.error) continue;
      const auto& [executor, evaluation, rows_apart] = contenders[i];
      const Job job{&evaluator.topology(), &evaluation->plan(), &evaluation->program};
      auto how = options.each;
      how.repeats = options.samples;
      how.rows_apart = rows_apart;
      how.check = how.check && round == 0;
      auto measured = executor->run(job, how);
      if (!measured) {
        mine.error = std::move(measured).error();
        continue;
      }
      if (!options.keep_wrong && measured->check && !measured->check->passed) return wrong_data(*measured, *evaluation);
      mine.executor = measured->executor;
      mine.clock = measured->clock;
      if (measured->check) mine.check = std::move(measured->check);
      mine.samples.insert(mine.samples.end(), measured->samples.begin(), measured->samples.end());
      mine.notes = std::move(measured->notes);
      if (measured->samples.empty()) mine.error = Error{ErrorCode::unsupported, fmt::format("{} gives no times", measured->executor)};
    }
    if (options.round_ended) options.round_ended();
  }
  return times;
}

}  // namespace p2plab
