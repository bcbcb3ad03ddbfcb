// SPDX-License-Identifier: Apache-2.0
#include "lowered/packet_plan.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <tuple>

namespace p2plab {

namespace {

// Slots begin at whole lines of memory. Where a line of 128 bytes carries 120 of data, that takes 16 of them.
constexpr std::int64_t slot_alignment = 128;
constexpr std::int64_t line_slot_alignment = 16 * 120;

struct ItemPlace {
  std::int32_t rank = -1;
  std::size_t index = 0;
};

// The value that a location holds at some point of the list.
struct Version {
  bool in_memory = true;                         // the owner can read it where the location lies
  ItemPlace writer;                              // otherwise: the item that sends it
  ItemPlace forward;                             // the item by which the owner passes it to readers elsewhere
  std::map<std::int32_t, PacketOperand> copies;  // by reading rank: the slot where it lands
  std::int64_t bytes = 0;
};

class PacketRewriter {
 public:
  PacketRewriter(const Program& program, const PeerAccess& peer_access, bool ll128) : program_(program), peer_access_(peer_access), ll128_(ll128) {
    plan_.ranks.resize(program.memory.size());
    plan_.landing.resize(program.memory.size());
    plan_.host_landing.resize(program.memory.size());
  }

  PacketPlan run() {
    std::vector<std::pair<const Instruction*, Rank>> list;
    for (const auto& lane : program_.lanes) {
      for (std::uint32_t i = 0; i < lane.count; ++i) list.emplace_back(&program_.instructions[lane.first + i], lane.rank);
    }
    std::ranges::sort(list, {}, [](const auto& entry) { return entry.first->step; });
    for (const auto& [instruction, rank] : list) visit(*instruction, rank);
    store_outputs();
    for (auto& items : plan_.ranks) send_first(items);
    add_tokens();
    for (auto& items : plan_.ranks)
      std::erase_if(items, [](const PacketItem& item) { return item.destinations.empty() && !item.sources.empty() && !kept(item); });
    for (std::int32_t r = 0; r < program_.ranks(); ++r) rotate_peers(r);
    return std::move(plan_);
  }

 private:
  using Key = std::tuple<std::int32_t, Buffer, std::int64_t>;

  static bool kept(const PacketItem& item) { return item.step == no_step; }
  Key key(const Operand& operand) const { return {operand.rank.value, operand.buffer, operand.offset}; }
  PacketItem& item_at(const ItemPlace& place) { return plan_.ranks[static_cast<std::size_t>(place.rank)][place.index]; }

  ItemPlace append(std::int32_t rank, PacketItem item) {
    auto& items = plan_.ranks[static_cast<std::size_t>(rank)];
    plan_.most_bytes = std::max(plan_.most_bytes, item.bytes);
    items.push_back(std::move(item));
    return {rank, items.size() - 1};
  }

  // A fresh slot for a message of `bytes` to `reader`; in host memory of `host_owner` if that is a rank.
  PacketOperand allocate(Rank owner, bool on_host, std::int64_t bytes) {
    auto& used = on_host ? plan_.host_landing[owner.index()] : plan_.landing[owner.index()];
    const auto alignment = ll128_ ? line_slot_alignment : slot_alignment;
    const auto offset = used;
    used += (bytes + alignment - 1) / alignment * alignment;
    return {on_host ? PacketPlace::host_landing : PacketPlace::landing, owner, on_host ? Buffer::host : Buffer::scratch, offset};
  }

  // The slot in which `version`, sent by `sender`, reaches `reader`.
  const PacketOperand& deliver(Version& version, const ItemPlace& sender, Rank reader, const Operand& named) {
    const auto found = version.copies.find(reader.value);
    if (found != version.copies.end()) return found->second;
    const bool over_host = named.buffer == Buffer::host || !peer_access_.connected(Rank{sender.rank}, reader);
    const auto slot = allocate(named.buffer == Buffer::host ? named.rank : reader, over_host, version.bytes);
    item_at(sender).destinations.push_back(slot);
    return version.copies.emplace(reader.value, slot).first->second;
  }

