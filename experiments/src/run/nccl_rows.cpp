// SPDX-License-Identifier: Apache-2.0
#include "run/nccl_rows.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/plan/nccl_plan.h"
#include "run/executors.h"

namespace p2plab {

namespace {

constexpr Bytes nccl_slice{512 << 10};  // a step of its buffers, protocol simple
constexpr Bytes nccl_ll_slice{32 << 10};

Protocol protocol_of(nccl::Proto proto) {
  if (proto == nccl::Proto::ll) return Protocol::ll;
  return proto == nccl::Proto::ll128 ? Protocol::ll128 : Protocol::simple;
}

}  // namespace

bool nccl_rows_wanted(const Experiment& experiment) {
  return std::ranges::find(experiment.executors, "nccl") == experiment.executors.end() || !executor_state("nccl");
}

NcclRows::NcclRows(const Experiment& experiment, const Evaluator& evaluator) : experiment_(experiment), evaluator_(evaluator) {
  auto found = nccl::search(evaluator.topology(), evaluator.routes());
  if (found)
    communicator_ = *std::move(found);
  else
    missing_ = found.error().message;
}

std::vector<Row> NcclRows::rows(CollectiveKind kind, Bytes size) const {
  using enum CollectiveKind;
  const bool known = kind == all_reduce || kind == all_gather || kind == reduce_scatter || kind == broadcast || kind == reduce;
  if (!communicator_ || !known) return {};
  const auto best = nccl::Table(*communicator_, kind).best(size);
  if (!best) return {};
  Row row;
  row.collective = kind;
  row.algorithm = "nccl_model";
  row.measurement = {.executor = nccl_executor, .samples = {best->time}};
  row.ranks = evaluator_.topology().ranks();
  row.dtype = to_string(experiment_.dtype);
  row.size = size;
  row.prediction = Prediction{best->time};
  row.in_place = experiment_.measure.in_place;
  row.channels = 2 * communicator_->ring.channels;
  row.protocol = to_string(best->proto);
  row.chosen = fmt::format("{} {}", to_string(best->algorithm), to_string(best->proto));
  std::vector<Row> rows{row};
  if (auto plan = plan_row(row, best->algorithm, best->proto)) rows.push_back(*std::move(plan));
  return rows;
}

std::optional<Row> NcclRows::plan_row(const Row& model, nccl::Algorithm algorithm, nccl::Proto proto) const {
  auto plan = nccl_plan(evaluator_.topology(), evaluator_.routes(),
                        make_collective(model.collective, evaluator_.topology().ranks(), experiment_.root), *communicator_, algorithm);
  if (!plan) return std::nullopt;
  const auto orders = std::max<std::size_t>(1, communicator_->ring.orders.size());
  const Tuning tuning{.blocks_per_lane = std::max(1, communicator_->ring.channels / static_cast<int>(orders)),
                      .slice = proto == nccl::Proto::ll ? nccl_ll_slice : nccl_slice,
                      .protocol = protocol_of(proto)};
  auto proved = evaluator_.prove(*std::move(plan), model.in_place);
  if (!proved) return std::nullopt;
  const auto evaluation = evaluator_.evaluate_as(*std::move(proved), payload_of(model.size, experiment_.dtype, experiment_.op), tuning);
  if (!evaluation) return std::nullopt;
  Row row = model;
  row.algorithm = evaluation->plan().planner;
  row.chosen.clear();
  row.prediction = Prediction{evaluation->prediction.time};
  row.measurement.samples = {row.prediction->time};
  row.verified = true;
  row.channels = evaluation->program.blocks();
  row.blocks_per_lane = tuning.blocks_per_lane;
  row.slice = tuning.slice;
  row.protocol = to_string(tuning.protocol);
  return row;
}

}  // namespace p2plab
