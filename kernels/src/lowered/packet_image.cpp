// SPDX-License-Identifier: Apache-2.0
#include "lowered/packet_image.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace p2plab {

namespace {

constexpr std::size_t most_stores = 255;  // of a wave
constexpr int line_packet_bytes = 15;     // on average: 120 bytes in eight packets
constexpr int packets_of_line = 8;

using SlotKey = std::tuple<PacketPlace, std::int32_t, std::int64_t>;
SlotKey slot_of(const PacketOperand& operand) { return {operand.place, operand.rank.value, operand.offset}; }

bool same_memory(const PacketOperand& a, const PacketOperand& b) {
  return a.place == PacketPlace::memory && b.place == PacketPlace::memory && a.buffer == b.buffer && a.offset == b.offset;
}

// Who sends what lands in each slot.
std::map<SlotKey, std::int32_t> senders(const PacketPlan& plan) {
  std::map<SlotKey, std::int32_t> found;
  for (std::size_t r = 0; r < plan.ranks.size(); ++r) {
    for (const auto& item : plan.ranks[r]) {
      for (const auto& destination : item.destinations) {
        if (is_landing(destination)) found[slot_of(destination)] = static_cast<std::int32_t>(r);
      }
    }
  }
  return found;
}

class PacketLinker {
 public:
  PacketLinker(std::span<const RankAddresses> addresses, const PacketFormat& format, std::map<SlotKey, std::int32_t> from)
      : addresses_(addresses), format_(format), senders_(std::move(from)) {}

  void add(const PacketItem& item) {
    const bool sums = item.sources.size() > 1 || item.divides;
    const bool waits_behind_send = item.lands() && sends_;
    const bool reads_fresh = std::ranges::any_of(
        item.sources, [&](const auto& s) { return std::ranges::any_of(written_, [&](const auto& w) { return same_memory(s, w); }); });
    const bool full = wave_.count == format_.width || wave_.stores + item.destinations.size() > most_stores;
    const bool token = item.step.value < 0;
    const bool other_length = token != ((wave_.flags & image::wave_cut) != 0);
    if (wave_.count > 0 && (sums || full || waits_behind_send || reads_fresh || other_length)) close();
    if (token) wave_.flags = image::wave_cut;
    sums ? add_sum(item) : add_copy(item);
    sends_ = sends_ || item.sends();
    if (item.divides) image_.divisor = item.divisor;
    if (sums) close();
  }

  PacketImage finish() {
    if (wave_.count > 0) close();
    image_.whole_packets = aligned_ && !image_.sources.empty() ? static_cast<std::uint32_t>(whole_packets_of(shortest_, format_)) : 0;
    return std::move(image_);
  }

 private:
  void close() {
    image_.waves.push_back(wave_);
    wave_ = {.first = static_cast<std::uint16_t>(image_.sources.size()), .store = static_cast<std::uint16_t>(image_.stores.size())};
    sends_ = false;
    written_.clear();
  }

  void add_sum(const PacketItem& item) {
    wave_.flags = image::wave_adds | image::wave_begins;
    for (std::size_t i = 0; i < item.sources.size(); ++i) {
      if (wave_.count == format_.width) {
        close();
        wave_.flags = image::wave_adds;
      }
      add_source(item, i);
    }
    wave_.flags |= image::wave_ends;
    if (item.divides) wave_.flags |= image::wave_divides;
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
           static_cast<std::uint64_t>(operand.offset / format_.data_bytes * 16);
  }

  std::uint64_t memory_address(const PacketOperand& operand) const {
    const auto& at = addresses_[operand.rank.index()];
    return operand.place == PacketPlace::token ? at.token
                                               : at.buffers[static_cast<std::size_t>(operand.buffer)] + static_cast<std::uint64_t>(operand.offset);
  }

  void add_source(const PacketItem& item, std::size_t i) {
    const auto& operand = item.sources[i];
    if ((wave_.flags & image::wave_cut) == 0) shortest_ = std::min(shortest_, static_cast<std::uint32_t>(item.bytes));
    if (!is_landing(operand) && memory_address(operand) % 16 != 0) aligned_ = false;
    if (is_landing(operand)) wave_.lands |= static_cast<std::uint8_t>(1U << wave_.count);
    image_.sources.push_back(
        {.address = is_landing(operand) ? slot_address(operand) : memory_address(operand), .bytes = static_cast<std::uint32_t>(item.bytes)});
    const auto sender = senders_.find(slot_of(operand));
    image_.origins.push_back({item.step, sender == senders_.end() ? -1 : sender->second});
    ++wave_.count;
  }

  void add_store(const PacketOperand& destination, std::uint8_t source) {
    const auto which = image::PacketStore{source} << image::store_source_shift;
    ++wave_.stores;
    if (is_landing(destination)) {
      image_.stores.push_back(slot_address(destination) | which | image::store_lands);
      return;
    }
    if (memory_address(destination) % 16 != 0) aligned_ = false;
    image_.stores.push_back(memory_address(destination) | which);
    written_.push_back(destination);
  }

  std::span<const RankAddresses> addresses_;
  PacketFormat format_;
  std::map<SlotKey, std::int32_t> senders_;
  PacketImage image_;
  std::vector<PacketOperand> written_;  // memory that items of this wave write
  image::PacketWave wave_;
  std::uint32_t shortest_ = 0xffffffff;  // bytes of the shortest item
  bool aligned_ = true;
  bool sends_ = false;
};

std::int64_t area(const std::vector<std::int64_t>& bytes, const PacketFormat& format) {
  const auto most = bytes.empty() ? std::int64_t{0} : *std::ranges::max_element(bytes);
  return most / format.data_bytes * 16;
}

}  // namespace

std::int64_t packets_of(std::int64_t bytes, const PacketFormat& format) {
  const auto together = format.data_bytes == line_packet_bytes ? packets_of_line : 1;
  const auto unit = format.data_bytes * together;
  return (bytes + unit - 1) / unit * together;
}
std::int64_t whole_packets_of(std::int64_t bytes, const PacketFormat& format) {
  const auto together = format.data_bytes == line_packet_bytes ? packets_of_line : 1;
  return bytes / (format.data_bytes * together) * together;
}

std::int64_t landing_area(const PacketPlan& plan, const PacketFormat& format) { return area(plan.landing, format); }
std::int64_t host_landing_area(const PacketPlan& plan, const PacketFormat& format) { return area(plan.host_landing, format); }

PacketImage link_packets(const PacketPlan& plan, Rank rank, std::span<const RankAddresses> addresses, const PacketFormat& format) {
  PacketLinker linker(addresses, format, senders(plan));
  for (const auto& item : plan.ranks[rank.index()]) linker.add(item);
  return linker.finish();
}

}  // namespace p2plab