  // The operand from which `reader` reads a location now.
  PacketOperand read(const Operand& operand, Rank reader, const PacketItem& item) {
    auto& version = versions_[key(operand)];
    version.bytes = std::max(version.bytes, item.bytes);
    const bool host = operand.buffer == Buffer::host;
    if (host) return deliver(version, version.writer, reader, operand);
    if (operand.rank == reader)
      return version.in_memory ? PacketOperand{PacketPlace::memory, reader, operand.buffer, operand.offset}
                               : deliver(version, version.writer, reader, operand);
    if (version.forward.rank < 0) {
      PacketItem forward{.step = item.step, .order = item.order, .bytes = item.bytes, .sources = {}, .destinations = {}};
      forward.sources.push_back(read(operand, operand.rank, forward));
      version.forward = append(operand.rank.value, std::move(forward));
    }
    return deliver(version, version.forward, reader, operand);
  }

  void visit(const Instruction& instruction, Rank rank) {
    PacketItem item{.step = instruction.step,
                    .order = std::int64_t{instruction.step.value} * 2,
                    .bytes = instruction.bytes,
                    .divides = instruction.divides,
                    .divisor = instruction.divisor,
                    .sources = {},
                    .destinations = {}};
    for (const auto& source : program_.sources(instruction)) item.sources.push_back(read(source, rank, item));
    ++item.order;
    for (const auto& destination : program_.destinations(instruction)) {
      if (stays(destination, rank)) item.destinations.push_back({PacketPlace::memory, rank, destination.buffer, destination.offset});
    }
    const auto bytes = item.bytes;
    const auto place = append(rank.value, std::move(item));
    for (const auto& destination : program_.destinations(instruction)) {
      versions_[key(destination)] = Version{.in_memory = stays(destination, rank), .writer = place, .forward = {}, .copies = {}, .bytes = bytes};
    }
  }

  static bool stays(const Operand& destination, Rank executor) { return destination.rank == executor && destination.buffer != Buffer::host; }

  // Results that were sent to their owner must end in its output: on the way, where the owner passes them on anyway, else at the end.
  void store_outputs() {
    for (auto& [location, version] : versions_) {
      const auto& [rank, buffer, offset] = location;
      if (buffer != Buffer::output || version.in_memory) continue;
      const PacketOperand output{PacketPlace::memory, Rank{rank}, buffer, offset};
      const Operand named{.rank = Rank{rank}, .buffer = buffer, .offset = offset};
      const auto slot = deliver(version, version.writer, Rank{rank}, named);
      auto& items = plan_.ranks[static_cast<std::size_t>(rank)];
      const auto reader = std::ranges::find_if(items, [&](const PacketItem& item) { return passes_on(item, slot); });
      if (reader != items.end()) {
        reader->destinations.push_back(output);
        continue;
      }
      append(rank, {.step = item_at(version.writer).step, .order = last_order, .bytes = version.bytes, .sources = {slot}, .destinations = {output}});
    }
  }

  static bool passes_on(const PacketItem& item, const PacketOperand& slot) {
    return item.sources.size() == 1 && !item.divides && item.sources[0].place == slot.place && item.sources[0].rank == slot.rank &&
           item.sources[0].offset == slot.offset;
  }

  // Moves pure sends of data that is there from the beginning to the front: no rank then waits for one that itself still waits.
  static void send_first(std::vector<PacketItem>& items) {
    const auto writes = [](const PacketItem& item, const PacketOperand& place) {
      return std::ranges::any_of(
          item.destinations, [&](const auto& d) { return d.place == PacketPlace::memory && d.buffer == place.buffer && d.offset == place.offset; });
    };
    std::vector<PacketItem> first;
    std::vector<PacketItem> rest;
    for (auto& item : items) {
      const bool sends_only = !item.destinations.empty() && std::ranges::all_of(item.destinations, is_landing) && !item.lands();
      const bool untouched = std::ranges::none_of(
          rest, [&](const auto& before) { return std::ranges::any_of(item.sources, [&](const auto& source) { return writes(before, source); }); });
      const bool early = sends_only && untouched;
      if (early) item.order = -1;
      (early ? first : rest).push_back(std::move(item));
    }
    std::ranges::move(rest, std::back_inserter(first));
    items = std::move(first);
  }

