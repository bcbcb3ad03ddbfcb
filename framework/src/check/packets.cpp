// SPDX-License-Identifier: Apache-2.0
// Packet programs, seen as programs: an item is an instruction, a packet is a slice with a thread block of its own, and landing data are waits.
#include <algorithm>

#include <fmt/format.h>

#include "check/order.h"
#include "check/prove.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

// The item that sends a message.
struct Sender {
  std::int32_t rank = -1;
  std::int32_t item = 0;
};

class PacketChecker {
 public:
  PacketChecker(const PeerAccess& peer_access, const Program& program, const PacketProgram& packets)
      : peer_access_(peer_access), program_(program), packets_(packets), senders_(packets.messages.size()) {
    for (const auto& items : packets.ranks) lane_of_.emplace_back(items.size());
  }

  Result<ProgramProof> run(const checking::Owed& owed, const checking::LessOrder& less_order = {}) {
    if (auto ok = check_shape(); !ok) return std::move(ok).error();
    if (auto ok = find_senders(); !ok) return std::move(ok).error();
    if (auto ok = check_operands(); !ok) return std::move(ok).error();
    if (auto ok = write_as_program(); !ok) return std::move(ok).error();
    if (less_order) as_program_ = less_order(as_program_);
    auto blocks = contract(program_.collective, program_.ranks());
    if (!blocks) return std::move(blocks).error();
    auto proof = checking::prove_accesses(as_program_, *std::move(blocks), owed);
    if (!proof) {
      auto error = std::move(proof).error();
      error.notes.emplace_back(
          "of the packets: each lane is a column of a rank's threads, each instruction an item, landing slots follow scratch and host memory");
      return error;
    }
    return proof;
  }

  Status check_next_call() const { return checking::check_next_call(packets_, as_program_); }

 private:
  static Error fail(std::string message) { return Error{ErrorCode::verification_failed, std::move(message)}; }
  static Error fail(std::size_t rank, std::size_t item, const PacketItem& what, const std::string& message) {
    return fail(fmt::format("rank {}, item {} (step {}) {}", rank, item, what.step.value, message));
  }

  // What all else counts on: sizes by rank, ranks that are there, groups that begin.
  Status check_shape() const {
    const auto ranks = program_.memory.size();
    if (packets_.folded) return fail("the packet program is folded, its program is not");
    if (packets_.ranks.size() != ranks || packets_.landing.size() != ranks || packets_.host_landing.size() != ranks)
      return fail("the packet program is for another number of ranks than its program");
    for (const auto& message : packets_.messages) {
      for (const auto rank : {message.from, message.to}) {
        if (rank.value < 0 || rank.index() >= ranks) return fail(fmt::format("a message names rank {} of {}", rank.value, ranks));
      }
    }
    for (std::size_t r = 0; r < ranks; ++r) {
      const auto& items = packets_.ranks[r];
      for (std::size_t i = 0; i < items.size(); ++i) {
        const auto before = i > 0 ? items[i - 1].column : -1;
        if (items[i].column < std::max(before, 0) || items[i].column >= packets_.columns)
          return fail(r, i, items[i], fmt::format("is in column {} of {}, after one in column {}", items[i].column, packets_.columns, before));
        if (items[i].joins && items[i].column != before) return fail(r, i, items[i], "joins an item before the first");
      }
    }
    return {};
  }

  // Each message is sent by one item of the rank that it names.
  Status find_senders() {
    for (std::size_t r = 0; r < packets_.ranks.size(); ++r) {
      for (std::size_t i = 0; i < packets_.ranks[r].size(); ++i) {
        const auto& item = packets_.ranks[r][i];
        for (const auto& to : item.destinations) {
          if (!is_landing(to)) continue;
          if (to.message < 0 || to.message >= std::ssize(packets_.messages)) return fail(r, i, item, "sends a message that does not exist");
          auto& sender = senders_[static_cast<std::size_t>(to.message)];
          if (sender.rank >= 0)
            return fail(r, i, item, fmt::format("sends message {}, as rank {}, item {} does", to.message, sender.rank, sender.item));
          sender = {static_cast<std::int32_t>(r), static_cast<std::int32_t>(i)};
          const auto& [from, reader] = packets_.messages[static_cast<std::size_t>(to.message)];
          if (from.index() != r) return fail(r, i, item, fmt::format("sends message {} of rank {}", to.message, from.value));
          const bool host = to.place == PacketPlace::host_landing;
          if (!host && (to.rank != reader || !peer_access_.connected(from, reader))) {
            return fail(r, i, item, fmt::format("sends message {} to the memory of rank {}, which it does not reach", to.message, to.rank.value));
          }
          if (host && to.rank == reader && !peer_access_.connected(from, reader) && !peer_access_.through_host(from, reader))
            return fail(r, i, item,
                        fmt::format("sends message {} by the host memory of rank {}, to which there is no way", to.message, reader.value));
        }
      }
    }
    return {};
  }

