// SPDX-License-Identifier: Apache-2.0
// A lane's instructions without names: peers and awaited lanes are numbered by first use, so lanes that do the same look the same.
#pragma once

#include <vector>

#include "compile/compiled.h"
#include "compile/intra_lane_dependencies.h"

namespace p2plab {

/// Another rank's memory as a lane first meets it.
struct Peer {
  Operand operand;
  bool reads = false;
  StepId step;  // of that first use
};

struct LaneStream {
  std::vector<Work> works;  // indices into the two lists below count from this stream's own start
  std::vector<std::uint32_t> path_refs;
  std::vector<Awaited> waits;
  std::vector<Peer> peers;
  std::vector<std::uint32_t> lanes;
};

/// Makes the streams of a program's lanes; keeps what can be used again from lane to lane.
class LaneReader {
 public:
  LaneReader(const Program& program, const WorkCosts& costs);

  /// Valid until the next call.
  const LaneStream& read(const Lane& lane);

 private:
  struct Number {
    std::uint32_t lane = 0;  // counts reads: a number is valid only for the lane that is read
    std::uint32_t number = 0;
  };
  void add(const Lane& lane, std::uint32_t instruction);
  std::int64_t slices_of_thread(const Instruction& instruction) const;
  bool loads_wait_for_stores(const Instruction& instruction, const Work& work);
  void add_costs(std::uint32_t instruction, Work& work, bool passed_on) const;
  std::uint32_t peer(const Operand& operand, bool reads, StepId step);
  std::uint32_t awaited(LaneId lane);

  const Program& program_;
  WorkCosts costs_;
  std::vector<Number> peers_;
  std::vector<Number> lanes_;
  IntraLaneDependencies dependencies_;
  std::uint32_t reads_ = 0;
  bool sent_own_ = false;    // has the lane sent data that it did not wait for?
  bool sent_first_ = false;  // anything of its own, however little
  LaneStream stream_;
};

/// Appends streams to a compiled program; a stream that is there already is used again.
class StreamStore {
 public:
  explicit StreamStore(Compiled& out) : out_(out) {}

  /// The first work of the stream.
  std::uint32_t place(const LaneStream& stream);

 private:
  struct Kept {
    std::size_t hash = 0;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t paths = 0;
    std::uint32_t path_count = 0;
    std::uint32_t waits = 0;
    std::uint32_t wait_count = 0;
  };
  bool same(const Kept& kept, const LaneStream& stream) const;
  void append(const LaneStream& stream);

  Compiled& out_;
  std::vector<Kept> kept_;
  std::vector<std::uint32_t> buckets_;  // open addressing by hash: index of `kept_` + 1
  void rehash();
};

}  // namespace p2plab
