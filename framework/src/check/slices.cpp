// SPDX-License-Identifier: Apache-2.0
#include "check/slices.h"

#include <algorithm>

namespace p2plab::checking {

namespace {

// The slices that touch some bytes.
struct Numbers {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

Numbers numbers(const SlicedRange& range, std::int64_t begin, std::int64_t end) {
  if (range.slice >= range.bytes) return {};
  return {(begin - range.begin) / range.slice, (end - 1 - range.begin) / range.slice};
}

// Is a byte's slice in `first` nowhere above its slice in `second`? Decided at the two ends, between which (byte - begin) / slice is a straight line.
bool rises(const SlicedRange& first, const SlicedRange& second, std::int64_t begin, std::int64_t end) {
  __extension__ using Wide = __int128;
  const auto at = [&](std::int64_t byte) {
    return static_cast<Wide>(byte - first.begin) * second.slice <= static_cast<Wide>(byte - second.begin) * first.slice;
  };
  return at(begin) && at(end - 1);
}

}  // namespace

Need need_between(const SlicedRange& first, const SlicedRange& second, std::int64_t begin, std::int64_t end, std::int64_t parts) {
  const auto a = numbers(first, begin, end);
  const auto b = numbers(second, begin, end);
  Need need{.slices = a.last + 1, .blocks = std::min(parts, a.last + 1)};
  const bool one_each = a.first == a.last && b.first == b.last;
  if (one_each || (first.slice == second.slice && (first.begin - second.begin) % first.slice == 0)) {
    need.apart = (a.first - b.first) % parts != 0;
    need.falling = a.first > b.first;
    return need;
  }
  if (a.first == a.last || b.first == b.last) {  // one slice meets several, of which at most one is of its block if there are several blocks
    need.apart = parts > 1;
    need.falling = a.last > b.first;
    return need;
  }
  need.apart = parts > 1;  // some slice reaches into two of the other's
  need.falling = !rises(first, second, begin, end);
  return need;
}

}  // namespace p2plab::checking
