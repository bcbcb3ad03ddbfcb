// SPDX-License-Identifier: Apache-2.0
// The plans predicted fastest at one size, and which of them is fastest where it runs.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "p2plab/experiment/tuned.h"

namespace p2plab {

/// Keeps the best few of the programs that it is told of, fastest first; of those that the model cannot tell apart the first.
class Shortlist {
 public:
  explicit Shortlist(std::size_t most) : most_(most) {}
  void add(const std::shared_ptr<const Evaluation>& evaluation);
  std::vector<std::shared_ptr<const Evaluation>> plans() const { return plans_; }

 private:
  std::size_t most_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<const Evaluation>> plans_;
};

/// What timing a shortlist says.
struct TimedShortlist {
  std::size_t best = 0;  // place in the shortlist
  MeasuredSize measured = {};
  std::string reason = {};              // why this plan
  std::vector<std::string> notes = {};  // of the executors, and of what did not run
  std::optional<MeasuredRows> rows = std::nullopt;
};

/// Errors: those of `ours`, if it runs none of the plans; verification_failed.
Result<TimedShortlist> time_shortlist(const Evaluator& evaluator, const std::vector<std::shared_ptr<const Evaluation>>& plans,
                                      const TuneMeasuring& measuring, const std::function<bool()>& stop);

/// The same of all-reduces with rows behind, in the same kernel and as one of their own: at the whole number of rows that is nearest to the plans'
/// size. The time of a plan is that of its faster way. NCCL, whose executor has no rows, is not timed.
Result<TimedShortlist> time_shortlist_with_rows(const Evaluator& evaluator, const std::vector<std::shared_ptr<const Evaluation>>& plans,
                                                const Epilogue& rows, const TuneMeasuring& measuring, const std::function<bool()>& stop);

}  // namespace p2plab
