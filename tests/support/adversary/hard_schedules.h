// SPDX-License-Identifier: Apache-2.0
// Schedules that verify and are hard to lower, from a seed: few slots for chunks of very different sizes, chunks that are empty or of one element,
// slots with several readers, sums in parts, host memory, groups, silent ranks, in place, folded.
#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/program/tuning.h"
#include "p2plab/schedule/payload.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab::test {

/// A schedule and how it is to be lowered.
struct HardCase {
  Schedule schedule;
  bool in_place = false;
  Payload payload;
  Tuning tuning;
  std::string name;  // for messages
};

/// Makes cases for one machine whose ranks all reach each other and some host's memory; the same seed gives the same case.
class HardSchedules {
 public:
  HardSchedules(int ranks, std::uint64_t seed) : ranks_(ranks), random_(seed) {}

  HardCase make();

 private:
  // What lies in a place: a chunk and who has given to it.
  struct Value {
    int chunk = -1;
    std::set<int> senders;
  };
  struct Held {
    Location place;
    Value value;
  };

  int between(int least, int most) { return least + static_cast<int>(random_() % static_cast<std::uint64_t>(most - least + 1)); }
  bool chance(int percent) { return between(1, 100) <= percent; }
  template <class List>
  decltype(auto) any(const List& of) {
    return of[random_() % of.size()];
  }

  Collective collective();
  Payload payload();
  Tuning tuning();
  void add_chunks(Schedule::Builder& builder, int images);
  void hold_inputs();
  Value& at(const Location& place);
  void random_step(Schedule::Builder& builder);
  std::vector<Location> sources_for(int chunk, std::set<int>& senders);
  Location destination(int chunk, const std::set<int>& senders);
  void finish(Schedule::Builder& builder, int chunk);
  void step(Schedule::Builder& builder, const std::vector<Location>& from, const std::vector<Location>& to, const Value& value);
  bool complete(const Value& value) const;
  bool is_shared(int rank, int chunk) const;
  const Block& block_of(int chunk) const { return blocks_[static_cast<std::size_t>(blocks_of_[static_cast<std::size_t>(chunk)])]; }

  int ranks_;
  std::mt19937_64 random_;
  bool in_place_ = false;
  bool folded_ = false;
  int slots_ = 1;  // of each rank, of scratch and of host memory
  std::vector<Block> blocks_;
  std::vector<int> blocks_of_;  // by chunk
  int chunks_ = 0;              // that steps move: those of the base
  std::vector<Held> held_;
};

/// A machine for them: GPUs on a switch, all on one host.
Topology machine_for_hard_schedules(int ranks);

}  // namespace p2plab::test
