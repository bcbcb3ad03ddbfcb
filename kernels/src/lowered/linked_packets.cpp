// SPDX-License-Identifier: Apache-2.0
#include "lowered/linked_packets.h"

#include <algorithm>

#include "device/wire.h"

namespace p2plab {

namespace {

constexpr std::size_t most_stores = 255;  // of a wave

// Plans count packets by packet_wire.h, kernels send them by device/wire.h.
template <class Wire>
constexpr bool is_sent_by(PacketWire wire) {
  const auto line = line_of(wire);
  std::int64_t data = 0;
  for (int position = 0; position < Wire::threads; ++position) data += Wire::bytes(static_cast<std::uint32_t>(position));
  const auto next = Wire::start(static_cast<std::uint32_t>(Wire::threads));
  return line.packets == Wire::threads && line.data == data && static_cast<std::uint64_t>(line.data) == next;
}
static_assert(packet_bytes == sizeof(device::Words<4>));
static_assert(is_sent_by<device::LlWire>(PacketWire::ll) && is_sent_by<device::Ll128Wire>(PacketWire::ll128));
static_assert(is_sent_by<device::LamportWire<2>>(PacketWire::lamport) && is_sent_by<device::LamportWire<4>>(PacketWire::lamport) &&
              is_sent_by<device::LamportWire<8>>(PacketWire::lamport));

class PacketLinker {
 public:
  PacketLinker(const PacketProgram& program, std::span<const RankAddresses> addresses, PacketWire wire, int width)
      : program_(program), addresses_(addresses), wire_(wire), width_(width) {}

  void add(const PacketItem& item, std::uint8_t stage) {
    if (item.column >= std::ssize(linked_.columns)) begin_columns(item.column + 1);
    const bool full = wave_.count == width_ || wave_.stores + item.destinations.size() > most_stores;
    if (wave_.count > 0 && (full || !item.joins)) close();
    stage_ = stage;
    if (item.is_token()) wave_.flags = args::wave_cut;
    item.adds() ? add_sum(item) : add_copy(item);
    if (item.divides) linked_.divisor = item.divisor;
  }

  LinkedPackets finish() {
    begin_columns(program_.columns);
    end_column();
    for (auto& [parameter, buffer] : callers_stores_) linked_.of_caller.push_back({parameter + linked_.sources.size(), buffer});
    linked_.whole_packets = aligned_ && !linked_.sources.empty() ? static_cast<std::uint32_t>(whole_packets_of(wire_, shortest_)) : 0;
    return std::move(linked_);
  }

 private:
  // So many in all; those between have no items.
  void begin_columns(std::int32_t count) {
    while (std::ssize(linked_.columns) < count) {
      end_column();
      linked_.columns.push_back({.wave = static_cast<std::uint32_t>(linked_.waves.size()),
                                 .source = static_cast<std::uint32_t>(linked_.sources.size()),
                                 .store = static_cast<std::uint32_t>(linked_.stores.size())});
      wave_ = {};
    }
  }
  void end_column() {
    if (wave_.count > 0) close();
    if (linked_.columns.empty()) return;
    auto& column = linked_.columns.back();
    column.waves = static_cast<std::uint32_t>(linked_.waves.size()) - column.wave;
    column.sources = static_cast<std::uint32_t>(linked_.sources.size()) - column.source;
    column.stores = static_cast<std::uint32_t>(linked_.stores.size()) - column.store;
  }

  void close() {
    linked_.waves.push_back(wave_);
    linked_.stages.push_back(stage_);
    const auto& column = linked_.columns.back();
    wave_ = {.first = static_cast<std::uint16_t>(linked_.sources.size() - column.source),
             .store = static_cast<std::uint16_t>(linked_.stores.size() - column.store)};
  }

  void add_sum(const PacketItem& item) {
    wave_.flags = args::wave_adds | args::wave_begins;
    for (std::size_t i = 0; i < item.sources.size(); ++i) {
      if (wave_.count == width_) {
        close();
        wave_.flags = args::wave_adds;
      }
      add_source(item, i);
    }
    wave_.flags |= args::wave_ends;
    if (item.divides) wave_.flags |= args::wave_divides;
    for (const auto& destination : item.destinations) add_store(destination, 0);
  }

