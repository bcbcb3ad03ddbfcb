// SPDX-License-Identifier: Apache-2.0
#include "compile/packet_form.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <vector>

namespace p2plab {

namespace {

// Threads that a GPU runs at once: 1024 on each of 128 multiprocessors. Groups of 512 are in step here, and run ahead of each other.
constexpr std::int64_t threads = 131'072;
constexpr int groups = 256;

// With so many packets at a time each thread takes all through a step before the next step.
constexpr std::int64_t most_packets_of_a_thread = 8;

// Of data, in 16 bytes on the wire.
std::int64_t packet_bytes(Protocol protocol) {
  if (protocol == Protocol::ll) return 8;
  return protocol == Protocol::ll128 ? 15 : 16;
}

// Bytes of data that all threads of a GPU take at once.
std::int64_t wave_of(const Program& program) {
  std::int64_t largest = 1;
  for (const auto& i : program.instructions) largest = std::max(largest, i.bytes);
  const auto each = threads * packet_bytes(program.tuning.protocol);
  return each * std::min((largest + each - 1) / each, most_packets_of_a_thread);
}

// One step of all threads of a rank.
struct Item {
  Instruction instruction;
  std::vector<Operand> sources = {};
  std::vector<Operand> destinations = {};
  std::vector<std::pair<std::size_t, std::size_t>> waits = {};  // (rank, item)
  bool early = false;                                           // sends what is there from the beginning
  bool ready = false;                                           // a copy of what is there from the beginning, by its owner
};

class Rewriter {
 public:
  explicit Rewriter(const Program& program) : from_(program), wave_(wave_of(program)), items_(program.memory.size()) {}

  Program run() {
    take_items();
    to_.payload = from_.payload;
    to_.tuning = {.parts = groups, .slice = Bytes{wave_ / groups}, .protocol = from_.tuning.protocol};
    to_.in_place = from_.in_place;
    to_.collective = from_.collective;
    to_.memory = from_.memory;
    to_.route_offsets = from_.route_offsets;
    to_.route_links = from_.route_links;
    place_items();
    for (std::size_t r = 0; r < items_.size(); ++r) add_rank(r);
    return std::move(to_);
  }

 private:
  using Key = std::tuple<std::int32_t, Buffer, std::int64_t>;
  struct Listed {
    std::uint32_t instruction = 0;
    std::uint32_t lane = 0;
  };
  static Key key(const Operand& operand) { return {operand.rank.value, operand.buffer, operand.offset}; }

  // In the order of the schedule's list.
  void take_items() {
    std::vector<Listed> list;
    for (std::uint32_t l = 0; l < from_.lanes.size(); ++l) {
      for (std::uint32_t i = 0; i < from_.lanes[l].count; ++i) list.push_back({from_.lanes[l].first + i, l});
    }
    std::ranges::stable_sort(list, {}, [&](const Listed& entry) { return from_.instructions[entry.instruction].step; });
    item_of_.resize(from_.instructions.size());
    for (const auto& entry : list) take(from_.instructions[entry.instruction], entry);
  }

  void take(const Instruction& i, const Listed& entry) {
    const auto rank = from_.lanes[entry.lane].rank;
    Item item{.instruction = i};
    for (const auto& wait : from_.waits_of(i)) {
      const auto& lane = from_.lanes[wait.lane.index()];
      // What a rank itself did before comes before in its lane.
      if (lane.rank != rank) item.waits.emplace_back(lane.rank.index(), item_of_[lane.first + static_cast<std::uint32_t>(wait.instruction)]);
    }
    for (auto source : from_.sources(i)) {
      if (source.rank != rank && source.buffer != Buffer::host) source = sent_by_owner(source, rank, item);
      item.sources.push_back(source);
    }
    const bool copies = i.sources == 1 && !written_.contains(key(item.sources[0]));
    for (const auto& destination : from_.destinations(i)) {
      item.destinations.push_back(destination);
      forwards_.erase(key(destination));
      written_.insert(key(destination));
    }
    auto& items = items_[rank.index()];
    item.ready = copies && item.waits.empty();
    if (item.ready && !items.empty() && items.back().ready && near(items.back().instruction.bytes, i.bytes)) {
      append(items.back(), item);
    } else {
      items.push_back(std::move(item));
    }
    item_of_[entry.instruction] = items.size() - 1;
  }

  // Shares of a payload differ by a rounding.
  static bool near(std::int64_t a, std::int64_t b) { return std::abs(a - b) <= std::max(a, b) / 64; }

  // Copies that wait for nothing go out together: a thread sends its packets of all of them before others have sent theirs.
  static void append(Item& item, const Item& more) {
    item.instruction.bytes = std::max(item.instruction.bytes, more.instruction.bytes);
    item.sources.insert(item.sources.end(), more.sources.begin(), more.sources.end());
    item.destinations.insert(item.destinations.end(), more.destinations.begin(), more.destinations.end());
  }

