// SPDX-License-Identifier: Apache-2.0
#include "check/places.h"

#include <algorithm>
#include <utility>

#include <boost/sort/spreadsort/integer_sort.hpp>

#include "check/order.h"

namespace p2plab::checking {

Places::Places(const Program& program, std::span<const std::uint32_t> owners, std::span<const Block> blocks, const BufferLayout& layout, Sums& sums)
    : program_(program) {
  find_sharing(layout);
  std::int64_t passed = 0;
  for (const auto elements : block_elements(program.collective, blocks, program.payload)) {
    origins_.push_back(passed);
    passed += elements * size_of(program.payload.type);
  }
  origins_.push_back(passed);
  cut(owners, extents_of(blocks, layout));
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

// By buffer, as `ends` says then.
Large<Places::Touched> Places::all_touched(std::span<const std::uint32_t> owners, std::span<const Extent> blocks,
                                           std::vector<std::uint32_t>& ends) const {
  ends.assign(program_.memory.size() * 4, 0);
  for (std::size_t o = 0; o < owners.size(); ++o) {
    if (owners[o] != nobody) ++ends[static_cast<std::size_t>(extent(program_.operands[o], 0).buffer)];
  }
  for (const auto& block : blocks) ++ends[static_cast<std::size_t>(block.buffer)];
  std::uint32_t begin = 0;
  for (auto& end : ends) begin += std::exchange(end, begin);
  Large<Touched> touched(begin);
  const auto place = [&](const Extent& extent, std::int32_t operand) {
    touched[ends[static_cast<std::size_t>(extent.buffer)]++] = {extent.begin, extent.end, operand};
  };
  constexpr std::size_t ahead = 3 * instructions_ahead;
  for (std::size_t o = 0; o < owners.size(); ++o) {
    if (o + ahead < owners.size() && owners[o + ahead] != nobody) checking::ask_for(program_.instructions, owners[o + ahead]);
    if (owners[o] != nobody) place(extent(program_.operands[o], program_.instructions[owners[o]].bytes), static_cast<std::int32_t>(o));
  }
  for (const auto& block : blocks) place(block, none);
  return touched;
}

// By buffer: as much as may be touched of it.
std::vector<std::int64_t> Places::buffer_sizes() const {
  std::vector<std::int64_t> sizes;
  for (std::size_t r = 0; r < program_.memory.size(); ++r) {
    const auto& memory = program_.memory[r];
    const auto output = shared_[r].shared ? std::max(memory.input, memory.output) : memory.output;
    for (const auto buffer : {Buffer::input, Buffer::output, Buffer::scratch, Buffer::host}) {
      const auto size = buffer == Buffer::input     ? memory.input
                        : buffer == Buffer::output  ? output
                        : buffer == Buffer::scratch ? memory.scratch
                                                    : memory.host;
      sizes.push_back(size.count());
    }
  }
  return sizes;
}

// Calls `visit` with the extents of all operands of instructions and of all blocks (none), as long as it is true.
template <class Visit>
bool Places::each_touched(std::span<const std::uint32_t> owners, std::span<const Extent> blocks, Visit visit) const {
  constexpr std::size_t ahead = 3 * instructions_ahead;
  for (std::size_t o = 0; o < owners.size(); ++o) {
    if (o + ahead < owners.size() && owners[o + ahead] != nobody) checking::ask_for(program_.instructions, owners[o + ahead]);
    if (owners[o] == nobody) continue;
    if (!visit(extent(program_.operands[o], program_.instructions[owners[o]].bytes), static_cast<std::int32_t>(o))) return false;
  }
  return std::ranges::all_of(blocks, [&](const Extent& block) { return visit(block, none); });
}

// What divides all beginnings and ends.
std::int64_t Places::common_size(std::span<const std::uint32_t> owners, std::span<const Extent> blocks) const {
  CommonSize common;
  for (const auto& instruction : program_.instructions) common.add(instruction.bytes);
  for (std::size_t o = 0; o < owners.size(); ++o) {
    if (owners[o] != nobody) common.add(program_.operands[o].offset);
  }
  for (const auto& sharing : shared_) {
    common.add(sharing.input_shift);
    common.add(sharing.output_shift);
  }
  for (const auto& block : blocks) {
    common.add(block.begin);
    common.add(block.end);
  }
  return common.bytes();
}

// All beginnings and ends, whatever the buffer; none if there are more than `most`.
std::vector<std::int64_t> Places::all_marks(std::span<const std::uint32_t> owners, std::span<const Extent> blocks, std::size_t most) const {
  KeyTable known;
  std::vector<std::int64_t> marks;
  std::vector<std::int64_t> behind;  // by mark: where the last that began there ended
  const auto add = [&](std::int64_t at) {
    const auto key = static_cast<std::uint64_t>(at);
    if (const auto mark = known.find(key); mark != KeyTable::none) return static_cast<std::size_t>(mark);
    known.add(key, static_cast<std::int32_t>(marks.size()));
    marks.push_back(at);
    behind.push_back(-1);
    return marks.size() - 1;
  };
  const bool few = each_touched(owners, blocks, [&](const Extent& extent, std::int32_t /*operand*/) {
    const auto begin = add(extent.begin);
    if (std::exchange(behind[begin], extent.end) != extent.end) add(extent.end);
    return marks.size() <= most;
  });
  return few ? marks : std::vector<std::int64_t>{};
}

// An empty grid on which all accesses and blocks begin and end; none if its places are many more than the accesses.
std::optional<Grid> Places::grid_of(std::span<const std::uint32_t> owners, std::span<const Extent> blocks) const {
  const auto sizes = buffer_sizes();
  if (sizes.empty()) return std::nullopt;
  constexpr std::size_t places_an_operand = 32;                                         // the memory of those is a quarter of what sorting takes
  const auto most = std::min(places_an_operand * owners.size(), std::size_t{1} << 30);  // numbers fit 32 bits
  if (auto grid = Grid::of(sizes, Ruler::even(common_size(owners, blocks)), most)) return grid;
  auto marks = all_marks(owners, blocks, most / sizes.size() + 1);
  return marks.empty() ? std::nullopt : Grid::of(sizes, Ruler::at(std::move(marks)), most);
}

// False if something lies outside of what the program states. Each operand's `firsts_` is then the number of its first byte on the ruler.
bool Places::cut(Grid& grid, std::span<const std::uint32_t> owners, std::span<const Extent> blocks) {
  const auto sizes = buffer_sizes();
  return each_touched(owners, blocks, [&](const Extent& extent, std::int32_t operand) {
    if (extent.begin < 0 || extent.end > sizes[static_cast<std::size_t>(extent.buffer)]) return false;
    const auto begin = grid.ruler().number(extent.begin);
    grid.cut(extent.buffer, begin);
    grid.cut(extent.buffer, grid.ruler().number_behind(begin, extent.end));
    if (operand != none) firsts_[static_cast<std::size_t>(operand)] = static_cast<std::int32_t>(begin);
    return true;
  });
}

void Places::take(const Grid& grid, std::span<const std::uint32_t> owners) {
  for (std::int32_t buffer = 0; buffer < std::ssize(program_.memory) * 4; ++buffer) {
    const auto first = stretches_.size();
    bases_.push_back(static_cast<std::uint32_t>(first));
    grid.each_cut(buffer, [&](std::int64_t at) { stretches_.push_back({.begin = at, .next = static_cast<std::int32_t>(stretches_.size()) + 1}); });
    if (stretches_.size() > first) stretches_.back().next = none;
  }
  bases_.push_back(static_cast<std::uint32_t>(stretches_.size()));
  for (std::size_t o = 0; o < owners.size(); ++o) {
    if (owners[o] == nobody) continue;
    const auto buffer = extent(program_.operands[o], 0).buffer;
    firsts_[o] = static_cast<std::int32_t>(grid.cuts_before(buffer, static_cast<std::size_t>(firsts_[o])));
  }
}

// On a grid, if there is one; else by sorting, buffer by buffer, so that what is sorted stays small.
void Places::cut(std::span<const std::uint32_t> owners, std::span<const Extent> blocks) {
  firsts_.assign(program_.operands.size(), none);
  if (auto grid = grid_of(owners, blocks); grid && cut(*grid, owners, blocks)) {
    stretches_.reserve(grid->number());
    return take(*grid, owners);
  }
  std::ranges::fill(firsts_, none);
  std::vector<std::uint32_t> ends;
  auto touched = all_touched(owners, blocks, ends);
  stretches_.reserve(touched.size());
  std::vector<std::int64_t> other_ends;
  std::uint32_t begin = 0;
  for (const auto end : ends) {
    bases_.push_back(static_cast<std::uint32_t>(stretches_.size()));
    cut_buffer({touched.data() + begin, end - begin}, other_ends);
    begin = end;
  }
  bases_.push_back(static_cast<std::uint32_t>(stretches_.size()));
}

// The stretches of the next buffer. Most ends are where another access begins, and come in order once the beginnings do.
void Places::cut_buffer(std::span<Touched> here, std::vector<std::int64_t>& other_ends) {
  boost::sort::spreadsort::integer_sort(
      here.begin(), here.end(), [](const Touched& t, unsigned bits) { return t.begin >> bits; },
      [](const Touched& a, const Touched& b) { return a.begin < b.begin; });
  other_ends.clear();
  for (std::size_t i = 0, next = 0; i < here.size(); ++i) {
    while (next < here.size() && here[next].begin <= here[i].begin) ++next;
    if (next < here.size() && here[next].begin == here[i].end) continue;
    if (here[i].end > here[i].begin && (other_ends.empty() || other_ends.back() != here[i].end)) other_ends.push_back(here[i].end);
  }
  boost::sort::spreadsort::integer_sort(other_ends.begin(), other_ends.end());
  const auto first = stretches_.size();
  const auto add = [&](std::int64_t at) {
    if (stretches_.size() > first && stretches_.back().begin == at) return;
    stretches_.push_back({.begin = at, .next = static_cast<std::int32_t>(stretches_.size()) + 1});
  };
  auto end = other_ends.begin();
  for (const auto& one : here) {
    for (; end != other_ends.end() && *end <= one.begin; ++end) add(*end);
    add(one.begin);
    if (one.operand != none) firsts_[static_cast<std::size_t>(one.operand)] = static_cast<std::int32_t>(stretches_.size()) - 1;
  }
  for (; end != other_ends.end(); ++end) add(*end);
  if (stretches_.size() > first) stretches_.back().next = none;
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
