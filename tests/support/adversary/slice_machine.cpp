// SPDX-License-Identifier: Apache-2.0
#include "support/adversary/slice_machine.h"

#include <algorithm>
#include <array>

namespace p2plab::test {

namespace {

constexpr std::array buffers{Buffer::input, Buffer::output, Buffer::scratch, Buffer::host};

}  // namespace

SliceMachine::SliceMachine(const Program& program)
    : program_(program),
      contract_(*contract(program.collective, program.ranks())),
      layout_(program.collective, contract_, program.ranks(), program.payload) {
  for (const auto elements : block_elements(program.collective, contract_, program.payload)) {
    block_bytes_.push_back(elements * size_of(program.payload.type));
  }
  name_memory();
}

// In place, a rank's smaller buffer lies within its larger one if all of its blocks lie there, all at one distance; else each has its own memory.
void SliceMachine::name_memory() {
  for (int r = 0; r < program_.ranks(); ++r) {
    const Rank rank{r};
    const auto& sizes = program_.memory[rank.index()];
    for (const auto size : {sizes.input, sizes.output, sizes.scratch, sizes.host}) {
      names_.push_back({memory_.size(), 0});
      memory_.emplace_back(static_cast<std::size_t>(size.count()));
    }
    if (!program_.in_place) continue;
    const bool input_is_smaller = sizes.input <= sizes.output;
    const auto shift = layout_.output_within_input(rank);
    bool whole = true;
    for (std::size_t b = 0; b < contract_.size(); ++b) {
      const auto in = layout_.input_offset(rank, static_cast<std::int32_t>(b));
      const auto out = layout_.output_offset(rank, static_cast<std::int32_t>(b));
      if ((input_is_smaller ? in : out) >= 0) whole = whole && in >= 0 && out >= 0 && in - out == shift;
    }
    if (!whole) continue;
    auto& input = names_[rank.index() * buffers.size()];
    auto& output = names_[rank.index() * buffers.size() + 1];
    if (input_is_smaller) {
      input = {output.memory, -shift};
    } else {
      output = {input.memory, shift};
    }
  }
}

SliceMachine::Place SliceMachine::place(Rank rank, Buffer buffer, std::int64_t offset) const {
  const auto& name = names_[rank.index() * buffers.size() + static_cast<std::size_t>(buffer)];
  return {name.memory, offset + name.shift};
}

SliceMachine::Cut SliceMachine::cut(const Instruction& instruction, std::int64_t slice) const {
  const auto width = program_.slice_bytes(instruction);
  const auto begin = slice * width;
  return {begin, std::max(std::int64_t{0}, std::min(width, instruction.bytes - begin))};
}

std::size_t SliceMachine::slices() const {
  std::size_t sum = 0;
  for (const auto& instruction : program_.instructions) sum += static_cast<std::size_t>(program_.slices(instruction));
  return sum;
}

SliceMachine::Byte SliceMachine::given(std::size_t block, Rank rank, std::int64_t byte) {
  auto x = block * 1'000'003U + static_cast<std::uint64_t>(rank.value) * 7919U + static_cast<std::uint64_t>(byte) * 2'654'435'761U + 12'345U;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9U;
  return static_cast<Byte>(x ^ (x >> 32));
}

void SliceMachine::start(std::mt19937_64& random) {
  for (auto& bytes : memory_) {
    for (auto& byte : bytes) byte = static_cast<Byte>(random());
  }
  for (std::size_t b = 0; b < contract_.size(); ++b) {
    const auto block = static_cast<std::int32_t>(b);
    for (const auto rank : contract_[b].contributors) {
      const bool common = program_.in_place && layout_.output_offset(rank, block) >= 0;
      const auto to =
          common ? place(rank, Buffer::output, layout_.output_offset(rank, block)) : place(rank, Buffer::input, layout_.input_offset(rank, block));
      for (std::int64_t i = 0; i < block_bytes_[b]; ++i) memory_[to.memory][static_cast<std::size_t>(to.offset + i)] = given(b, rank, i);
    }
  }
  blocks_.clear();
  for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
    for (int part = 0; part < program_.tuning.blocks_per_lane; ++part) {
      blocks_.push_back({.lane = LaneId{static_cast<std::int64_t>(l)}, .part = part});
      settle(blocks_.back());
    }
  }
}

// Goes on to the next instruction of which the block has a slice.
void SliceMachine::settle(ThreadBlock& block) const {
  while (!ended(block) && slice(block) >= program_.slices(current(block))) {
    ++block.instruction;
    block.ordinal = 0;
  }
}

