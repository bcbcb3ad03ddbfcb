// SPDX-License-Identifier: Apache-2.0
// How the slices of two accesses meet on the bytes that they share: arithmetic on ranges, however many slices there are.
#pragma once

#include <cstdint>

namespace p2plab::checking {

/// Bytes of one buffer that an instruction touches: slice s those from begin + s * slice on.
struct SlicedRange {
  std::int64_t begin = 0;
  std::int64_t bytes = 0;
  std::int64_t slice = 0;  // as `bytes` if there is only one
};

/// What must hold for every slice of the first access to be complete before the slices of the second that touch the same bytes.
struct Need {
  std::int64_t slices = 0;  // of the first: those below this number take part
  std::int64_t blocks = 0;  // of the first's lane: those below this number run them
  bool apart = false;       // bytes are touched by slices of different blocks, which nothing orders within a call
  bool falling = false;     // some slice of the first meets one with a lower number of the second
};

/// The need for `first` before `second` on bytes [begin, end), which both touch; `parts` blocks run each lane.
Need need_between(const SlicedRange& first, const SlicedRange& second, std::int64_t begin, std::int64_t end, std::int64_t parts);

}  // namespace p2plab::checking
