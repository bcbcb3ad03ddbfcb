// SPDX-License-Identifier: Apache-2.0
// Which calls of a graph their kernels note. A kernel that notes its call takes 0.04 to 0.11 us more, 2 to 6 % of a call of up to 64 KiB
// (kernels/decisions/012); one that does not is the kernel of a process that records nothing.
#pragma once

#include <cstdint>

#include "monitor/layout.h"

namespace p2plab::capi {

/// Of calls of one graph that are alike, of so many bytes each, one in how many is noted.
constexpr std::uint32_t noted_one_in(monitor::Level level, std::uint64_t bytes) {
  constexpr std::uint64_t short_call = std::uint64_t{1} << 20;
  constexpr std::uint64_t long_call = std::uint64_t{16} << 20;
  if (level == monitor::Level::basic) return 16;
  if (level == monitor::Level::detailed) return bytes < short_call ? 8 : bytes < long_call ? 2 : 1;
  return bytes < short_call ? 2 : 1;
}

}  // namespace p2plab::capi
