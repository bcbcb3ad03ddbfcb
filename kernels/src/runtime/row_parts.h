// SPDX-License-Identifier: Apache-2.0
// Parts of a call with an epilogue: whole rows, and where their tensors lie.
#pragma once

#include "p2plab/run/communicator.h"
#include "runtime/call.h"

namespace p2plab::runtime {

/// The tensors from a row on.
inline EpilogueBuffers from_row(const Epilogue& epilogue, DataType type, EpilogueBuffers buffers, std::int64_t row) {
  const auto elements = static_cast<std::uint64_t>(row * epilogue.hidden);
  const auto bytes = elements * static_cast<std::uint64_t>(size_of(type));
  for (auto* const tensor : {&buffers.residual, &buffers.sum, &buffers.normed}) {
    if (*tensor != 0) *tensor += bytes;
  }
  if (buffers.quantised != 0) buffers.quantised += elements;
  if (epilogue.float8 == Float8::token) buffers.scales += static_cast<std::uint64_t>(row) * sizeof(float);
  if (epilogue.float8 == Float8::group) buffers.scales += elements / Epilogue::group * sizeof(float);
  return buffers;
}

/// So many rows that each tensor's next row begins at a multiple of 16 bytes, for any type and any number of elements a row.
inline constexpr std::int64_t aligned_rows = 16;
inline std::int64_t whole_rows(const Epilogue& epilogue) { return epilogue.hidden % aligned_rows == 0 ? 1 : aligned_rows; }

/// Rows of a call, and what a part of it reads and writes.
inline Call with_rows(const Call& call, std::int64_t rows) {
  auto part = call;
  part.count = rows * call.epilogue->hidden;
  return part;
}
inline DeviceBuffers buffers_from(const Call& call, const DeviceBuffers& buffers, std::int64_t row) {
  const auto offset = static_cast<std::uint64_t>(row * call.epilogue->hidden * size_of(call.type));
  return {buffers.input + offset, 0, from_row(*call.epilogue, call.type, buffers.epilogue, row), buffers.journal};
}

}  // namespace p2plab::runtime
