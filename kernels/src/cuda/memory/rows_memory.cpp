// SPDX-License-Identifier: Apache-2.0
#include "cuda/memory/rows_memory.h"

#include <cuda_runtime.h>

namespace p2plab::cuda {

Result<RowsMemory> RowsMemory::create(const Epilogue& epilogue, const Payload& payload, const std::vector<int>& devices, const Buffers& buffers) {
  RowsMemory made;
  const Bytes row{epilogue.hidden * size_of(payload.type)};
  const auto rows = rows_of(epilogue, payload);
  const auto scales = epilogue.float8 == Float8::group ? payload.elements / Epilogue::group : rows;
  constexpr unsigned char small = 0x3c;  // again and again: 1.06 in float16, 0.011 in bfloat16 and float32
  for (std::size_t r = 0; r < devices.size(); ++r) {
    if (auto done = use_device(devices[r]); !done) return std::move(done).error();
    const Rank rank{static_cast<std::int64_t>(r)};
    auto& at = made.addresses_.emplace_back();
    auto& rows_at = at.epilogue;
    at.input = buffers.input(rank);
    if (epilogue.gives_sum) rows_at.sum = buffers.output(rank);
    struct Piece {
      std::uint64_t* address;
      bool wanted;
      Bytes size;
      unsigned char with;
    };
    const bool quantises = epilogue.float8 != Float8::off;
    for (const auto& piece :
         {Piece{&at.output, true, payload.size(), 0xff}, Piece{&rows_at.residual, epilogue.residual, payload.size(), 0},
          Piece{&rows_at.weight, epilogue.weight, row, small}, Piece{&rows_at.bias, epilogue.bias, row, small},
          Piece{&rows_at.normed, epilogue.gives_norm, payload.size(), 0xff}, Piece{&rows_at.quantised, quantises, Bytes{payload.elements}, 0xff},
          Piece{&rows_at.scales, quantises, Bytes{scales * static_cast<std::int64_t>(sizeof(float))}, small}}) {
      if (!piece.wanted) continue;
      const auto address = made.filled(piece.size, piece.with);
      if (!address) return address.error();
      *piece.address = *address;
    }
  }
  return made;
}

Result<std::uint64_t> RowsMemory::filled(Bytes size, unsigned char with) {
  auto memory = allocate(size);
  if (!memory) return std::move(memory).error();
  if (auto done = check(cudaMemset(memory->get(), with, static_cast<std::size_t>(size.count())), "fill an epilogue's tensor"); !done)
    return std::move(done).error();
  memory_.push_back(*std::move(memory));
  return memory_.back().address();
}

}  // namespace p2plab::cuda