  Status check_operands() const {
    for (std::size_t r = 0; r < packets_.ranks.size(); ++r) {
      for (std::size_t i = 0; i < packets_.ranks[r].size(); ++i) {
        const auto& item = packets_.ranks[r][i];
        if (item.bytes <= 0 || item.bytes % size_of(program_.payload.type) != 0) {
          if (!item.is_token()) return fail(r, i, item, fmt::format("moves {} bytes, no whole number of elements", item.bytes));
        }
        if (!item.is_token() && (item.sources.empty() || item.destinations.empty()))
          return fail(r, i, item, "needs at least one source and one destination");
        for (const auto& source : item.sources) {
          if (auto fault = fault_of(source, r, item, true); !fault.empty()) return fail(r, i, item, fault);
        }
        for (const auto& to : item.destinations) {
          if (auto fault = fault_of(to, r, item, false); !fault.empty()) return fail(r, i, item, fault);
        }
      }
    }
    return {};
  }

  std::string fault_of(const PacketOperand& operand, std::size_t rank, const PacketItem& item, bool reads) const {
    if (operand.place == PacketPlace::token) return reads && item.is_token() ? "" : "uses the token as data";
    if (operand.rank.value < 0 || operand.rank.value >= program_.ranks()) return fmt::format("names rank {}", operand.rank.value);
    if (item.is_token() && !is_landing(operand)) return "is a token and touches data";
    if (is_landing(operand)) {
      if (operand.message < 0 || operand.message >= std::ssize(packets_.messages)) return "names a message that does not exist";
      const auto& message = packets_.messages[static_cast<std::size_t>(operand.message)];
      const auto sender = senders_[static_cast<std::size_t>(operand.message)];
      if (sender.rank < 0) return fmt::format("waits for message {}, which nobody sends", operand.message);
      if (reads && message.to.index() != rank) return fmt::format("reads message {}, which is for rank {}", operand.message, message.to.value);
      if (reads && !same_slot(operand, sender)) return fmt::format("reads message {} at another place than where it lands", operand.message);
    } else if (operand.rank.index() != rank) {
      return fmt::format("touches memory of rank {} without a message", operand.rank.value);
    }
    const auto size = size_of_place(operand);
    if (operand.offset >= 0 && operand.offset <= size - item.bytes) return {};
    return fmt::format("touches bytes {} to {} of {} bytes of rank {}", operand.offset, operand.offset + item.bytes, size, operand.rank.value);
  }

  bool same_slot(const PacketOperand& read, const Sender& sender) const {
    const auto& item = packets_.ranks[static_cast<std::size_t>(sender.rank)][static_cast<std::size_t>(sender.item)];
    return std::ranges::any_of(item.destinations, [&](const PacketOperand& to) {
      return to.message == read.message && to.place == read.place && to.rank == read.rank && to.offset == read.offset;
    });
  }

  std::int64_t size_of_place(const PacketOperand& operand) const {
    const auto r = operand.rank.index();
    if (operand.place == PacketPlace::landing) return packets_.landing[r];
    if (operand.place == PacketPlace::host_landing) return packets_.host_landing[r];
    const auto& memory = program_.memory[r];
    return std::array{memory.input, memory.output, memory.scratch, memory.host}[static_cast<std::size_t>(operand.buffer)].count();
  }

  // Landing areas lie behind scratch and host memory. Within a call each slot has one copy; see check_next_call for the three in turn.
  Operand as_operand(const PacketOperand& operand) const {
    const auto& memory = program_.memory[operand.rank.index()];
    if (operand.place == PacketPlace::landing) return {operand.rank, Buffer::scratch, default_route, memory.scratch.count() + operand.offset};
    if (operand.place == PacketPlace::host_landing) return {operand.rank, Buffer::host, default_route, memory.host.count() + operand.offset};
    return {operand.rank, operand.buffer, default_route, operand.offset};
  }

