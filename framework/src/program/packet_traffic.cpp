// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/packet_traffic.h"

#include <algorithm>
#include <utility>

#include "program/packet_places.h"

namespace p2plab {

namespace {

struct Place {
  bool needed = false;
  std::int32_t passed_on = 0;  // later instructions that send on what they read here
  std::int32_t version = 0;    // writes passed by
};

// Walks back from the end: a place is needed if somebody reads it later, or if it is an output at the end.
class TrafficCounter {
 public:
  explicit TrafficCounter(const Program& program)
      : program_(program),
        places_(program.operands.size()),
        traffic_{.sent = std::vector<std::int64_t>(program.memory.size()), .apart = std::vector<std::int64_t>(program.memory.size())} {}

  PacketTraffic run() {
    const auto list = instructions_by_step(program_);
    for (auto item = list.rbegin(); item != list.rend(); ++item) visit(*item->first, item->second);
    return std::move(traffic_);
  }

 private:
  void visit(const Instruction& instruction, Rank rank) {
    bool kept = false;
    bool sends = false;
    for (const auto& to : program_.destinations(instruction)) {
      auto& place = at(to);
      const bool sent = place.needed && to.rank != rank && to.buffer != Buffer::host;
      if (sent) {
        traffic_.sent[rank.index()] += instruction.bytes;
        traffic_.apart[to.rank.index()] += place.passed_on;
      }
      sends = sends || sent;
      kept = kept || place.needed || (to.rank == rank && to.buffer != Buffer::host);
      place.needed = false;
      place.passed_on = 0;
      ++place.version;
    }
    if (!kept) return;
    if (instruction.adds()) ++traffic_.apart[rank.index()];
    for (const auto& from : program_.sources(instruction)) {
      auto& place = at(from);
      place.needed = true;
      if (from.buffer == Buffer::host) continue;
      const bool passes_on = sends && !instruction.adds();
      if (from.rank == rank) {
        place.passed_on += passes_on ? 1 : 0;  // if it came from another GPU, as is known once its writer is met
        continue;
      }
      traffic_.apart[rank.index()] += passes_on ? 1 : 0;
      if (is_first(rank, places_.number(key_of(from)), place.version)) traffic_.sent[from.rank.index()] += instruction.bytes;
    }
  }

  // Its owner sends a value to each reader once.
  bool is_first(Rank reader, std::size_t place, std::int32_t version) {
    const auto pair = readers_.number({reader.value, Buffer::scratch, static_cast<std::int64_t>(place)});
    if (pair == seen_.size()) seen_.push_back(-1);
    return std::exchange(seen_[pair], version) != version;
  }

  static PlaceNumbers::Key key_of(const Operand& at) { return {at.rank.value, at.buffer, at.offset}; }
  Place& at(const Operand& operand) {
    const auto number = places_.number(key_of(operand));
    if (number == known_.size()) known_.push_back({.needed = operand.buffer == Buffer::output});
    return known_[number];
  }

  const Program& program_;
  PlaceNumbers places_;
  std::vector<Place> known_;        // by number of the place
  PlaceNumbers readers_{0};         // ranks and the places of others that they read
  std::vector<std::int32_t> seen_;  // which version they read
  PacketTraffic traffic_;
};

}  // namespace

PacketTraffic packet_traffic(const Program& program) { return TrafficCounter{program}.run(); }

}  // namespace p2plab
