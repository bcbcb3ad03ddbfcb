// SPDX-License-Identifier: Apache-2.0
// The right plan for each size: a table that tuning makes, a file that keeps it, and its use in runs.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/experiment/experiment.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/program/epilogue.h"
#include "p2plab/program/executor.h"
#include "p2plab/report/progress.h"

namespace p2plab {

/// What was timed at one size: medians of samples that plans and NCCL gave in turns.
struct MeasuredSize {
  Seconds time{0};                             // of the band's plan
  std::optional<Seconds> nccl = std::nullopt;  // NCCL's; none where it did not run
  double regret = 0;                           // how much longer the plan predicted fastest takes than the fastest: 0.05 is 5 %
  int plans = 0;                               // that were timed
};

/// What rows after an all-reduce cost at one size: medians of samples taken in turns.
struct MeasuredRows {
  std::int64_t rows = 0;  // the whole number of them that is nearest to the size
  Seconds fused{0};       // the band's plan with them
  Seconds apart{0};       // the same plan without, and a kernel for them behind

  /// By over 1 %: what is as fast either way stays one kernel.
  bool are_better_apart() const;
  Seconds least() const { return std::min(fused, apart); }
};

/// What tuning found at one size.
struct TunedSize {
  Bytes size{0};
  Tuning tuning = {};  // of the band's plan at this size
  Seconds predicted{0};
  std::optional<Seconds> bound = std::nullopt;  // no schedule needs less
  std::string runner_up = {};                   // the best candidate of another planner; empty if there is none
  std::optional<Seconds> runner_up_time = std::nullopt;
  int weighed = 0;   // candidates that were predicted
  int left_out = 0;  // those whose busiest link alone needs longer, or for which time ran out
  std::optional<MeasuredSize> measured = std::nullopt;
  bool rows_apart = false;  // of a call with an epilogue: its rows as a kernel of their own behind the plain call are faster here
  std::optional<MeasuredRows> rows = std::nullopt;

  /// Ours takes over 3 % longer than NCCL: NCCL should serve this size.
  bool by_nccl() const;
};

/// Sizes in a row at which one plan is predicted fastest. It serves all sizes from its first up to the next band's first.
struct TunedBand {
  AlgorithmChoice algorithm;  // the planner, with the parameters that it used
  Plan plan;
  std::string reason;            // why it won, at the first size
  std::vector<TunedSize> sizes;  // rising, at least one
};

/// Where and with what a table was measured.
struct MeasuredOn {
  std::string executor = {};
  std::vector<std::string> gpus = {};   // their names; empty: none took part
  std::string driver = {};              // empty: none
  std::string version = {};             // of p2plab
  std::string date = {};                // UTC
  std::vector<std::string> notes = {};  // of the executors: versions of libraries, and what did not run
};

/// The table of one collective on one machine.
struct TunedTable {
  Topology topology;
  DataType dtype = DataType::float16;
  ReduceOp op = ReduceOp::sum;
  bool in_place = false;
  std::string profile;                                // name of the simulator's profile
  std::string proof = {};                             // what proves the bounds
  std::vector<TunedBand> bands;                       // by size, at least one
  std::optional<MeasuredOn> measured = std::nullopt;  // none: all times are predictions
  std::string order = {};                             // in which all plans promise to add every element (order_of_sums.h); empty: none
  std::string rows = {};                              // what follows every sum, as in "add, rms_norm of 8192": for such calls; empty: nothing

  /// The band that serves a size: the last one that begins at or below it, else the first.
  const TunedBand& band(Bytes size) const&;
  const TunedBand& band(Bytes size) && = delete;
  /// The tuning that serves a size within its band, by the same rule.
  Tuning tuning(Bytes size) const;
  /// What was found at a size, by the same rule.
  const TunedSize& at(Bytes size) const&;
  const TunedSize& at(Bytes size) && = delete;
};

/// Executors that time plans, and what is known of where they run.
struct TuneMeasuring {
  const Executor* ours = nullptr;
  const Executor* nccl = nullptr;  // null: not asked for
  int candidates = 3;              // plans timed at a size, at most: those predicted fastest
  int rounds = 5;                  // in which each has its turn
  MeasuredOn on = {};
};

struct TuneOptions {
  std::vector<Bytes> sizes;  // rising, at least one
  DataType dtype = DataType::float16;
  ReduceOp op = ReduceOp::sum;
  bool in_place = false;
  bool fixed_order = false;                               // only plans that add all members in their order
  std::optional<Seconds> time_limit = std::nullopt;       // for all sizes together; then the best so far, of those sizes that had a turn
  std::function<bool()> stop = {};                        // once it answers true, sizes that are not finished are left out; empty: never
  std::optional<TuneMeasuring> measuring = std::nullopt;  // none: the prediction decides
  /// Rows that follow every all-reduce: plans are timed with them, in the same kernel and apart. Only with `measuring`.
  std::optional<Epilogue> rows = std::nullopt;
  /// Told after each size; the function that it gets makes the table of the sizes that are done, at any time while what `tune` was given stays.
  /// Empty: nobody wants to know.
  std::function<void(std::function<Result<TunedTable>()>)> found = {};
};

/// Weighs all planners and their variants at each size, as `auto` does. No registered planner with its defaults is predicted faster at any of
/// the sizes, unless time ran out. With `measuring`, the plans predicted fastest are timed in turns, NCCL among them, and the fastest is taken (of
/// those within 1 %, the one predicted faster). Errors: those of `auto` at the first size that fails; those of the executor, if it runs none of a
/// size's plans; verification_failed, if data comes out wrong.
Result<TunedTable> tune(const Evaluator& evaluator, const Collective& collective, const TuneOptions& options, Progress& progress);

/// The table for a person.
std::string to_text(const TunedTable& table);
/// A file that `read_tuned` reads back as the same table, in either notation. Errors: unsupported, if it were longer than 32 MiB.
Result<std::string> write_tuned_yaml(const TunedTable& table);
Result<std::string> write_tuned_json(const TunedTable& table);

/// Reads a tuned file strictly; `filename` is for messages. Each band's plan is proved again. Errors: all mistakes of the file in one run, each with
/// line and column; a plan that is not one, is for another machine or collective than the others, or is wrong.
Result<TunedTable> read_tuned(std::string_view text, const std::string& filename);
Result<TunedTable> load_tuned(const std::string& path);

}  // namespace p2plab
