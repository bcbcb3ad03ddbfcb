// SPDX-License-Identifier: Apache-2.0
// What a simulation looks like between two times.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace p2plab {

/// All that decides what follows, relative to that time, to the slices that each thread block has completed and to the work that it is at, of which
/// only the kind is said; and what is counted meanwhile.
struct Snapshot {
  std::int64_t now = 0;
  std::int64_t memory = 0;  // how long ago a time may be and still matter
  std::int64_t events = 0;
  std::int64_t transfers = 0;
  std::uint64_t glance = 0;  // of a small part of it: states that differ there differ
  std::vector<std::uint64_t> state = {};
  const Snapshot* earlier = nullptr;  // it is to be the same; as soon as it is not, no more needs to be written down
  bool differs = false;
  std::vector<std::uint32_t> completed = {};  // by block
  std::vector<std::uint32_t> works = {};      // by block: what it works on, and the slice of it that is next
  std::vector<std::uint32_t> slices = {};
  std::vector<std::int64_t> busy = {};  // by resource
  std::vector<std::int64_t> bytes = {};

  template <class Value>
  void word(Value value) {
    const auto bits = static_cast<std::uint64_t>(value);
    const auto at = state.size();
    if (earlier != nullptr && (at >= earlier->state.size() || earlier->state[at] != bits)) differs = true;
    state.push_back(bits);
  }
  /// Times longer ago than `memory` can hold nothing up any more, whatever is added to them.
  void since(std::int64_t time) { word(std::max(time - now, -memory)); }
  void end_section() { word(~std::uint64_t{0}); }
};

}  // namespace p2plab
