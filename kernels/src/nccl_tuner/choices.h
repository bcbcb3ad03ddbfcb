// SPDX-License-Identifier: Apache-2.0
// Finds the first rule that fits a collective, fast: NCCL asks before each one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "nccl_tuner/rules.h"

namespace p2plab::nccl_tuner {

/// The rules for one collective of one communicator.
class Choices {
 public:
  /// A rule, and whether it has been spoken of.
  struct Entry {
    Rule rule;
    std::atomic<bool> told{false};
    std::atomic<bool> told_impossible{false};
  };

  /// `rules` in the file's order, all of one collective; `ranks` of the communicator.
  Choices(const std::vector<Rule>& rules, std::int64_t ranks);
  Choices() = default;

  /// The first rule that fits, or null. `registered` is -1 where NCCL does not tell.
  Entry* find(std::int64_t bytes, int operations, int registered) const;
  /// The first rule of this algorithm and protocol that fits the size and sets the chunk, or null.
  Entry* find_chunk(std::int64_t bytes, int algorithm, int protocol) const;

 private:
  std::size_t interval(std::int64_t bytes) const;

  std::size_t count_ = 0;
  std::unique_ptr<Entry[]> entries_;
  std::vector<std::int64_t> begins_;       // of intervals of sizes in which the same rules can fit
  std::vector<std::uint32_t> offsets_;     // by interval: its rules begin here
  std::vector<std::uint32_t> candidates_;  // up to the first that asks for nothing but the size
};

}  // namespace p2plab::nccl_tuner
