// SPDX-License-Identifier: Apache-2.0
// Every two slices of a program, one by one.
#include <algorithm>

#include "support/adversary/slice_machine.h"

namespace p2plab::test {

namespace {

// Which slices come before a slice, as bits.
class Before {
 public:
  explicit Before(std::size_t slices) : words_((slices + 63) / 64), bits_(words_ * slices) {}
  bool has(std::size_t slice, std::size_t earlier) const { return (bits_[slice * words_ + earlier / 64] >> (earlier % 64) & 1U) != 0; }
  void add(std::size_t slice, std::size_t earlier) {
    for (std::size_t w = 0; w < words_; ++w) bits_[slice * words_ + w] |= bits_[earlier * words_ + w];
    bits_[slice * words_ + earlier / 64] |= std::uint64_t{1} << (earlier % 64);
  }

 private:
  std::size_t words_;
  std::vector<std::uint64_t> bits_;
};

// Slices that directly follow each slice. `first` is each instruction's first slice in the numbering of all.
std::vector<std::vector<std::size_t>> followers_of(const Program& program, const std::vector<std::size_t>& first) {
  std::vector<std::vector<std::size_t>> followers(first.back());
  const auto number = [&](std::uint32_t instruction, std::int64_t slice) { return first[instruction] + static_cast<std::size_t>(slice); };
  for (const auto& lane : program.lanes) {
    std::vector<std::int64_t> last(static_cast<std::size_t>(program.tuning.blocks_per_lane), -1);
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      const auto& instruction = program.instructions[i];
      for (std::int64_t s = 0; s < program.slices(instruction); ++s) {
        auto& before = last[static_cast<std::size_t>(s % program.tuning.blocks_per_lane)];
        const auto self = static_cast<std::int64_t>(number(i, s));
        if (before >= 0) followers[static_cast<std::size_t>(before)].push_back(static_cast<std::size_t>(self));
        before = self;
        for (const auto& wait : program.waits_of(instruction)) {
          const auto awaited = program.lanes[wait.lane.index()].first + static_cast<std::uint32_t>(wait.instruction);
          if (s < program.slices(program.instructions[awaited])) followers[number(awaited, s)].push_back(static_cast<std::size_t>(self));
        }
      }
    }
  }
  return followers;
}

// False if some slices wait for themselves.
bool close(const std::vector<std::vector<std::size_t>>& followers, Before& before) {
  std::vector<int> open(followers.size());
  for (const auto& list : followers) {
    for (const auto f : list) ++open[f];
  }
  std::vector<std::size_t> ready;
  for (std::size_t s = 0; s < open.size(); ++s) {
    if (open[s] == 0) ready.push_back(s);
  }
  for (std::size_t next = 0; next < ready.size(); ++next) {
    for (const auto f : followers[ready[next]]) {
      before.add(f, ready[next]);
      if (--open[f] == 0) ready.push_back(f);
    }
  }
  return ready.size() == followers.size();
}

}  // namespace

std::string SliceMachine::race() const {
  struct Access {
    std::size_t slice;
    std::int64_t begin;
    std::int64_t end;
    bool writes;
    std::uint32_t instruction;
  };
  std::vector<std::size_t> first{0};
  for (const auto& instruction : program_.instructions) first.push_back(first.back() + static_cast<std::size_t>(program_.slices(instruction)));
  Before before(first.back());
  if (!close(followers_of(program_, first), before)) return "slices wait for themselves";
  std::vector<std::vector<Access>> accesses(memory_.size());
  for (std::uint32_t i = 0; i < program_.instructions.size(); ++i) {
    const auto& instruction = program_.instructions[i];
    for (std::int64_t s = 0; s < program_.slices(instruction); ++s) {
      const auto [begin, bytes] = cut(instruction, s);
      if (bytes == 0) continue;
      const auto add = [&, begin = begin, bytes = bytes](const Operand& operand, bool writes) {
        const auto at = place(operand.rank, operand.buffer, operand.offset + begin);
        accesses[at.memory].push_back({first[i] + static_cast<std::size_t>(s), at.offset, at.offset + bytes, writes, i});
      };
      for (const auto& source : program_.sources(instruction)) add(source, false);
      for (const auto& destination : program_.destinations(instruction)) add(destination, true);
    }
  }
  for (const auto& list : accesses) {
    for (std::size_t a = 0; a < list.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const auto& [x, y] = std::pair{list[a], list[b]};
        if ((!x.writes && !y.writes) || x.begin >= y.end || y.begin >= x.end) continue;
        const bool one = x.slice == y.slice;
        if (one && x.begin == y.begin && x.writes != y.writes) continue;  // each element is read before it is written
        if (!one && (before.has(x.slice, y.slice) || before.has(y.slice, x.slice))) continue;
        return "instructions " + std::to_string(y.instruction) + " and " + std::to_string(x.instruction) + " touch the same bytes in any order";
      }
    }
  }
  return {};
}

}  // namespace p2plab::test
