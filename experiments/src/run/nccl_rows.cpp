// SPDX-License-Identifier: Apache-2.0
#include "run/nccl_rows.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/nccl/nccl_call.h"
#include "run/executors.h"

namespace p2plab {

bool nccl_rows_wanted(const Experiment& experiment) {
  return std::ranges::find(experiment.executors, "nccl") == experiment.executors.end() || !executor_state("nccl");
}

std::string mode_of_calls(const Experiment& experiment) {
  if (experiment.measure.graph) return "graph";
  return experiment.job ? "process" : "one-thread";
}

Prediction as_run(const Prediction& prediction, const Experiment& experiment) {
  const auto mode = nccl::launch_mode(mode_of_calls(experiment));
  expects(static_cast<bool>(mode));
  const auto more = nccl::kernel_launch(*mode, experiment.topology.ranks());
  const auto [low, high] = prediction.interval.value_or(Interval{prediction.time, prediction.time});
  return {prediction.time + more.time, Interval{low + more.low, high + more.high}};
}

NcclRows::NcclRows(const Experiment& experiment, const Evaluator& evaluator) : experiment_(experiment), evaluator_(evaluator) {
  const nccl::SearchOptions options{.multicast = experiment.nccl.nvls, .peers_over_hosts = experiment.nccl.peers, .amd_cpu = experiment.nccl.amd_cpu};
  auto found = nccl::search(evaluator.topology(), options);
  if (found)
    communicator_ = *std::move(found);
  else
    missing_ = found.error().message;
}

std::vector<Row> NcclRows::rows(CollectiveKind kind, Bytes size) const {
  using enum CollectiveKind;
  const bool known = kind == all_reduce || kind == all_gather || kind == reduce_scatter || kind == broadcast || kind == reduce;
  if (!communicator_ || !known) return {};
  const auto& named = experiment_.nccl.launch;
  const auto mode = nccl::launch_mode(!named.empty() ? named : mode_of_calls(experiment_));
  expects(static_cast<bool>(mode));
  const auto found = nccl::estimate(evaluator_.topology(), *communicator_, kind, size, *mode);
  if (!found) return {};
  Row row;
  row.collective = kind;
  row.algorithm = "nccl_model";
  row.measurement = {.executor = nccl_executor, .samples = {found->time}};
  row.ranks = evaluator_.topology().ranks();
  row.dtype = to_string(experiment_.dtype);
  row.size = size;
  row.prediction = Prediction{found->time, Interval{found->low, found->high}};
  row.in_place = experiment_.measure.in_place;
  row.thread_blocks = 2 * communicator_->ring.channels;
  row.protocol = to_string(found->choice.proto);
  row.chosen = fmt::format("{} {}", to_string(found->choice.algorithm), to_string(found->choice.proto));
  return {row};
}

}  // namespace p2plab