  void add_copy(const PacketItem& item) {
    const auto source = wave_.count;
    add_source(item, 0);
    for (const auto& destination : item.destinations) add_store(destination, source);
  }

  std::uint64_t slot_address(const PacketOperand& operand) const {
    const auto& at = addresses_[operand.rank.index()];
    return (operand.place == PacketPlace::landing ? at.landing : at.host_landing) +
           static_cast<std::uint64_t>(packets_of(wire_, operand.offset) * packet_bytes);
  }

  std::uint64_t memory_address(const PacketOperand& operand) const {
    const auto& at = addresses_[operand.rank.index()];
    return operand.place == PacketPlace::token ? at.token
                                               : at.buffers[static_cast<std::size_t>(operand.buffer)] + static_cast<std::uint64_t>(operand.offset);
  }

  bool is_callers(const PacketOperand& operand) const {
    return operand.place == PacketPlace::memory && operand.buffer != Buffer::scratch && addresses_[operand.rank.index()].of_caller;
  }

  void add_source(const PacketItem& item, std::size_t i) {
    const auto& operand = item.sources[i];
    if ((wave_.flags & args::wave_cut) == 0) shortest_ = std::min(shortest_, static_cast<std::uint32_t>(item.bytes));
    if (!is_landing(operand) && memory_address(operand) % 16 != 0) aligned_ = false;
    if (is_landing(operand)) wave_.lands |= static_cast<std::uint8_t>(1U << wave_.count);
    linked_.sources.push_back(
        {.address = is_landing(operand) ? slot_address(operand) : memory_address(operand), .bytes = static_cast<std::uint32_t>(item.bytes)});
    if (is_callers(operand)) linked_.of_caller.push_back({linked_.sources.size() - 1, operand.buffer});
    const auto sender = is_landing(operand) ? program_.messages[static_cast<std::size_t>(operand.message)].from.value : -1;
    linked_.origins.push_back({item.step, static_cast<std::int32_t>(sender)});
    ++wave_.count;
  }

  void add_store(const PacketOperand& destination, std::uint8_t source) {
    const auto which = args::PacketStore{source} << args::store_source_shift;
    ++wave_.stores;
    if (is_landing(destination)) {
      linked_.stores.push_back(slot_address(destination) | which | args::store_lands);
      return;
    }
    if (memory_address(destination) % 16 != 0) aligned_ = false;
    if (is_callers(destination)) callers_stores_.push_back({linked_.stores.size(), destination.buffer});
    linked_.stores.push_back(memory_address(destination) | which);
  }

  const PacketProgram& program_;
  std::span<const RankAddresses> addresses_;
  PacketWire wire_;
  int width_;
  LinkedPackets linked_;
  std::vector<CallersAddress> callers_stores_;  // counted among the stores
  args::PacketWave wave_;
  std::uint8_t stage_ = 0;
  std::uint32_t shortest_ = 0xffffffff;  // bytes of the shortest item
  bool aligned_ = true;
};

std::int64_t area(const std::vector<std::int64_t>& bytes, PacketWire wire) {
  const auto most = bytes.empty() ? std::int64_t{0} : *std::ranges::max_element(bytes);
  return packets_of(wire, most) * packet_bytes;
}

}  // namespace

std::int64_t landing_area(const PacketProgram& program, PacketWire wire) { return area(program.landing, wire); }
std::int64_t host_landing_area(const PacketProgram& program, PacketWire wire) { return area(program.host_landing, wire); }

LinkedPackets link_packets(const PacketProgram& program, Rank rank, std::span<const RankAddresses> addresses, PacketWire wire, int width,
                           std::span<const std::uint8_t> stages) {
  PacketLinker linker(program, addresses, wire, width);
  const auto& items = program.ranks[rank.index()];
  for (std::size_t i = 0; i < items.size(); ++i) linker.add(items[i], stages.empty() ? 0 : stages[i]);
  return linker.finish();
}

}  // namespace p2plab
