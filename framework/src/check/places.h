// SPDX-License-Identifier: Apache-2.0
// The memory of all ranks as stretches of bytes: what lies there, who wrote it, who has read it since.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "check/ahead.h"
#include "check/grid.h"
#include "check/large.h"
#include "check/pieces.h"
#include "p2plab/program/program.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::checking {

inline constexpr std::int32_t none = -1;

/// Bytes that every access so far touches all of or none of. Reached by index; `next` is the stretch behind it, none at a buffer's end.
struct Stretch {
  std::int64_t begin = 0;
  std::int64_t origin = 0;  // as in Content
  SumId sum = nothing;
  std::int32_t next = none;
  std::int32_t writer = none;   // operand that wrote it last
  std::int32_t readers = none;  // head of a list of operands
};

/// An operand's bytes in memory: which buffer after what `in_place` shares, and from where to where in it.
struct Extent {
  std::int32_t buffer = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

class Places {
 public:
  /// Cuts memory wherever an operand of an instruction or a block begins or ends; inputs hold what their ranks give, by the names that `sums` has
  /// for that. `owners`: by operand. `blocks` of which nothing is owed have no contributors and receivers here: their bytes hold nothing.
  Places(const Program& program, std::span<const std::uint32_t> owners, std::span<const Block> blocks, const BufferLayout& layout, Sums& sums);

  Extent extent(const Operand& operand, std::int64_t bytes) const { return extent(operand.rank, operand.buffer, operand.offset, bytes); }
  Extent extent(Rank rank, Buffer buffer, std::int64_t offset, std::int64_t bytes) const {
    const auto& sharing = shared_[rank.index()];
    if (sharing.shared && buffer == Buffer::input) offset += sharing.input_shift;
    if (sharing.shared && buffer == Buffer::output) offset += sharing.output_shift;
    const auto named = sharing.shared && buffer == Buffer::input ? Buffer::output : buffer;
    return {rank.value * 4 + static_cast<std::int32_t>(named), offset, offset + bytes};
  }
  /// The stretch where an operand begins.
  std::int32_t first_of(std::uint32_t operand) const { return firsts_[operand]; }
  /// Asks for that stretch, before it is looked at.
  void ask_for(std::uint32_t operand) const {
    if (const auto first = firsts_[operand]; first != none) checking::ask_for(stretches_, static_cast<std::size_t>(first));
  }
  /// The stretch where a block of the contract begins that lies there.
  std::int32_t find(const Extent& block) const;
  Stretch& operator[](std::int32_t stretch) { return stretches_[static_cast<std::size_t>(stretch)]; }
  /// The end of a stretch within an extent: all of an extent's stretches but perhaps the last end where the next begins.
  std::int64_t end_of(const Stretch& stretch, const Extent& extent) const {
    return stretch.next == none ? extent.end : std::min(extent.end, stretches_[static_cast<std::size_t>(stretch.next)].begin);
  }
  /// Cuts a stretch in two at `begin` + `length`.
  void split(std::int32_t stretch, std::int64_t length);

  void add_reader(Stretch& stretch, std::uint32_t operand);
  template <class Visit>
  void each_reader(const Stretch& stretch, Visit visit) const {
    for (auto r = stretch.readers; r != none; r = reads_[static_cast<std::size_t>(r)].next) visit(reads_[static_cast<std::size_t>(r)].operand);
  }
  /// Where the block lies in the payload of all blocks: the origin of its first byte.
  std::int64_t origin(std::size_t block) const { return origins_[block]; }
  /// The last block that begins there or before.
  std::size_t block_at(std::int64_t origin) const {
    return static_cast<std::size_t>(std::ranges::upper_bound(origins_, origin) - origins_.begin()) - 1;
  }
  /// Can the bytes ever be written? Only what shares memory with an output, if it is an input.
  bool fixed(const Operand& operand) const { return operand.buffer == Buffer::input && !shared_[operand.rank.index()].shared; }

 private:
  // How a rank's input and output share memory: both are seen as parts of the larger one.
  struct Sharing {
    bool shared = false;
    std::int64_t input_shift = 0;
    std::int64_t output_shift = 0;
  };
  struct Read {
    std::uint32_t operand = 0;
    std::int32_t next = none;
  };
  // What an operand, or a block (none), touches of a buffer.
  struct Touched {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    std::int32_t operand = none;
  };

  void find_sharing(const BufferLayout& layout);
  std::vector<Extent> extents_of(std::span<const Block> blocks, const BufferLayout& layout);
  Large<Touched> all_touched(std::span<const std::uint32_t> owners, std::span<const Extent> blocks, std::vector<std::uint32_t>& ends) const;
  void cut(std::span<const std::uint32_t> owners, std::span<const Extent> blocks);
  template <class Visit>
  bool each_touched(std::span<const std::uint32_t> owners, std::span<const Extent> blocks, Visit visit) const;
  std::int64_t common_size(std::span<const std::uint32_t> owners, std::span<const Extent> blocks) const;
  std::vector<std::int64_t> all_marks(std::span<const std::uint32_t> owners, std::span<const Extent> blocks, std::size_t most) const;
  std::optional<Grid> grid_of(std::span<const std::uint32_t> owners, std::span<const Extent> blocks) const;
  bool cut(Grid& grid, std::span<const std::uint32_t> owners, std::span<const Extent> blocks);
  void take(const Grid& grid, std::span<const std::uint32_t> owners);
  void cut_buffer(std::span<Touched> here, std::vector<std::int64_t>& other_ends);
  void give(std::span<const Block> blocks, const BufferLayout& layout, Sums& sums);
  std::vector<std::int64_t> buffer_sizes() const;
  std::int64_t bytes_of(std::size_t block) const { return origins_[block + 1] - origins_[block]; }

  const Program& program_;
  std::vector<Sharing> shared_;        // by rank
  std::vector<std::int64_t> origins_;  // by block, and the end of the last
  std::vector<std::uint32_t> bases_;   // by buffer: its first stretch; those that come by splitting stand at the end
  Large<Stretch> stretches_;
  Large<std::int32_t> firsts_;  // by operand
  Large<Read> reads_;
};

}  // namespace p2plab::checking
