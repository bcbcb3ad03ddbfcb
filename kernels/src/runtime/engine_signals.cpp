// SPDX-License-Identifier: Apache-2.0
// Calls chunk by chunk, with words between them that kernels of others wait for or raise.
#include <algorithm>

#include "lowered/wait_limit.h"
#include "runtime/engine.h"
#include "runtime/row_parts.h"

namespace p2plab::runtime {

std::int64_t chunk_elements(const Call& call, std::int64_t chunks) {
  const std::int64_t unit = call.epilogue ? whole_rows(*call.epilogue) * call.epilogue->hidden : 16;
  const auto units = (call.count + unit - 1) / unit;
  return std::max<std::int64_t>(1, (units + chunks - 1) / chunks) * unit;
}

Result<bool> Engine::run_signalled(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, const Signals& signals) {
  if (call.kind != CollectiveKind::all_reduce || call.owners)
    return Error{ErrorCode::unsupported, "chunks are of all-reduces whose ranks all work on all rows"};
  if (options_.only_ready) return Error{ErrorCode::unsupported, "chunks are calls of their own, of which some may not be ready (serve_ready_only)"};
  const auto deadline = wait_limit(options_.deadline);
  if (!deadline) return deadline.error();
  const auto& side = here_.at(rank);
  const device::Current current(side.device);
  if (!current.status()) return current.status().error();
  const auto chunk = chunk_elements(call, signals.chunks);
  // Before anything is put on the stream, as kernels wait for other ranks no longer than their deadline.
  for (const auto count : {std::min(chunk, call.count), call.count % chunk}) {
    auto piece = call;
    piece.count = count;
    auto ready = piece.epilogue && ranks_ > 1 && count > 0 ? prepare_fused(piece, stream) : prepare(piece);
    if (!ready && (nccl_ == nullptr || piece.epilogue)) return std::move(ready).error();
  }
  const auto size = size_of(call.type);
  const auto word = [](std::uint64_t words, std::int64_t index) { return words + static_cast<std::uint64_t>(index) * sizeof(std::uint32_t); };
  args::NeighbourCall between{.late = reinterpret_cast<std::uint64_t>(side.late.get()),
                              .timeout = nanoseconds(*deadline),
                              .done_value = signals.done_value,
                              .given_value = signals.given_value};
  std::int64_t told = 0;  // chunks of which others know
  const auto signal = [&](std::int64_t next, bool waits) -> Status {
    between.done_count = signals.done != 0 ? static_cast<std::uint32_t>(next - told) : 0;
    between.done = word(signals.done, told);
    between.given = waits && signals.given != 0 ? word(signals.given, next) : 0;
    between.chunk = static_cast<std::uint32_t>(next);
    told = next;
    return between.done_count > 0 || between.given != 0 ? device::neighbours(between, stream) : Status{};
  };
  for (std::int64_t c = 0, first = 0; first < call.count; ++c, first += chunk) {
    if (auto done = signal(c, true); !done) return std::move(done).error();
    auto piece = call;
    piece.count = std::min(chunk, call.count - first);
    const auto offset = static_cast<std::uint64_t>(first * size);
    const auto used =
        call.epilogue ? buffers_from(call, buffers, first / call.epilogue->hidden) : DeviceBuffers{buffers.input + offset, buffers.output + offset};
    if (auto served = run(rank, piece, used, stream); !served || !*served) return served;
  }
  if (auto done = signal(signals.chunks, false); !done) return std::move(done).error();
  return true;
}

}  // namespace p2plab::runtime
