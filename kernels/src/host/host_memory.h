// SPDX-License-Identifier: Apache-2.0
// The ranks' buffers in ordinary memory.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "p2plab/detail/reference_data.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/layout.h"

namespace p2plab {

/// Input, output, scratch and host memory of every rank of one program. In place, the smaller of input and output lies within the larger one
/// wherever all its blocks are common to both; elsewhere (all-to-all) they stay apart and common blocks lie in the output.
class HostMemory {
 public:
  /// Bytes that a program needs.
  static Bytes needed(const Program& program);

  HostMemory(const Schedule& schedule, const Program& program) : HostMemory(schedule, program, {}) {}
  /// In memory that the caller keeps: rank r's buffers in arenas[r], of arena_size(program, r) bytes at least, aligned to 128; an empty one is of a
  /// rank that lives elsewhere, whose memory nobody here may name.
  HostMemory(const Schedule& schedule, const Program& program, std::span<const std::span<std::byte>> arenas);
  static Bytes arena_size(const Program& program, Rank rank);

  std::byte* at(Rank rank, Buffer buffer, std::int64_t offset) const {
    return buffers_[rank.index()][static_cast<std::size_t>(buffer)].data() + offset;
  }

  /// Poisons everything, then writes every contribution where the program reads it.
  void fill(const TestData& data, int threads);
  void fill(const TestData& data, Rank rank);
  /// Compares all outputs, or those of one rank.
  DataCheck check(const TestData& data, int threads, std::optional<Rank> only = std::nullopt) const;

 private:
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, alignment); }
  };
  static constexpr std::align_val_t alignment{128};  // offsets within scratch are multiples of this

  std::span<std::byte> allocate(Rank rank, Bytes size);
  void share(Rank rank);

  const Schedule& schedule_;
  const Program& program_;
  BufferLayout layout_;
  std::vector<std::unique_ptr<std::byte, Free>> owned_;
  std::vector<std::span<std::byte>> arenas_;                  // what is left of each; empty: memory of one's own
  std::vector<std::array<std::span<std::byte>, 4>> buffers_;  // per rank, by Buffer
};

}  // namespace p2plab
