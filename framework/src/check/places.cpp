// SPDX-License-Identifier: Apache-2.0
#include "check/places.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace p2plab::checking {

namespace {

// Where one buffer is cut: each place once, and its number among them.
class Cuts {
 public:
  /// For a buffer with at most so many different cuts.
  void begin(std::size_t most) {
    const auto size = std::bit_ceil(most * 2 + 1);
    if (entries_.size() < size) entries_.assign(size, {});
    mask_ = size - 1;
    ++round_;
    sorted_.clear();
  }
  void add(std::int64_t at) {
    auto& entry = entry_of(at);
    if (entry.round == round_) return;
    entry = {at, 0, round_};
    sorted_.push_back(at);
  }
  const std::vector<std::int64_t>& sort() {
    std::ranges::sort(sorted_);
    for (std::size_t i = 0; i < sorted_.size(); ++i) entry_of(sorted_[i]).number = static_cast<std::int32_t>(i);
    return sorted_;
  }
  std::int32_t number(std::int64_t at) { return entry_of(at).number; }

 private:
  struct Entry {
    std::int64_t at = 0;
    std::int32_t number = 0;
    std::uint32_t round = 0;  // of the buffer that it belongs to
  };
  Entry& entry_of(std::int64_t at) {
    const auto hash = static_cast<std::uint64_t>(at) * 0x9E3779B97F4A7C15U;
    auto slot = (hash >> 32) & mask_;
    while (entries_[slot].round == round_ && entries_[slot].at != at) slot = (slot + 1) & mask_;
    return entries_[slot];
  }
  std::vector<Entry> entries_;
  std::size_t mask_ = 0;
  std::uint32_t round_ = 0;
  std::vector<std::int64_t> sorted_;
};

}  // namespace

Places::Places(const Program& program, std::span<const Block> blocks, const BufferLayout& layout, Sums& sums) : program_(program) {
  find_sharing(layout);
  std::int64_t passed = 0;
  for (const auto elements : block_elements(program.collective, blocks, program.payload)) {
    origins_.push_back(passed);
    passed += elements * size_of(program.payload.type);
  }
  origins_.push_back(passed);
  cut(extents_of(blocks, layout));
  give(blocks, layout, sums);
}

// Where all blocks lie in inputs and outputs.
std::vector<Extent> Places::extents_of(std::span<const Block> blocks, const BufferLayout& layout) {
  std::vector<Extent> extents;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto block = static_cast<std::int32_t>(b);
    for (const auto rank : blocks[b].contributors) extents.push_back(extent(rank, Buffer::input, layout.input_offset(rank, block), bytes_of(b)));
    for (const auto rank : blocks[b].receivers) extents.push_back(extent(rank, Buffer::output, layout.output_offset(rank, block), bytes_of(b)));
  }
  return extents;
}

template <class Visit>
void Places::each_touched(Visit visit) const {
  for (const auto& instruction : program_.instructions) {
    const auto end = instruction.operands + instruction.sources + instruction.destinations;
    for (auto o = instruction.operands; o < end; ++o) visit(extent(program_.operands[o], instruction.bytes), static_cast<std::int32_t>(o));
  }
}

// Sorted by buffer first, so that what is searched stays small.
void Places::cut(std::span<const Extent> blocks) {
  std::vector<std::uint32_t> ends(program_.memory.size() * 4);  // by buffer, of what touches it
  const auto count = [&](const Extent& extent, std::int32_t) { ++ends[static_cast<std::size_t>(extent.buffer)]; };
  each_touched(count);
  for (const auto& block : blocks) count(block, none);
  std::uint32_t begin = 0;
  for (auto& end : ends) begin += std::exchange(end, begin);
  std::vector<Touched> touched(begin);
  const auto place = [&](const Extent& extent, std::int32_t operand) {
    touched[ends[static_cast<std::size_t>(extent.buffer)]++] = {extent.begin, extent.end, operand};
  };
  each_touched(place);
  for (const auto& block : blocks) place(block, none);
  firsts_.assign(program_.operands.size(), none);
  stretches_.reserve(touched.size());
  Cuts cuts;
  begin = 0;
  for (const auto end : ends) {
    const std::span here{touched.data() + begin, end - begin};
    cuts.begin(here.size() * 2);
    for (const auto& one : here) cuts.add(one.begin), cuts.add(one.end);
    add_stretches(cuts.sort());
    const auto base = static_cast<std::int32_t>(bases_.back());
    for (const auto& one : here) {
      if (one.operand != none) firsts_[static_cast<std::size_t>(one.operand)] = base + cuts.number(one.begin);
    }
    begin = end;
  }
  bases_.push_back(static_cast<std::uint32_t>(stretches_.size()));
}

