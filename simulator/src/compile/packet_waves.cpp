// SPDX-License-Identifier: Apache-2.0
#include "compile/packet_waves.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "compile/compiled.h"
#include "p2plab/simulator/packet_floor.h"

namespace p2plab {

namespace {

constexpr Seconds clock_tick{1e-12};                       // to which the simulator rounds what an item costs
constexpr std::size_t most_slices = std::size_t{1} << 18;  // of one wave on all ranks: what one simulation may cost

// Groups of threads that run ahead of each other; larger ones where there are very many items, or several rounds of packets. A column of the threads
// may be one group.
int groups_for(std::size_t moves, std::int64_t rounds, std::int64_t threads, std::int64_t columns = 1) {
  const auto least = std::bit_ceil(static_cast<std::size_t>(std::max<std::int64_t>(4 / columns, 1)));
  const auto groups = std::bit_floor(std::max(least, static_cast<std::size_t>(threads / columns / packet_group / rounds)));
  return static_cast<int>(std::clamp(std::bit_floor(most_slices / std::max<std::size_t>(moves, 1)), least, groups));
}

// Bytes of data that all threads take at once, a packet each.
std::int64_t at_once(const PacketProgram& packets, std::int64_t threads) {
  const auto line = line_of(packets.wire);
  return threads / line.packets * line.data;
}

// Rounds of packets, as far as more of them make groups larger.
std::int64_t rounds_of(const PacketProgram& packets, std::int64_t threads) {
  constexpr std::int64_t most = 8;
  const auto round = at_once(packets, threads);
  return std::clamp<std::int64_t>((packets.most_bytes + round - 1) / round, 1, most);
}

// Items of a column that are loaded together.
struct Move {
  std::size_t first = 0;  // items [first, end)
  std::size_t end = 0;
  std::int64_t bytes = 0;  // of the longest
  std::int64_t stage = 0;
  std::vector<std::int32_t> places{};  // by wave: where it stands in the lane
};

class Waves {
 public:
  Waves(const Program& program, std::int64_t threads)
      : from_(program),
        packets_(*program.packets),
        columns_(columns_of(packets_)),
        threads_(threads / packets_.columns),
        wave_(at_once(packets_, threads_)),
        stages_(packet_stages(packets_)),
        moves_(columns_.size()),
        senders_(packets_.messages.size()) {}

  Program run() {
    std::size_t moves = 0;
    for (std::size_t c = 0; c < moves_.size(); ++c) moves += collect_moves(c);
    if (from_.folded) moves *= static_cast<std::size_t>(from_.images->images());
    const auto groups = groups_for(moves, rounds_of(packets_, threads_), threads_ * packets_.columns, packets_.columns);
    to_.payload = from_.payload;
    const auto slice = wave_ / groups;
    to_.tuning = {.blocks_per_lane = static_cast<int>(std::min<std::int64_t>(groups, most_slices_of_a_move(slice))),
                  .slice = Bytes{slice},
                  .protocol = protocol_of(packets_.wire)};
    to_.in_place = from_.in_place;
    to_.collective = from_.collective;
    to_.memory = from_.memory;
    to_.route_offsets = from_.route_offsets;
    to_.route_links = from_.route_links;
    to_.packets = from_.packets;
    to_.images = from_.images;
    to_.folded = from_.folded;
    for (std::size_t c = 0; c < moves_.size(); ++c) {
      std::int32_t next = 0;
      each_in_order(c, [&](Move& move, std::int64_t) { move.places.push_back(next++); });
    }
    for (std::size_t c = 0; c < moves_.size(); ++c) add_lane(c);
    return std::move(to_);
  }

 private:
  // How many.
  std::size_t collect_moves(std::size_t column) {
    const auto rank = columns_[column].rank.index();
    const auto& items = packets_.ranks[rank];
    auto& moves = moves_[column];
    for (std::size_t i = columns_[column].first; i < columns_[column].end; ++i) {
      if (!items[i].joins) moves.push_back({.first = i, .stage = stages_.empty() ? 0 : stages_[rank][i]});
      auto& move = moves.back();
      move.end = i + 1;
      move.bytes = std::max(move.bytes, items[i].bytes);
      for (const auto& to : items[i].destinations) {
        if (is_landing(to)) senders_[static_cast<std::size_t>(to.message)] = {column, moves.size() - 1};
      }
    }
    return moves.size();
  }

  // Groups beyond have no packet of any move; they would only take memory, for each link of each path.
  std::int64_t most_slices_of_a_move(std::int64_t slice) const {
    std::int64_t most = 1;
    for (const auto& moves : moves_) {
      for (const auto& move : moves) most = std::max(most, (std::min(wave_, move.bytes) + slice - 1) / slice);
    }
    return most;
  }

  std::int64_t waves_of(const Move& move) const { return std::max<std::int64_t>(1, (move.bytes + wave_ - 1) / wave_); }

  // In rounds, as packet_stages says: at time t what has stage s is at wave t - s.
  template <class Visit>
  void each_in_order(std::size_t column, Visit visit) {
    std::int64_t end = 0;
    for (const auto& move : moves_[column]) end = std::max(end, move.stage + waves_of(move));
    for (std::int64_t time = 0; time < end; ++time) {
      for (auto& move : moves_[column]) {
        const auto wave = time - move.stage;
        if (wave >= 0 && wave < waves_of(move)) visit(move, wave);
      }
    }
  }

