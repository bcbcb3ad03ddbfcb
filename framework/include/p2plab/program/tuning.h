// SPDX-License-Identifier: Apache-2.0
// The form in which a plan runs: protocol, blocks, slices. Suggested by the planner; CONTRIBUTING.md, "Who decides", names the files.
#pragma once

#include <cstdint>
#include <string_view>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// How data announces its arrival: `simple`, one flag a slice after the data; `ll`, 16-byte packets of half data, half flag;
/// `ll128`, 120 data bytes and 8 flag bytes a 128-byte line; `lamport`, the data is its own flag (receive buffers pre-filled); `copy`, as simple,
/// but the GPUs' copy engines move the data, which can add nothing.
enum class Protocol : std::uint8_t { simple, ll, ll128, lamport, copy };

/// Does a program run slice by slice, with a flag for each, not element by element?
constexpr bool in_slices(Protocol protocol) { return protocol == Protocol::simple || protocol == Protocol::copy; }

std::string_view to_string(Protocol protocol);
Result<Protocol> protocol(std::string_view name);

/// The form in which `lower` makes a program.
struct Tuning {
  /// Thread blocks that share each lane: slice s of every instruction belongs to block s % blocks_per_lane, so blocks never touch the same bytes.
  int blocks_per_lane = 1;
  /// Instructions move their data in slices of this many bytes; dependencies hold slice by slice. Rounded up to a multiple of 16 bytes
  /// when lowered; 0 means one slice per instruction.
  Bytes slice{0};
  Protocol protocol = Protocol::simple;
  /// Not 0: every instruction moves its data in this many slices, whatever its bytes (`slice` must then be 0), so that on a link which serves its
  /// lanes in turn heavy chunks get more than light ones.
  int slices = 0;
  /// A lane for each step, instead of one for steps with the same channel and remote ranks: no step then waits in line behind another.
  /// Costs thread blocks.
  bool lane_per_step = false;

  static constexpr int most_slices = 1 << 24;
  static constexpr int most_blocks_per_lane = 4096;
  /// Bytes of each slice of an instruction that moves `bytes`; the last may be shorter. A multiple of 16, or `bytes`.
  constexpr std::int64_t slice_of(std::int64_t bytes) const {
    constexpr std::int64_t grain = 16;  // what a thread moves at a time
    const auto wanted = slices > 0 ? ((bytes + slices - 1) / slices + grain - 1) / grain * grain : slice.count();
    return wanted <= 0 || wanted > bytes ? bytes : wanted;
  }
};

}  // namespace p2plab