  Status write_as_program() {
    const auto data = line_of(packets_.wire).data;
    const auto most = (packets_.most_bytes + data - 1) / data;
    constexpr std::int64_t most_packets = std::int64_t{1} << 30;
    if (most > most_packets) return Error{ErrorCode::unsupported, fmt::format("{} packets in a call; at most 2^30 can be checked", most)};
    auto& out = as_program_;
    out.payload = program_.payload;
    out.collective = program_.collective;
    out.in_place = program_.in_place;
    out.memory = program_.memory;
    out.tuning = {.blocks_per_lane = static_cast<int>(std::max(std::int64_t{1}, most)), .slice = Bytes{data}};
    for (std::size_t r = 0; r < packets_.ranks.size(); ++r) {
      out.memory[r].scratch += Bytes{packets_.landing[r]};
      out.memory[r].host += Bytes{packets_.host_landing[r]};
    }
    add_lanes();
    for (std::size_t r = 0; r < packets_.ranks.size(); ++r) {
      const auto& items = packets_.ranks[r];
      for (std::size_t i = 0; i < items.size();) {
        auto end = i + 1;
        while (end < items.size() && items[end].joins) ++end;
        if (auto ok = add_group(r, i, end); !ok) return ok;
        i = end;
      }
    }
    return {};
  }

  // Instructions are items in the order of ranks.
  void add_lanes() {
    std::uint32_t next = 0;
    for (const auto& column : columns_of(packets_)) {
      const LaneId lane{std::ssize(as_program_.lanes)};
      as_program_.lanes.push_back({column.rank, next, column.end - column.first});
      next += column.end - column.first;
      for (auto i = column.first; i < column.end; ++i) lane_of_[column.rank.index()][i] = {lane, static_cast<std::int32_t>(i - column.first)};
    }
  }

  // Items [begin, end) of a rank load their packets together: none stores before all that land for any of them have arrived, and none sees what
  // another one of them stores.
  Status add_group(std::size_t rank, std::size_t begin, std::size_t end) {
    const auto& items = packets_.ranks[rank];
    auto& waits = as_program_.waits;  // those of a group lie there once, for all its items
    const auto first = waits.size();
    for (auto i = begin; i < end; ++i) {
      for (const auto& source : items[i].sources) {
        if (!is_landing(source)) continue;
        const auto& sender = senders_[static_cast<std::size_t>(source.message)];
        waits.push_back(lane_of_[static_cast<std::size_t>(sender.rank)][static_cast<std::size_t>(sender.item)]);
      }
      for (auto earlier = begin; earlier < i; ++earlier) {
        if (meet(items[earlier], items[i])) return fail(rank, i, items[i], fmt::format("is loaded before item {} has stored what it reads", earlier));
      }
    }
    for (auto i = begin; i < end; ++i) add_item(items[i], first);
    return {};
  }

  // Does `later` read memory that `earlier` writes?
  static bool meet(const PacketItem& earlier, const PacketItem& later) {
    return std::ranges::any_of(later.sources, [&](const PacketOperand& read) {
      return read.place == PacketPlace::memory && std::ranges::any_of(earlier.destinations, [&](const PacketOperand& written) {
               return written.place == PacketPlace::memory && written.buffer == read.buffer && written.offset < read.offset + later.bytes &&
                      read.offset < written.offset + earlier.bytes;
             });
    });
  }

  // It waits for all that was added from `first` on.
  void add_item(const PacketItem& item, std::size_t first) {
    auto& out = as_program_;
    Instruction i{.step = item.step, .bytes = item.is_token() ? 0 : item.bytes};
    i.operands = static_cast<std::uint32_t>(out.operands.size());
    if (!item.is_token()) {
      i.sources = static_cast<std::uint16_t>(item.sources.size());
      i.destinations = static_cast<std::uint16_t>(item.destinations.size());
      for (const auto& source : item.sources) out.operands.push_back(as_operand(source));
      for (const auto& to : item.destinations) out.operands.push_back(as_operand(to));
    }
    i.waits = static_cast<std::uint32_t>(first);
    i.wait_count = static_cast<std::uint32_t>(out.waits.size() - first);
    i.divides = item.divides;
    i.divisor = item.divisor;
    i.signals = true;
    out.instructions.push_back(i);
  }

  const PeerAccess& peer_access_;
  const Program& program_;
  const PacketProgram& packets_;
  std::vector<Sender> senders_;             // by message
  std::vector<std::vector<Wait>> lane_of_;  // by rank, by item: its lane, and where it stands there
  Program as_program_;
};

}  // namespace

Result<ProgramProof> check_packets(const PeerAccess& peer_access, const Program& program, const PacketProgram& packets) {
  PacketChecker checker(peer_access, program, packets);
  auto proof = checker.run({});
  if (!proof) return proof;
  if (auto ok = checker.check_next_call(); !ok) return std::move(ok).error();
  return proof;
}

Result<ProgramProof> checking::check_packets_of_call(const PeerAccess& peer_access, const Program& program, const PacketProgram& packets,
                                                     const Owed& owed, const LessOrder& less_order) {
  return PacketChecker{peer_access, program, packets}.run(owed, less_order);
}

}  // namespace p2plab
