// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/packet_program.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>

#include "program/packet_places.h"
#include "program/packet_slots.h"

namespace p2plab {

namespace {

// Slots begin at whole lines of memory, of 128 bytes. Where a line carries 120 of data, that takes 16 of them, which is a multiple of 128, too.
std::int64_t landing_alignment(PacketWire wire) { return wire == PacketWire::ll128 ? 16 * line_of(wire).data : 128; }

struct ItemPlace {
  std::int32_t rank = -1;
  std::uint32_t index = 0;
};

// The value that a location holds at some point of the list.
struct Version {
  ItemPlace writer;   // the item that sends it, where it is not in memory
  ItemPlace forward;  // the item by which the owner passes it to readers elsewhere
  std::int64_t bytes = 0;
  RouteId route = default_route;  // by which it was written
  std::int64_t order = 0;         // of that write, among all
  std::int32_t serial = 0;        // of all versions
  bool in_memory = true;          // the owner can read it where the location lies
};

constexpr auto no_item = std::numeric_limits<std::uint32_t>::max();
constexpr int order_bits = 17;  // of a step's own order: what it reads by way of others, itself; or what it writes
constexpr std::int64_t own_order = std::int64_t{1} << (order_bits - 1);

class PacketRewriter {
 public:
  PacketRewriter(const Program& program, const PeerAccess& peer_access, PacketWire wire, const RankView& counted)
      : program_(program), peer_access_(peer_access), counted_(counted), locations_(program.operands.size()), slots_(program.operands.size()) {
    out_.wire = wire;
    out_.ranks.resize(program.memory.size());
    out_.landing.resize(program.memory.size());
    out_.host_landing.resize(program.memory.size());
    std::vector<std::size_t> counts(program.memory.size());
    for (const auto& lane : program.lanes) counts[lane.rank.index()] += lane.count;
    for (std::size_t r = 0; r < counts.size(); ++r) out_.ranks[r].reserve(counts[r]);
    out_.messages.reserve(program.operands.size() / 2);
  }

  PacketProgram run() {
    for (const auto& [instruction, rank] : instructions_by_step(program_)) visit(*instruction, rank);
    store_outputs();
    drop_unread();
    return std::move(out_);
  }

 private:
  std::size_t version_of(const Operand& operand) {
    const auto number = locations_.number({operand.rank.value, operand.buffer, operand.offset});
    if (number == versions_.size()) versions_.push_back({.writer = {}, .forward = {}, .serial = next_serial_++});
    return number;
  }
  PacketItem& item_at(const ItemPlace& place) { return out_.ranks[static_cast<std::size_t>(place.rank)][place.index]; }

  ItemPlace append(std::int32_t rank, PacketItem item) {
    auto& items = out_.ranks[static_cast<std::size_t>(rank)];
    out_.most_bytes = std::max(out_.most_bytes, item.bytes);
    items.push_back(std::move(item));
    return {rank, static_cast<std::uint32_t>(items.size() - 1)};
  }

  // The slot in which a version, sent by `sender`, reaches `reader`, who knows it as `named`.
  PacketOperand deliver(std::size_t number, const ItemPlace& sender, Rank reader, const Operand& named) {
    const auto& version = versions_[number];
    const auto known = slots_.number({reader.value, Buffer::scratch, version.serial});
    if (known < landing_.size()) return landing_[known];
    const Rank from{sender.rank};
    const bool connected = peer_access_.connected(from, reader);
    SlotRequest request{.message = {from, reader}, .bytes = version.bytes};
    if (named.buffer == Buffer::host) {
      request.host = named.rank;
    } else if (!connected) {
      request.host = reader;
    }
    // The owner reads what was written to it, others what the owner sends them.
    if (connected) request.route = named.rank == reader ? version.route : named.route;
    const auto slot = add_slot(out_, request, counted_.self(request.host.value_or(reader)));
    item_at(sender).destinations.push_back(slot);
    landing_.push_back(slot);
    return slot;
  }