  void add_lane(std::size_t column) {
    Lane lane{columns_[column].rank, static_cast<std::uint32_t>(to_.instructions.size()), 0};
    each_in_order(column, [&](const Move& move, std::int64_t wave) {
      add(move, column, wave);
      ++lane.count;
    });
    to_.lanes.push_back(lane);
  }

  void add(const Move& move, std::size_t column, std::int64_t wave) {
    const std::span items{packets_.ranks[columns_[column].rank.index()].data() + move.first, move.end - move.first};
    Instruction i{.step = items.front().step,
                  .bytes = std::min(wave_, move.bytes - wave * wave_),
                  .operands = static_cast<std::uint32_t>(to_.operands.size()),
                  .waits = static_cast<std::uint32_t>(to_.waits.size()),
                  .divides = items.front().divides,
                  .copies = items.size() > 1,
                  .divisor = items.front().divisor};
    for (const auto& item : items) {
      for (const auto& source : item.sources) to_.operands.push_back(operand_of(source, wave));
      for (const auto& source : item.sources) add_wait(source, column, wave);
    }
    i.sources = static_cast<std::uint16_t>(to_.operands.size() - i.operands);
    for (const auto& item : items) {
      for (const auto& destination : item.destinations) to_.operands.push_back(operand_of(destination, wave));
    }
    i.destinations = static_cast<std::uint16_t>(to_.operands.size() - i.operands - i.sources);
    i.wait_count = static_cast<std::uint32_t>(to_.waits.size() - i.waits);
    to_.instructions.push_back(i);
  }

  // Landing slots lie below the buffers, the token below all of them.
  Operand operand_of(const PacketOperand& at, std::int64_t wave) const {
    if (at.place == PacketPlace::token) return {at.rank, Buffer::scratch, default_route, std::numeric_limits<std::int64_t>::min()};
    const auto offset = at.offset + wave * wave_;
    return {at.rank, at.buffer, at.route, is_landing(at) ? -1 - offset : offset};
  }

  // What a column itself sends comes before in its lane.
  void add_wait(const PacketOperand& source, std::size_t column, std::int64_t wave) {
    if (!is_landing(source)) return;
    const auto message = static_cast<std::size_t>(source.message);
    const auto [sent_by, move] = senders_[message];
    const auto named = packets_.messages[message].from;
    const auto sender = packets_.folded ? from_.images->moved(source.image, named) : named;
    if (sent_by == column && sender == columns_[column].rank) return;
    const std::int64_t image = packets_.folded ? from_.images->to(sender) : 0;
    const auto& places = moves_[sent_by][move].places;
    if (static_cast<std::size_t>(wave) < places.size()) {
      const auto lane = image * std::ssize(columns_) + static_cast<std::int64_t>(sent_by);
      to_.waits.push_back({LaneId{lane}, places[static_cast<std::size_t>(wave)]});
    }
  }

  const Program& from_;
  const PacketProgram& packets_;
  std::vector<PacketColumn> columns_;
  std::int64_t threads_;  // of a column
  std::int64_t wave_;     // bytes of data
  std::vector<std::vector<std::uint8_t>> stages_;
  Program to_;
  std::vector<std::vector<Move>> moves_;                      // by column
  std::vector<std::pair<std::size_t, std::size_t>> senders_;  // by message: column and move of its sender
};

}  // namespace

Seconds packet_floor(const PacketTraffic& traffic, PacketWire wire, const Profile& profile) {
  if (traffic.sent.empty()) return Seconds{0};
  // A thread block takes the first packet of each item that stands apart, one after another; what is added or passed on is loaded and stored. Of many
  // items a block may have but those of its column.
  const auto apart = *std::ranges::max_element(traffic.apart);
  const auto columns = traffic.sent.size() < least_ranks_of_columns ? 1 : most_packet_columns;
  const auto moves = static_cast<double>((apart + columns - 1) / columns);
  if (says_what_packets_cost(profile)) return profile.packet_start + moves * std::max(Seconds{0}, 2 * profile.packet_item - clock_tick);
  const auto in_turn = profile.launch + moves * std::max(Seconds{0}, profile.slice_cost - clock_tick);
  if (!profile.store_rate) return in_turn;
  // There is a move for each item that stands apart; with more moves, or several rounds, there are fewer groups.
  const auto all = std::accumulate(traffic.apart.begin(), traffic.apart.end(), std::int64_t{0});
  const auto groups = groups_for(static_cast<std::size_t>(all), 1, packet_threads, columns) * columns;
  const auto line = line_of(wire);
  const auto most = static_cast<double>(*std::ranges::max_element(traffic.sent));
  const auto on_wire = most * static_cast<double>(line.packets * packet_bytes) / static_cast<double>(line.data);
  return std::max(in_turn, Seconds{on_wire / static_cast<double>(profile.store_rate->bytes_per_second()) / static_cast<double>(groups)});
}

Program packet_waves(const Program& program, std::int64_t threads) {
  const auto most = columns_that_fit(*program.packets, threads / packet_threads_of_multiprocessor * column_threads_of_multiprocessor);
  if (program.packets->columns <= most) return Waves{program, threads}.run();
  auto fewer = program;
  fewer.packets = std::make_shared<const PacketProgram>(in_columns(*program.packets, most));
  return Waves{fewer, threads}.run();
}

}  // namespace p2plab