bool SliceMachine::ready(const ThreadBlock& block) const {
  if (ended(block)) return false;
  if (block.stage > 0) return true;
  const auto number = slice(block);
  return std::ranges::all_of(program_.waits_of(current(block)), [&](const Wait& wait) {
    if (number >= program_.slices(program_.at(wait.lane, wait.instruction))) return true;
    const auto& other = blocks_[wait.lane.index() * static_cast<std::size_t>(program_.tuning.blocks_per_lane) + static_cast<std::size_t>(block.part)];
    return other.instruction > wait.instruction || (other.instruction == wait.instruction && slice(other) > number);
  });
}

// The favoured block whenever it can, the starved one only when nothing else can, the others by chance; `blocks_.size()` if all stand still.
std::size_t SliceMachine::choose(std::mt19937_64& random, std::size_t starved, std::size_t favoured) const {
  if (ready(blocks_[favoured])) return favoured;
  const auto first = random() % blocks_.size();
  for (std::size_t k = 0; k < blocks_.size(); ++k) {
    const auto block = (first + k) % blocks_.size();
    if (block != starved && ready(blocks_[block])) return block;
  }
  return ready(blocks_[starved]) ? starved : blocks_.size();
}

std::string SliceMachine::run(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  start(random);
  if (blocks_.empty()) return wrong_output();
  auto starved = random() % blocks_.size();
  auto favoured = random() % blocks_.size();
  while (!std::ranges::all_of(blocks_, [&](const ThreadBlock& block) { return ended(block); })) {
    for (int tries = 0; tries < 64; ++tries) {
      const auto next = choose(random, starved, favoured);
      if (next == blocks_.size()) {
        if (tries > 0) break;
        return "all blocks stand still";
      }
      advance(blocks_[next], random);
    }
    if (random() % 4 == 0) favoured = random() % blocks_.size();
    if (random() % 16 == 0) starved = random() % blocks_.size();
  }
  return wrong_output();
}

void SliceMachine::advance(ThreadBlock& block, std::mt19937_64& random) {
  const auto half = cut(current(block), slice(block)).bytes / 2;
  if (block.stage == 0) {
    block.early = random() % 2 == 0;
    if (block.early) read(block);
    block.stage = 1;
    return;
  }
  if (block.stage == 1) {
    if (!block.early) read(block);
    write(block, 0, half);
    block.stage = 2;
    if (random() % 2 == 0) return;
  }
  write(block, half, cut(current(block), slice(block)).bytes);
  block.stage = 0;
  ++block.ordinal;
  settle(block);
}

void SliceMachine::read(ThreadBlock& block) {
  const auto& instruction = current(block);
  const auto [begin, bytes] = cut(instruction, slice(block));
  block.sum.assign(static_cast<std::size_t>(bytes), 0);
  for (const auto& source : program_.sources(instruction)) {
    const auto from = place(source.rank, source.buffer, source.offset + begin);
    const auto* const at = memory_[from.memory].data() + from.offset;
    for (std::size_t i = 0; i < block.sum.size(); ++i) block.sum[i] = static_cast<Byte>(block.sum[i] + at[i]);
  }
}

void SliceMachine::write(const ThreadBlock& block, std::int64_t from, std::int64_t to) {
  const auto& instruction = current(block);
  const auto begin = cut(instruction, slice(block)).begin;
  for (const auto& destination : program_.destinations(instruction)) {
    const auto there = place(destination.rank, destination.buffer, destination.offset + begin);
    std::copy(block.sum.begin() + from, block.sum.begin() + to, memory_[there.memory].begin() + there.offset + from);
  }
}

std::string SliceMachine::wrong_output() const {
  for (std::size_t b = 0; b < contract_.size(); ++b) {
    if (contract_[b].contributors.empty()) continue;
    for (const auto rank : contract_[b].receivers) {
      const auto at = place(rank, Buffer::output, layout_.output_offset(rank, static_cast<std::int32_t>(b)));
      for (std::int64_t i = 0; i < block_bytes_[b]; ++i) {
        Byte wanted = 0;
        for (const auto sender : contract_[b].contributors) wanted = static_cast<Byte>(wanted + given(b, sender, i));
        if (memory_[at.memory][static_cast<std::size_t>(at.offset + i)] == wanted) continue;
        return "rank " + std::to_string(rank.value) + ", block " + std::to_string(b) + ", byte " + std::to_string(i) + " is wrong";
      }
    }
  }
  return {};
}

}  // namespace p2plab::test
