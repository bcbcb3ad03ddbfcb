// SPDX-License-Identifier: Apache-2.0
// Calls with an epilogue: our programs do both in one; after NCCL, and where there is one rank, the rows are a kernel of their own.
#include "rows/epilogue_link.h"
#include "runtime/engine.h"

namespace p2plab::runtime {

namespace {

// The tensors from a row on.
EpilogueBuffers from_row(const Epilogue& epilogue, DataType type, EpilogueBuffers buffers, std::int64_t row) {
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

// So many rows that each tensor's next row begins at a multiple of 16 bytes, for any type and any number of elements a row.
constexpr std::int64_t aligned_rows = 16;

}  // namespace

Result<bool> Engine::run_fused(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  const auto& epilogue = *call.epilogue;
  const auto payload = runtime::payload_of(call, ranks_);
  if (auto good = check_epilogue(epilogue, collective_of(call, ranks_), payload); !good) return std::move(good).error();
  if (auto good = link_epilogue(epilogue, payload, buffers.input, buffers.epilogue); !good) return std::move(good).error();
  const auto row = epilogue.hidden * size_of(call.type);
  const auto most = std::max<std::int64_t>(1, options_.most.count() / row / aligned_rows) * aligned_rows;
  const auto rows = rows_of(epilogue, payload);
  if (rows > most && options_.only_ready) return false;
  for (std::int64_t first = 0; first < rows; first += most) {
    auto piece = call;
    piece.count = std::min(most, rows - first) * epilogue.hidden;
    const DeviceBuffers used{buffers.input + static_cast<std::uint64_t>(first * row), 0, from_row(epilogue, call.type, buffers.epilogue, first),
                             journal_of_piece(buffers.journal, first + most >= rows)};
    if (auto served = fuse_piece(rank, piece, used, stream, first == 0 ? by : nullptr); !served || !*served) return served;
  }
  return true;
}

Result<bool> Engine::fuse_piece(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  if (ranks_ > 1 && backend_ == Backend::nccl) return after_nccl(rank, call, buffers, stream);
  auto& side = here_.at(rank);
  const device::Current current(side.device);
  if (!current.status()) return current.status().error();
  if (ranks_ == 1) {
    const auto rows = link_epilogue(*call.epilogue, runtime::payload_of(call, ranks_), buffers.input, buffers.epilogue);
    if (!rows) return rows.error();
    if (auto done = device::rows(call.type, *rows, stream); !done) return std::move(done).error();
    return true;
  }
  const auto program = programs_->next(rank, call, std::nullopt, !options_.only_ready);
  if (!program) return program.error();
  if (by != nullptr) by->program = *program;
  if (*program == nullptr) return false;
  if (auto done = keep_order(side, stream); !done) return std::move(done).error();
  if (auto done = (*program)->run(rank, call, buffers, stream); !done) return std::move(done).error();
  return true;
}

Result<bool> Engine::after_nccl(int rank, const Call& call, const DeviceBuffers& buffers, void* stream) {
  if (nccl_ == nullptr) return false;
  auto& side = here_.at(rank);
  const device::Current current(side.device);
  if (!current.status()) return current.status().error();
  const Bytes size{bytes_of(call)};
  if (side.sums_size < size) {
    const auto captured = device::capturing(stream);
    if (!captured) return captured.error();
    if (*captured)
      return Error{.code = ErrorCode::invalid_input,
                   .message = "the memory between NCCL's sums and the epilogue must be there before a capture",
                   .notes = {"make one call of this size outside first"}};
    // What uses the memory that is replaced may still run.
    if (auto done = device::synchronize(side.device); !done) return std::move(done).error();
    auto sums = device::allocate(side.device, size);
    if (!sums) return std::move(sums).error();
    side.sums = *std::move(sums);
    side.sums_size = size;
  }
  if (auto done = keep_order(side, stream); !done) return std::move(done).error();
  auto plain = call;
  plain.epilogue.reset();
  const auto sums = reinterpret_cast<std::uint64_t>(side.sums.get());
  if (auto done = nccl_->run(rank, plain, {buffers.input, sums}, stream); !done) return std::move(done).error();
  const auto rows = link_epilogue(*call.epilogue, runtime::payload_of(call, ranks_), sums, buffers.epilogue);
  if (!rows) return rows.error();
  if (auto done = device::rows(call.type, *rows, stream); !done) return std::move(done).error();
  return true;
}

}  // namespace p2plab::runtime