  // Which ranks has each rank heard from by the end of a call, directly or through others? Heard from means: that rank has begun this call.
  std::vector<std::vector<bool>> heard() {
    const auto n = plan_.ranks.size();
    std::vector<std::pair<std::int64_t, ItemPlace>> list;
    for (std::size_t r = 0; r < n; ++r) {
      for (std::size_t i = 0; i < plan_.ranks[r].size(); ++i) list.push_back({plan_.ranks[r][i].order, {static_cast<std::int32_t>(r), i}});
    }
    std::ranges::stable_sort(list, {}, [](const auto& entry) { return entry.first; });
    std::vector<std::vector<bool>> known(n, std::vector<bool>(n));
    for (std::size_t r = 0; r < n; ++r) known[r][r] = true;
    std::map<std::tuple<bool, std::int32_t, std::int64_t>, std::vector<bool>> carried;
    const auto slot = [](const PacketOperand& operand) {
      return std::tuple{operand.place == PacketPlace::host_landing, operand.rank.value, operand.offset};
    };
    for (const auto& [order, place] : list) {
      auto& mine = known[static_cast<std::size_t>(place.rank)];
      const auto& item = item_at(place);
      for (const auto& source : item.sources) {
        if (!is_landing(source)) continue;
        const auto& news = carried[slot(source)];
        for (std::size_t r = 0; r < news.size(); ++r) mine[r] = mine[r] || news[r];
      }
      for (const auto& destination : item.destinations) {
        if (is_landing(destination)) carried[slot(destination)] = mine;
      }
    }
    return known;
  }

  // A rank must not end a call before everyone into whose slots it writes has begun it; else it could be two calls ahead and overwrite a slot
  // that is still to be read. Where the data itself does not tell, a token does: sent first of all, awaited last.
  void add_tokens() {
    const auto known = heard();
    std::vector<std::vector<bool>> writes(plan_.ranks.size(), std::vector<bool>(plan_.ranks.size()));
    std::map<std::tuple<bool, std::int32_t, std::int64_t>, std::int32_t> reader_of;
    const auto slot = [](const PacketOperand& operand) {
      return std::tuple{operand.place == PacketPlace::host_landing, operand.rank.value, operand.offset};
    };
    for (std::size_t r = 0; r < plan_.ranks.size(); ++r) {
      for (const auto& item : plan_.ranks[r]) {
        for (const auto& source : item.sources) {
          if (is_landing(source)) reader_of[slot(source)] = static_cast<std::int32_t>(r);
        }
      }
    }
    for (std::size_t r = 0; r < plan_.ranks.size(); ++r) {
      for (const auto& item : plan_.ranks[r]) {
        for (const auto& destination : item.destinations) {
          const auto found = is_landing(destination) ? reader_of.find(slot(destination)) : reader_of.end();
          if (found != reader_of.end()) writes[r][static_cast<std::size_t>(found->second)] = true;
        }
      }
    }
    for (std::size_t writer = 0; writer < writes.size(); ++writer) {
      for (std::size_t reader = 0; reader < writes.size(); ++reader) {
        if (writes[writer][reader] && !known[writer][reader])
          add_token(Rank{static_cast<std::int64_t>(reader)}, Rank{static_cast<std::int64_t>(writer)});
      }
    }
  }

  void add_token(Rank from, Rank to) {
    constexpr std::int64_t token_bytes = 8;
    const auto slot = allocate(to, !peer_access_.connected(from, to), token_bytes);
    const PacketOperand token{PacketPlace::token, from, Buffer::scratch, 0};
    auto& items = plan_.ranks[from.index()];
    items.insert(items.begin(), {.step = no_step, .order = -1, .bytes = token_bytes, .sources = {token}, .destinations = {slot}});
    append(to.value, {.step = no_step, .order = last_order, .bytes = token_bytes, .sources = {slot}, .destinations = {}});
  }

  // Each rank sends to its next neighbour first, so that no receiver gets everything at once.
  void rotate_peers(std::int32_t rank) {
    const auto n = program_.ranks();
    for (auto& item : plan_.ranks[static_cast<std::size_t>(rank)]) {
      std::ranges::stable_sort(item.destinations, {}, [&](const PacketOperand& operand) { return (operand.rank.value - rank - 1 + n) % n; });
    }
  }

  static constexpr StepId no_step{-1};
  static constexpr std::int64_t last_order = std::numeric_limits<std::int64_t>::max();

  const Program& program_;
  const PeerAccess& peer_access_;
  bool ll128_;
  PacketPlan plan_;
  std::map<Key, Version> versions_;
};

}  // namespace

bool PacketItem::lands() const { return std::ranges::any_of(sources, is_landing); }
bool PacketItem::sends() const { return std::ranges::any_of(destinations, is_landing); }

PacketPlan make_packet_plan(const Program& program, const PeerAccess& peer_access, bool ll128) {
  return PacketRewriter{program, peer_access, ll128}.run();
}

}  // namespace p2plab