  // The operand from which `reader` reads a location now.
  PacketOperand read(const Operand& operand, Rank reader, const PacketItem& item) {
    const auto number = version_of(operand);
    auto& version = versions_[number];
    version.bytes = std::max(version.bytes, item.bytes);
    if (operand.buffer == Buffer::host) {
      const bool written = version.writer.rank >= 0;  // no proved program reads anything else
      return written ? deliver(number, version.writer, reader, operand) : in_memory(operand);
    }
    if (operand.rank == reader) {
      return version.in_memory ? PacketOperand{.place = PacketPlace::memory, .rank = reader, .buffer = operand.buffer, .offset = operand.offset}
                               : deliver(number, version.writer, reader, operand);
    }
    if (version.forward.rank < 0) {
      PacketItem forward{.step = item.step, .order = item.order, .bytes = item.bytes};
      forward.sources.push_back(read(operand, operand.rank, forward));
      version.forward = append(operand.rank.value, std::move(forward));
    }
    return deliver(number, version.forward, reader, operand);
  }

  // The images of a step have its order.
  std::int64_t order_of(StepId step) const {
    return std::int64_t{program_.images == nullptr ? step.value : step.value / program_.images->images()} << order_bits;
  }

  void visit(const Instruction& instruction, Rank rank) {
    PacketItem item{.step = instruction.step,
                    .order = order_of(instruction.step),
                    .bytes = instruction.bytes,
                    .divides = instruction.divides,
                    .divisor = instruction.divisor};
    item.sources.reserve(instruction.sources);
    for (const auto& source : program_.sources(instruction)) {
      item.sources.push_back(read(source, rank, item));
      ++item.order;
    }
    auto written = order_of(instruction.step);
    item.order = written + own_order;
    item.destinations.reserve(instruction.destinations);
    for (const auto& destination : program_.destinations(instruction)) {
      if (stays(destination, rank)) item.destinations.push_back(in_memory(destination));
    }
    const auto bytes = item.bytes;
    const auto place = append(rank.value, std::move(item));
    for (const auto& destination : program_.destinations(instruction)) {
      versions_[version_of(destination)] = {.writer = place,
                                            .forward = {},
                                            .bytes = bytes,
                                            .route = destination.route,
                                            .order = written++,
                                            .serial = next_serial_++,
                                            .in_memory = stays(destination, rank)};
    }
  }

  static PacketOperand in_memory(const Operand& operand) {
    return {.place = PacketPlace::memory, .rank = operand.rank, .buffer = operand.buffer, .offset = operand.offset};
  }
  static bool stays(const Operand& destination, Rank executor) { return destination.rank == executor && destination.buffer != Buffer::host; }

  // Results that were sent to their owner must end in its output: on the way, where the owner passes them on anyway, else at the end.
  void store_outputs() {
    const auto passed_on = items_that_pass_on();
    std::vector<std::size_t> outputs;
    for (std::size_t number = 0; number < versions_.size(); ++number) {
      if (std::get<Buffer>(locations_.key(number)) == Buffer::output && !versions_[number].in_memory) outputs.push_back(number);
    }
    std::ranges::sort(outputs, {}, [&](std::size_t number) { return locations_.key(number); });
    // Where they lie at a rank is not where they lie at those that do the same.
    if (program_.images != nullptr) std::ranges::stable_sort(outputs, {}, [&](std::size_t number) { return versions_[number].order; });
    for (const auto number : outputs) {
      const auto [rank, buffer, offset] = locations_.key(number);
      const auto& version = versions_[number];
      const Operand named{.rank = Rank{rank}, .buffer = buffer, .offset = offset};
      const auto output = in_memory(named);
      const auto slot = deliver(number, version.writer, Rank{rank}, named);
      const auto message = static_cast<std::size_t>(slot.message);
      if (message < passed_on.size() && passed_on[message] != no_item) {
        item_at({rank, passed_on[message]}).destinations.push_back(output);
        continue;
      }
      append(rank, {.step = item_at(version.writer).step,
                    .order = last_order + version.order,
                    .bytes = version.bytes,
                    .sources = {slot},
                    .destinations = {output}});
    }
  }