// The stretches of the next buffer.
void Places::add_stretches(const std::vector<std::int64_t>& cuts) {
  bases_.push_back(static_cast<std::uint32_t>(stretches_.size()));
  for (const auto begin : cuts) stretches_.push_back({.begin = begin, .next = static_cast<std::int32_t>(stretches_.size()) + 1});
  if (!cuts.empty()) stretches_.back().next = none;
}

std::int32_t Places::find(const Extent& block) const {
  const auto buffer = static_cast<std::size_t>(block.buffer);
  const auto begin = stretches_.begin() + bases_[buffer];
  const auto end = stretches_.begin() + bases_[buffer + 1];
  const auto found = std::lower_bound(begin, end, block.begin, [](const Stretch& s, std::int64_t at) { return s.begin < at; });
  return static_cast<std::int32_t>(found - stretches_.begin());
}

// What has two names in place, but no memory of its own, is given where the result will lie.
void Places::give(std::span<const Block> blocks, const BufferLayout& layout, Sums& sums) {
  std::vector<SumId> own;
  for (int r = 0; r < program_.ranks(); ++r) own.push_back(sums.of(Rank{r}));
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (bytes_of(b) == 0) continue;
    const auto block = static_cast<std::int32_t>(b);
    for (const auto rank : blocks[b].contributors) {
      const bool common = program_.in_place && layout.output_offset(rank, block) >= 0;
      const auto given = common ? extent(rank, Buffer::output, layout.output_offset(rank, block), bytes_of(b))
                                : extent(rank, Buffer::input, layout.input_offset(rank, block), bytes_of(b));
      const auto sum = own[rank.index()];
      for (auto s = find(given); s != none && (*this)[s].begin < given.end; s = (*this)[s].next) {
        (*this)[s].sum = sum;
        (*this)[s].origin = origins_[b] + (*this)[s].begin - given.begin;
      }
    }
  }
}

void Places::find_sharing(const BufferLayout& layout) {
  shared_.resize(program_.memory.size());
  for (std::size_t r = 0; program_.in_place && r < shared_.size(); ++r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    if (!layout.shares(rank)) continue;
    const auto shift = layout.output_within_input(rank);
    shared_[r] = layout.input_size(rank) <= layout.output_size(rank) ? Sharing{true, -shift, 0} : Sharing{true, 0, shift};
  }
}

Extent Places::extent(Rank rank, Buffer buffer, std::int64_t offset, std::int64_t bytes) const {
  const auto base = rank.value * 4;
  const auto& sharing = shared_[rank.index()];
  if (sharing.shared && buffer == Buffer::input) offset += sharing.input_shift;
  if (sharing.shared && buffer == Buffer::output) offset += sharing.output_shift;
  const auto named = sharing.shared && buffer == Buffer::input ? Buffer::output : buffer;
  return {base + static_cast<std::int32_t>(named), offset, offset + bytes};
}

void Places::split(std::int32_t stretch, std::int64_t length) {
  auto rest = (*this)[stretch];
  rest.begin += length;
  rest.origin += length;
  (*this)[stretch].next = static_cast<std::int32_t>(stretches_.size());
  stretches_.push_back(rest);
}

void Places::add_reader(Stretch& stretch, std::uint32_t operand) {
  reads_.push_back({operand, stretch.readers});
  stretch.readers = static_cast<std::int32_t>(reads_.size()) - 1;
}

}  // namespace p2plab::checking
