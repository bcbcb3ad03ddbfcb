// SPDX-License-Identifier: Apache-2.0
#include "capi/answer.h"

#include <array>

#include <fmt/format.h>

namespace p2plab::capi {

std::string& last_error() {
  thread_local std::string text;
  return text;
}

namespace {

p2plab_result number_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::no_device:
    case ErrorCode::not_built: return P2PLAB_NO_DEVICE;
    case ErrorCode::unsupported: return P2PLAB_UNSUPPORTED;
    case ErrorCode::device_failure:
    case ErrorCode::io:
    case ErrorCode::verification_failed:
    case ErrorCode::interrupted: return P2PLAB_FAILED;
    case ErrorCode::invalid_input:
    case ErrorCode::unknown_name:
    case ErrorCode::usage: return P2PLAB_INVALID;
  }
  return P2PLAB_FAILED;
}

Result<DataType> type_of(p2plab_type type) {
  switch (type) {
    case P2PLAB_INT8: return DataType::int8;
    case P2PLAB_UINT8: return DataType::uint8;
    case P2PLAB_INT16: return DataType::int16;
    case P2PLAB_UINT16: return DataType::uint16;
    case P2PLAB_INT32: return DataType::int32;
    case P2PLAB_UINT32: return DataType::uint32;
    case P2PLAB_INT64: return DataType::int64;
    case P2PLAB_UINT64: return DataType::uint64;
    case P2PLAB_FLOAT16: return DataType::float16;
    case P2PLAB_BFLOAT16: return DataType::bfloat16;
    case P2PLAB_FLOAT32: return DataType::float32;
    case P2PLAB_FLOAT64: return DataType::float64;
  }
  return Error{ErrorCode::invalid_input, fmt::format("{} is no p2plab_type", static_cast<int>(type))};
}

Result<ReduceOp> op_of(p2plab_op op) {
  switch (op) {
    case P2PLAB_SUM: return ReduceOp::sum;
    case P2PLAB_PRODUCT: return ReduceOp::product;
    case P2PLAB_MAX: return ReduceOp::max;
    case P2PLAB_MIN: return ReduceOp::min;
    case P2PLAB_AVERAGE: return ReduceOp::average;
  }
  return Error{ErrorCode::invalid_input, fmt::format("{} is no p2plab_op", static_cast<int>(op))};
}

Result<CollectiveKind> kind_of(p2plab_kind kind) {
  constexpr std::array kinds{CollectiveKind::all_reduce, CollectiveKind::reduce_scatter, CollectiveKind::all_gather,
                             CollectiveKind::broadcast,  CollectiveKind::reduce,         CollectiveKind::gather,
                             CollectiveKind::scatter,    CollectiveKind::all_to_all,     CollectiveKind::send_receive};
  if (kind >= P2PLAB_ALL_REDUCE && kind <= P2PLAB_SEND_RECEIVE) return kinds[static_cast<std::size_t>(kind)];
  return Error{ErrorCode::invalid_input, fmt::format("{} is no p2plab_kind", static_cast<int>(kind))};
}

}  // namespace

p2plab_result failed(const Error& error) {
  auto text = describe(error);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  last_error() = std::move(text);
  return number_of(error.code);
}

p2plab_result invalid(const char* why) { return failed({ErrorCode::invalid_input, why}); }

p2plab_result outcome(const Status& status) { return status ? P2PLAB_OK : failed(status.error()); }

p2plab_result run(const p2plab_comm& comm, const CallRecording::Asked& asked) {
  auto& engine = *comm.engine;
  const auto served = comm.recording ? comm.recording->run(engine, asked) : engine.run(comm.rank, asked.call, asked.buffers, asked.stream);
  if (!served) return failed(served.error());
  if (*served) return P2PLAB_OK;
  return engine.left_to_nccl(asked.call) ? P2PLAB_LEFT_TO_NCCL : P2PLAB_NOT_SERVED;
}

Result<runtime::Call> call_of(const p2plab_call& given, int ranks) {
  const auto kind = kind_of(given.kind);
  if (!kind) return kind.error();
  const auto type = type_of(given.type);
  if (!type) return type.error();
  const auto op = op_of(given.op);
  if (!op) return op.error();
  constexpr std::size_t most = std::size_t{1} << 40;
  if (given.count > most) return Error{ErrorCode::invalid_input, fmt::format("{} elements; at most 2^40 go in one call", given.count)};
  const bool pair = *kind == CollectiveKind::send_receive;
  if (((rooted(*kind) || pair) && (given.root < 0 || given.root >= ranks)) || (pair && (given.peer < 0 || given.peer >= ranks)))
    return Error{ErrorCode::invalid_input, fmt::format("rank {} of {}", given.root < 0 || given.root >= ranks ? given.root : given.peer, ranks)};
  if (pair && given.root == given.peer) return Error{ErrorCode::invalid_input, fmt::format("rank {} sends to itself", given.root)};
  return runtime::Call{.kind = *kind,
                       .type = *type,
                       .op = reduces(*kind) ? *op : ReduceOp::sum,
                       .count = static_cast<std::int64_t>(given.count),
                       .root = rooted(*kind) || pair ? given.root : 0,
                       .peer = pair ? given.peer : 0};
}

}  // namespace p2plab::capi