  // By message: the first item that only copies what lands, or none.
  std::vector<std::uint32_t> items_that_pass_on() const {
    std::vector<std::uint32_t> found(out_.messages.size(), no_item);
    for (const auto& items : out_.ranks) {
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (items[i].adds() || items[i].sources.size() != 1 || !is_landing(items[i].sources[0])) continue;
        auto& first = found[static_cast<std::size_t>(items[i].sources[0].message)];
        if (first == no_item) first = static_cast<std::uint32_t>(i);
      }
    }
    return found;
  }

  // Takes out what nobody reads: a message that is sent but not awaited tells its receiver nothing, so tokens must not count on it.
  void drop_unread() {
    for (bool more = true; more;) {
      more = false;
      std::vector<bool> read(out_.messages.size());
      for (const auto& items : out_.ranks) {
        for (const auto& item : items) {
          for (const auto& source : item.sources) {
            if (is_landing(source)) read[static_cast<std::size_t>(source.message)] = true;
          }
        }
      }
      for (auto& items : out_.ranks) {
        for (auto& item : items) {
          std::erase_if(item.destinations, [&](const PacketOperand& to) { return is_landing(to) && !read[static_cast<std::size_t>(to.message)]; });
        }
        more = std::erase_if(items, [](const PacketItem& item) { return item.destinations.empty(); }) > 0 || more;
      }
    }
  }

  const Program& program_;
  const PeerAccess& peer_access_;
  const RankView& counted_;
  PacketProgram out_;
  PlaceNumbers locations_;
  std::vector<Version> versions_;  // by location
  std::int32_t next_serial_ = 0;
  PlaceNumbers slots_;  // by reader and version
  std::vector<PacketOperand> landing_;
};

}  // namespace

PacketOperand add_slot(PacketProgram& program, const SlotRequest& request, std::optional<Rank> area) {
  const auto owner = request.host.value_or(request.message.to);
  auto& used = (request.host ? program.host_landing : program.landing)[area.value_or(owner).index()];
  const auto alignment = landing_alignment(program.wire);
  const PacketOperand slot{.place = request.host ? PacketPlace::host_landing : PacketPlace::landing,
                           .rank = owner,
                           .buffer = request.host ? Buffer::host : Buffer::scratch,
                           .offset = used,
                           .message = static_cast<std::int32_t>(program.messages.size()),
                           .route = request.route};
  used += (request.bytes + alignment - 1) / alignment * alignment;
  program.messages.push_back(request.message);
  return slot;
}

bool PacketItem::lands() const { return std::ranges::any_of(sources, is_landing); }
bool PacketItem::sends() const { return std::ranges::any_of(destinations, is_landing); }

bool PacketProgram::fits(const PeerAccess& peer_access) const {
  for (const auto& items : ranks) {
    for (const auto& item : items) {
      for (const auto& to : item.destinations) {
        if (to.place == PacketPlace::landing && !peer_access.connected(messages[static_cast<std::size_t>(to.message)].from, to.rank)) return false;
      }
    }
  }
  return true;
}

PacketProgram list_packets(const Program& program, const PeerAccess& peer_access, PacketWire wire, const RankView& counted) {
  return PacketRewriter{program, peer_access, wire, counted}.run();
}

PacketProgram make_packet_program(const Program& program, const PeerAccess& peer_access, PacketWire wire) {
  auto packets = list_packets(program, peer_access, wire, RankView{nullptr});
  // Steps of several images may have their place in one rank's list between the same two of others.
  if (program.images != nullptr) {
    for (auto& items : packets.ranks) std::ranges::stable_sort(items, {}, &PacketItem::order);
  }
  finish_packets(packets, program, peer_access, RankView{program.images.get()});
  return packets;
}

}  // namespace p2plab
