// SPDX-License-Identifier: Apache-2.0
// Notes of steps from several ranks, by one clock. Each GPU has its own; but no data is there before it is sent, in either direction, so two ranks
// that send to each other bound how far their clocks are apart from both sides.
#pragma once

#include <vector>

#include "lowered/kernel_args.h"
#include "lowered/linked_packets.h"
#include "lowered/linked_slices.h"
#include "p2plab/program/measurement.h"
#include "p2plab/run/communicator.h"

namespace p2plab {

/// An item of a rank and lane (NotedItems), and one of another that waits for it. Of blocks those of one number, and of lanes those of one part.
struct Arrival {
  struct Item {
    std::int32_t rank = 0;
    std::int32_t lane = 0;
    std::uint32_t item = 0;
  };
  Item from;
  Item to;
};
/// Between the ranks of packets, and of slices: by the addresses of landing slots, and of flags. All of one process.
std::vector<Arrival> arrivals_of(std::span<const LinkedPackets> all);
std::vector<Arrival> arrivals_of(std::span<const LinkedSlices> all);

/// All notes of a rank, as they lie in its memory, in any order.
struct RankNotes {
  std::vector<args::StepEntry> notes;
  NotedItems items;
  int clock = 0;  // ranks of one GPU have one
};

struct MiddleCall {
  std::vector<MeasuredStep> steps;  // in the order of their begins
  Seconds apart{0};                 // the most that a clock may be off
};
/// Of the calls that all ranks have noted, the last of each name, without the first two and the last: that of middle length. Error: unsupported, if
/// there is none.
Result<MiddleCall> middle_call(const std::vector<RankNotes>& ranks, const std::vector<Arrival>& arrivals);

}  // namespace p2plab
