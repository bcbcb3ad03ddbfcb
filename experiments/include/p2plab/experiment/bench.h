// SPDX-License-Identifier: Apache-2.0
// Benchmark of collectives on a real executor, as nccl-tests does it: sizes in turn, out of place and in place, data checked.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "p2plab/experiment/experiment.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/program/executor.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/program/program_io.h"
#include "p2plab/report/provenance.h"

namespace p2plab {

/// What is benchmarked; the defaults are nccl-tests'.
struct BenchOptions {
  CollectiveKind collective = CollectiveKind::all_reduce;
  AlgorithmChoice algorithm = {"auto"};                  // makes a plan for every size
  std::shared_ptr<const PlanFile> plan = nullptr;        // or this plan for all sizes, with its own tuning
  std::shared_ptr<const ProgramFile> program = nullptr;  // or this program, at the one size and on the one placing of buffers that it is for
  Bytes from{std::int64_t{32} << 20};
  Bytes to{std::int64_t{32} << 20};
  std::optional<Bytes> step = std::nullopt;  // from one size to the next; else times `factor`
  int factor = 2;
  int iterations = 20;
  int warmup = 1;
  std::vector<DataType> types = {DataType::float32};
  std::vector<ReduceOp> ops = {ReduceOp::sum};
  Rank root{0};
  bool check = true;
  bool blocking = false;  // each call is timed alone
  int graphs = 0;         // iterations are captured once and replayed so many times; 0: no graph
  Registration registration = Registration::none;
  bool staged = false;  // cuda: buffers that the other ranks never see
  std::string more_ranks = {};  // how more ranks would run, which the header says; empty: all do
};

/// One way of placing the buffers: a time and the wrong elements, or why there is none.
struct BenchSide {
  std::optional<Seconds> time = std::nullopt;
  std::optional<DataCheck> check = std::nullopt;
  std::optional<Error> error = std::nullopt;
};

struct BenchRow {
  CollectiveKind collective = CollectiveKind::all_reduce;
  int ranks = 0;
  Payload payload = {};
  Rank root{0};
  std::string algorithm = {};  // and its form, as in "two_shot, lamport"
  BenchSide out_of_place = {};
  BenchSide in_place = {};

  /// Elements as nccl-tests counts them: per rank for all_gather, reduce_scatter and all_to_all.
  std::int64_t count() const;
  /// Payload over time, in GB/s; none without a time.
  std::optional<double> algbw_gbps(const BenchSide& side) const;
  /// algbw times nccl-tests' factor.
  std::optional<double> busbw_gbps(const BenchSide& side) const;
};

struct BenchReport {
  std::string executor = {};
  Clock clock = Clock::host;
  Provenance provenance = {};
  std::vector<BenchRow> rows = {};
  std::vector<std::string> notes = {};  // of the executor

  /// The mean over all times, as nccl-tests' last line.
  double mean_busbw_gbps() const;
  std::int64_t wrong() const;
  bool checked() const;  // was any data compared?
};

/// Hears each row when it is finished.
using BenchListener = std::function<void(const BenchReport&, const BenchRow&)>;

/// Plans, proves, lowers and runs every type, operation and size on `executor`, which the report calls `name`. Payloads are rounded down to whole
/// elements, and to equal blocks where the collective cuts them. What cannot run is in its row. Errors: impossible options.
Result<BenchReport> bench(const Evaluator& evaluator, const Executor& executor, const std::string& name, const BenchOptions& options,
                          const BenchListener& listener);

/// nccl-tests' columns: the header, one row, and the last lines.
std::string bench_header(const BenchReport& report, const BenchOptions& options);
std::string bench_line(const BenchRow& row);
std::string bench_footer(const BenchReport& report);
/// The same as JSON, with nccl-tests' keys.
std::string to_json(const BenchReport& report);

/// A size as nccl-tests writes it ("8", "128M", "1G", powers of 1024) or as we do ("64 MiB").
Result<Bytes> parse_bench_size(const std::string& text);
/// nccl-tests' names ("half", "float", "prod", "avg") or ours; "all" gives all that this program knows.
Result<std::vector<DataType>> parse_bench_types(const std::string& text);
Result<std::vector<ReduceOp>> parse_bench_ops(const std::string& text);

}  // namespace p2plab
