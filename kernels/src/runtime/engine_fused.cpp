// SPDX-License-Identifier: Apache-2.0
// Calls with an epilogue: our programs do both in one; after NCCL, where a table says so, and where there is one rank, the rows are a kernel of their
// own; and each rank may work on its own rows, of which all get what was made.
#include <algorithm>
#include <array>

#include "rows/epilogue_link.h"
#include "runtime/engine.h"
#include "runtime/row_parts.h"

namespace p2plab::runtime {

namespace {

Call without_epilogue(Call call) {
  call.epilogue.reset();
  call.owners = false;
  return call;
}

// Rows that each of the ranks owns; the rest is everybody's.
std::int64_t owned_rows(const Call& call, int ranks) {
  const auto unit = whole_rows(*call.epilogue);
  return call.count / call.epilogue->hidden / ranks / unit * unit;
}
Call sums_of_owners(const Call& call, std::int64_t rows) {
  auto sums = without_epilogue(with_rows(call, rows));
  sums.kind = CollectiveKind::reduce_scatter;
  return sums;
}

// What all ranks get of the owners' rows: its place, and bytes of one rank's part.
struct Gathered {
  std::uint64_t address = 0;
  std::int64_t bytes = 0;
};
std::array<Gathered, 3> gathered_of(const Call& call, std::int64_t rows, const EpilogueBuffers& buffers) {
  const auto& epilogue = *call.epilogue;
  const auto elements = rows * epilogue.hidden;
  const bool quantises = epilogue.float8 != Float8::off;
  const bool scales = quantises && epilogue.float8 != Float8::tensor;
  const auto groups = epilogue.float8 == Float8::group ? elements / Epilogue::group : rows;
  return {Gathered{buffers.normed, epilogue.gives_norm ? elements * size_of(call.type) : 0}, Gathered{buffers.quantised, quantises ? elements : 0},
          Gathered{buffers.scales, scales ? groups * static_cast<std::int64_t>(sizeof(float)) : 0}};
}
Call gather_of(std::int64_t bytes) { return {.kind = CollectiveKind::all_gather, .type = DataType::uint8, .count = bytes}; }

}  // namespace

bool Engine::apart(const Call& call) const { return backend_ == Backend::nccl || over_servers() || chooser_->rows_apart(call, ranks_); }

std::int64_t Engine::rows_at_once(const Call& call) const {
  const auto row = call.epilogue->hidden * size_of(call.type);
  return std::max<std::int64_t>(1, options_.most.count() / row / aligned_rows) * aligned_rows;
}

Result<bool> Engine::run_fused(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  const auto& epilogue = *call.epilogue;
  const auto payload = runtime::payload_of(call, ranks_);
  if (auto good = check_epilogue(epilogue, collective_of(call, ranks_), payload); !good) return std::move(good).error();
  if (auto good = link_epilogue(epilogue, payload, buffers.input, buffers.epilogue); !good) return std::move(good).error();
  if (call.owners && ranks_ > 1) return rows_by_owners(rank, call, buffers, stream, by);
  const auto most = rows_at_once(call);
  const auto rows = rows_of(epilogue, payload);
  if (rows > most && options_.only_ready) return false;
  for (std::int64_t first = 0; first < rows; first += most) {
    const auto piece = with_rows(call, std::min(most, rows - first));
    auto used = buffers_from(call, buffers, first);
    used.journal = journal_of_piece(buffers.journal, first + most >= rows);
    if (auto served = fuse_piece(rank, piece, used, stream, first == 0 ? by : nullptr); !served || !*served) return served;
  }
  return true;
}

Result<bool> Engine::fuse_piece(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  auto& side = here_.at(rank);
  const device::Current current(side.device);
  if (!current.status()) return current.status().error();
  if (ranks_ == 1) {
    if (auto done = run_rows(side, call, buffers.input, buffers.epilogue, stream); !done) return std::move(done).error();
    return true;
  }
  if (apart(call)) return rows_apart(rank, call, buffers, stream, by);
  auto fused = call;
  fused.owners = false;
  const auto program = programs_->next(rank, fused, std::nullopt, !options_.only_ready);
  if (!program) return program.error();
  if (by != nullptr) by->program = *program;
  if (*program == nullptr) return false;
  if (auto done = keep_order(side, stream); !done) return std::move(done).error();
  if (auto done = (*program)->run(rank, fused, buffers, stream); !done) return std::move(done).error();
  return true;
}

Status Engine::run_rows(Side& side, const Call& call, std::uint64_t source, const EpilogueBuffers& buffers, void* stream) {
  const auto rows = link_epilogue(*call.epilogue, runtime::payload_of(call, ranks_), source, buffers);
  if (!rows) return rows.error();
  if (auto done = keep_order(side, stream); !done) return done;
  return device::rows(call.type, *rows, options_.most_blocks, stream);
}

// Room for sums between a plain call and its rows, of all ranks here at once: where one thread calls for several, kernels of the first may wait for
// the others by the time that theirs come. What was there before stays, for calls on their way and graphs read it. While `stream` is captured there
// is no more than there was.
Result<std::uint64_t> Engine::room_for(int rank, Bytes size, void* stream) {
  const std::lock_guard lock(making_room_);
  const auto address = [&] { return reinterpret_cast<std::uint64_t>(here_.at(rank).sums.back().get()); };
  if (sums_size_ >= size) return address();
  const auto capture = stream == nullptr ? Result<std::uint64_t>{0} : device::capture_of(stream);
  if (!capture) return capture.error();
  if (*capture != 0)
    return Error{.code = ErrorCode::invalid_input,
                 .message = "the memory between the sums and the epilogue must be there before a capture",
                 .notes = {"prepare the call (p2plab_prepare_fused), or make one of this size outside first"}};
  const auto grown = std::max(size, Bytes{2 * sums_size_.count()});
  for (auto& [other, side] : here_) {
    auto sums = device::allocate(side.device, grown);
    if (!sums) return std::move(sums).error();
    side.sums.push_back(*std::move(sums));
  }
  sums_size_ = grown;
  return address();
}

Result<bool> Engine::rows_apart(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  auto& side = here_.at(rank);
  if (backend_ == Backend::nccl && nccl_ == nullptr) return false;
  const auto sums = room_for(rank, Bytes{bytes_of(call)}, stream);
  if (!sums) return sums.error();
  // Whoever adds: rows of the call before, perhaps on another stream, read the same room.
  if (auto done = keep_order(side, stream); !done) return std::move(done).error();
  if (auto served = run(rank, without_epilogue(call), {buffers.input, *sums, {}, buffers.journal}, stream, by); !served || !*served) return served;
  if (auto done = run_rows(side, call, *sums, buffers.epilogue, stream); !done) return std::move(done).error();
  return true;
}

Result<bool> Engine::rows_by_owners(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  if (options_.only_ready)
    return Error{ErrorCode::unsupported, "rows by their owners are several calls, of which some may not be ready (serve_ready_only)"};
  auto& side = here_.at(rank);
  const device::Current current(side.device);
  if (!current.status()) return current.status().error();
  // Nothing is put on the stream before all is ready: kernels that wait for other ranks must not wait for programs.
  if (auto ready = prepare_fused(call, stream); !ready) return std::move(ready).error();
  const auto rows = owned_rows(call, ranks_);
  if (rows > 0) {
    const auto sums_call = sums_of_owners(call, rows);
    const auto sums = room_for(rank, Bytes{bytes_of(sums_call)}, stream);
    if (!sums) return sums.error();
    if (auto done = keep_order(side, stream); !done) return std::move(done).error();
    if (auto served = run(rank, sums_call, {buffers.input, *sums, {}, buffers.journal}, stream, by); !served || !*served) return served;
    const auto own = from_row(*call.epilogue, call.type, buffers.epilogue, rank * rows);
    if (auto done = run_rows(side, with_rows(call, rows), *sums, own, stream); !done) return std::move(done).error();
    if (auto served = gather_rows(rank, call, rows, buffers, stream); !served || !*served) return served;
  }
  const auto done = ranks_ * rows;
  auto rest = with_rows(call, call.count / call.epilogue->hidden - done);
  rest.owners = false;
  if (rest.count == 0) return true;
  return run_fused(rank, rest, buffers_from(call, buffers, done), stream, rows > 0 ? nullptr : by);
}

Result<bool> Engine::gather_rows(int rank, const Call& call, std::int64_t rows, const DeviceBuffers& buffers, void* stream) {
  for (const auto& [address, bytes] : gathered_of(call, rows, buffers.epilogue)) {
    if (bytes == 0) continue;
    const auto own = address + static_cast<std::uint64_t>(rank * bytes);
    if (auto served = run(rank, gather_of(bytes), {own, address}, stream); !served || !*served) return served;
  }
  return true;
}

// Programs for the pieces in which the call goes, and room for their sums.
Status Engine::prepare_fused(const Call& call, void* stream) {
  const auto& epilogue = *call.epilogue;
  if (auto good = check_epilogue(epilogue, collective_of(call, ranks_), runtime::payload_of(call, ranks_)); !good) return good;
  const auto rows = call.count / epilogue.hidden;
  const auto owned = call.owners ? owned_rows(call, ranks_) : 0;
  if (owned > 0) {
    const auto sums = sums_of_owners(call, owned);
    if (auto room = room_for(here_.begin()->first, Bytes{bytes_of(sums)}, stream); !room) return std::move(room).error();
    if (auto done = prepare_plain(sums); !done) return done;
    for (const auto& gathered : gathered_of(call, owned, {})) {
      if (auto done = gathered.bytes > 0 ? prepare_plain(gather_of(gathered.bytes)) : Status{}; !done) return done;
    }
  }
  const auto most = rows_at_once(call);
  const auto left = rows - owned * ranks_;
  for (const auto part : {left >= most ? most : 0, left % most}) {
    if (part == 0) continue;
    auto piece = with_rows(call, part);
    piece.owners = false;
    if (!apart(piece)) {
      if (auto done = programs_->prepare(piece); !done) return done;
      continue;
    }
    if (auto room = room_for(here_.begin()->first, Bytes{bytes_of(piece)}, stream); !room) return std::move(room).error();
    if (auto done = prepare_plain(without_epilogue(piece)); !done) return done;
  }
  return {};
}

}  // namespace p2plab::runtime
