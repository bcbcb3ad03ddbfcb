// SPDX-License-Identifier: Apache-2.0
#include "bench/quiet_times.h"

namespace p2plab {

Result<QuietTimes> time_in_quiet(const Evaluator& evaluator, std::span<const Contender> contenders, const InterleavedOptions& options,
                                 GpuWatch& watch, int most_tries) {
  QuietTimes best;
  for (int attempt = 1; attempt <= most_tries; ++attempt) {
    std::vector<GpuStates> looks;
    auto each_try = options;
    each_try.each.check = options.each.check && attempt == 1;
    each_try.round_ended = [&] {
      watch.settle();
      looks.push_back(watch.look());
      if (options.round_ended) options.round_ended();
    };
    auto times = time_interleaved(evaluator, contenders, each_try);
    if (!times) return std::move(times).error();
    auto disturbed = watch.disturbances(looks);
    if (attempt == 1 || disturbed.size() < best.disturbed.size()) {
      for (std::size_t i = 0; attempt > 1 && i < times->size(); ++i) (*times)[i].check = best.times[i].check;
      best.times = *std::move(times);
      best.disturbed = std::move(disturbed);
    }
    best.tries = attempt;
    if (best.disturbed.empty() || (options.stop && options.stop())) break;
  }
  return best;
}

}  // namespace p2plab
