// SPDX-License-Identifier: Apache-2.0
// Works that come again in a lane: what goes by packets is a short list of them, written once for each wave.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compile/compiled.h"

namespace p2plab {

class Loops {
 public:
  explicit Loops(const Compiled& program) : program_(program) {}

  /// Looks for works that are alike, where there are enough of them for a loop.
  void find();
  bool any() const { return !kinds_.empty(); }
  /// Works of one kind differ at most in which works they wait for; without loops every work is of a kind of its own.
  std::uint32_t kind(std::uint32_t work) const { return kinds_.empty() ? work : kinds_[work]; }
  /// The first work from `from` on that is not as the one `shifts[lane]` later: of another kind, or not waiting for works that are as much later in
  /// their lanes.
  std::uint32_t alike_until(std::uint32_t lane, std::uint32_t from, std::span<const std::uint32_t> shifts) const;

 private:
  const Compiled& program_;
  std::vector<std::uint32_t> kinds_;  // by work
};

}  // namespace p2plab