  // Nobody reads from others: the owner sends, once to each reader of the same value.
  Operand sent_by_owner(const Operand& source, Rank reader, Item& item) {
    const auto owner = source.rank.index();
    auto [known, fresh] = forwards_.try_emplace(key(source), items_[owner].size());
    const Operand landing{reader, Buffer::scratch, default_route, -1 - source.offset};
    if (fresh) {
      Item forward{.instruction = item.instruction, .sources = {source}, .destinations = {landing}, .early = !written_.contains(key(source))};
      for (const auto& wait : item.waits) {
        if (wait.first != owner && !forward.early) forward.waits.push_back(wait);
      }
      items_[owner].push_back(std::move(forward));
    } else {
      items_[owner][known->second].destinations.push_back(landing);
    }
    item.waits.emplace_back(owner, known->second);
    return landing;
  }

  std::int64_t waves_of(const Item& item) const { return std::max<std::int64_t>(1, (item.instruction.bytes + wave_ - 1) / wave_); }

  template <class Visit>
  void each_in_order(std::size_t rank, Visit visit) const {
    for (std::int64_t wave = 0, more = 1; more > 0; ++wave) {
      more = 0;
      for (const bool early : {true, false}) {
        for (std::size_t i = 0; i < items_[rank].size(); ++i) {
          if (items_[rank][i].early != early || wave >= waves_of(items_[rank][i])) continue;
          visit(i, wave);
          ++more;
        }
      }
    }
  }

  // Where each wave of each item stands in its lane: after those of earlier waves, and of earlier items.
  void place_items() {
    places_.resize(items_.size());
    std::int64_t lanes = 0;
    for (std::size_t r = 0; r < items_.size(); ++r) {
      lane_of_.emplace_back(lanes);
      if (!items_[r].empty()) ++lanes;
      places_[r].resize(items_[r].size());
      std::int32_t next = 0;
      each_in_order(r, [&](std::size_t i, std::int64_t) { places_[r][i].push_back(next++); });
    }
  }

  void add_rank(std::size_t r) {
    if (items_[r].empty()) return;
    Lane lane{Rank{static_cast<std::int64_t>(r)}, static_cast<std::uint32_t>(to_.instructions.size()), 0};
    each_in_order(r, [&](std::size_t i, std::int64_t wave) {
      add(items_[r][i], lane.rank, wave);
      ++lane.count;
    });
    to_.lanes.push_back(lane);
  }

  void add(const Item& item, Rank rank, std::int64_t wave) {
    auto i = item.instruction;
    i.bytes = std::min(wave_, i.bytes - wave * wave_);
    i.operands = static_cast<std::uint32_t>(to_.operands.size());
    i.sources = static_cast<std::uint16_t>(item.sources.size());
    i.destinations = static_cast<std::uint16_t>(item.destinations.size());
    add_operands(item.sources, rank, wave);
    add_operands(item.destinations, rank, wave);
    i.waits = static_cast<std::uint32_t>(to_.waits.size());
    for (const auto& [other, awaited] : item.waits) {
      const auto& places = places_[other][awaited];
      if (static_cast<std::size_t>(wave) < places.size()) to_.waits.push_back({lane_of_[other], places[static_cast<std::size_t>(wave)]});
    }
    i.wait_count = static_cast<std::uint32_t>(to_.waits.size() - i.waits);
    to_.instructions.push_back(i);
  }

  // Each rank begins with the one after it, as the kernel does, so that not all meet at the same port.
  void add_operands(std::span<const Operand> operands, Rank rank, std::int64_t wave) {
    const auto first = static_cast<std::ptrdiff_t>(to_.operands.size());
    for (auto operand : operands) {
      operand.offset += operand.offset < 0 ? -wave * wave_ : wave * wave_;
      to_.operands.push_back(operand);
    }
    const auto ranks = from_.ranks();
    const auto distance = [&](const Operand& operand) { return (operand.rank.value - rank.value + ranks) % ranks; };
    std::stable_sort(to_.operands.begin() + first, to_.operands.end(), [&](const Operand& a, const Operand& b) { return distance(a) < distance(b); });
  }

  const Program& from_;
  std::int64_t wave_;  // bytes of data
  Program to_;
  std::vector<std::vector<Item>> items_;  // by rank
  std::vector<std::size_t> item_of_;      // by instruction: among its rank's
  std::set<Key> written_;
  std::map<Key, std::size_t> forwards_;                         // by location: the owner's item that sends what lies there now
  std::vector<LaneId> lane_of_;                                 // by rank
  std::vector<std::vector<std::vector<std::int32_t>>> places_;  // by rank, item, wave: within the lane
};

// What comes out of the rewriter: a lane a rank, a slice of each instruction for each group.
bool in_packet_form(const Program& program) {
  if (program.tuning.parts != groups) return false;
  for (std::size_t l = 1; l < program.lanes.size(); ++l) {
    if (program.lanes[l].rank == program.lanes[l - 1].rank) return false;
  }
  return std::ranges::all_of(program.instructions, [&](const Instruction& i) { return i.bytes <= program.tuning.slice.count() * groups; });
}

}  // namespace

bool runs_by_packets(const Program& program, const Profile& profile) {
  return !in_slices(program.tuning.protocol) &&
         (profile.packet_start.count() > 0 || profile.packet_item.count() > 0 || profile.packet_tail.count() > 0);
}

Program packet_form(const Program& program) { return in_packet_form(program) ? program : Rewriter{program}.run(); }

std::int64_t packets_of(Protocol protocol, std::int64_t bytes) {
  const auto size = packet_bytes(protocol);
  return (bytes + size - 1) / size;
}

}  // namespace p2plab
