// SPDX-License-Identifier: Apache-2.0
// What lanes and waits order: one sequence of all instructions, and whether one access is complete before another whatever runs when.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "check/large.h"
#include "check/slices.h"
#include "p2plab/program/program.h"

namespace p2plab::checking {

inline constexpr std::uint32_t nobody = ~std::uint32_t{0};

/// By operand, its instruction; `nobody` where none names it. Error verification_failed: two instructions share an operand.
Result<Large<std::uint32_t>> owners_of(const Program& program);

/// The order of a consistent program.
class Order {
 public:
  explicit Order(const Program& program);

  /// Puts the instructions into a sequence in which each comes after those that it waits for and those before it in its lane. Error
  /// verification_failed: some wait for themselves through others; names them. With `owners`, by operand, the order in which operands lie is tried
  /// first: it is that of a plan's steps, so what is used together lies together.
  Status find_sequence(std::span<const std::uint32_t> owners = {});
  /// Error verification_failed: the instruction waits for one that tells nobody when it is done.
  Status check_signals(std::uint32_t instruction) const { return all_signal_ ? Status{} : check_waits(instruction); }
  /// That sequence, by index in the program.
  const Large<std::uint32_t>& sequence() const { return sequence_; }
  std::uint32_t lane_of(std::uint32_t instruction) const { return lanes_[instruction]; }

  /// Does `second` wait for `first` itself?
  bool awaits(std::uint32_t second, std::uint32_t first) const {
    return std::ranges::any_of(program_.waits_of(program_.instructions[second]), [&](const Wait& wait) { return index_of(wait) == first; });
  }
  /// Do lanes and waits say that `first` is complete before `second`, which comes later in the sequence, for the slices that `need` counts?
  bool ordered(std::uint32_t first, std::uint32_t second, const Need& need);
  /// Waits looked at so far beyond those of the second access itself.
  std::uint64_t steps() const { return steps_; }

 private:
  // Something known to be complete before slices of the second access: slices below some number of an instruction.
  struct Known {
    std::uint32_t instruction = 0;
    bool wide = true;     // as many slices as needed; else only one of each block
    bool passed = false;  // a later instruction of the same lane lies between it and the second access
    friend bool operator==(const Known&, const Known&) = default;
  };
  // A wait, seen from the lane that waits.
  struct Edge {
    std::uint32_t own = 0;      // the instruction that waits
    std::uint32_t awaited = 0;  // the one waited for
    std::uint32_t highest = 0;  // of the lane waited for, up to here
    std::int64_t slices = 0;
  };
  struct Group {  // edges to one lane: [first, first + count)
    std::uint32_t lane = 0;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
  };

  std::uint32_t index_of(const Wait& wait) const { return program_.lanes[wait.lane.index()].first + static_cast<std::uint32_t>(wait.instruction); }
  std::int64_t slices_between(std::uint32_t waiting, std::uint32_t awaited) const;
  bool shows(const Known& known, std::uint32_t first, const Need& need) const;

  Status check_waits(std::uint32_t instruction) const;
  bool take_order_of(std::span<const std::uint32_t> owners);
  void run_lane(std::uint32_t lane, std::vector<std::uint32_t>& ready);
  Error circle() const;

  void prepare_search();
  void group_edges();
  bool search(std::uint32_t first, std::uint32_t second, const Need& need);
  void look_behind(const Known& from, std::uint32_t first, const Need& need, std::vector<Known>& found) const;
  bool is_new(const Known& known);

  const Program& program_;
  Large<std::uint32_t> lanes_;  // by instruction
  std::vector<bool> signals_;   // by instruction: so small that all of it is at hand
  Large<std::uint32_t> sequence_;
  bool all_signal_ = false;  // whoever is awaited; seen while the sequence was made

  // While the sequence is made: how far each lane is, and who waits for it.
  struct Blocked {
    std::uint32_t lane = 0;
    std::uint32_t until = 0;  // the instruction that must be done
  };
  std::vector<std::uint32_t> done_;  // by lane: instructions
  std::vector<std::vector<Blocked>> blocked_;

  // For the search; made when first needed.
  std::vector<std::uint32_t> positions_;  // by instruction: its place in the sequence
  std::vector<Edge> edges_;               // by waiting lane, then by lane waited for, then by own instruction
  std::vector<Group> groups_;
  std::vector<std::uint32_t> group_ends_;  // by lane
  struct Seen {
    std::uint32_t search = 0;
    std::array<std::uint32_t, 4> instruction = {};  // one more than the highest seen, by what is known of it
  };
  std::vector<Seen> seen_;  // by lane
  std::uint32_t searches_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<Known> open_;
};

}  // namespace p2plab::checking
