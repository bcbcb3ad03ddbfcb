// SPDX-License-Identifier: Apache-2.0
#include "exporters/messages/message_graph.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "exporters/messages/message_ports.h"

namespace p2plab {

namespace {

using Kind = MessageOp::Kind;

class GraphBuilder {
 public:
  GraphBuilder(const Topology& topology, const Program& program)
      : program_(program), ports_(topology), graph_{std::vector<std::vector<MessageOp>>(static_cast<std::size_t>(program.ranks()))} {}

  MessageGraph run() {
    number_blocks();
    for (const auto index : list_order()) {
      const auto& i = program_.instructions[index];
      for (std::int64_t s = 0; s < program_.slices(i); ++s) slice(index, s);
    }
    return std::move(graph_);
  }

 private:
  // The plan's order; instructions of one step in their own.
  std::vector<std::uint32_t> list_order() const {
    std::vector<std::uint32_t> order(program_.instructions.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
    std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return program_.instructions[i].step; });
    return order;
  }

  void number_blocks() {
    lane_of_.resize(program_.instructions.size());
    std::vector<std::int32_t> blocks(graph_.ranks.size(), 0);
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      const auto& lane = program_.lanes[l];
      first_block_.push_back(blocks[lane.rank.index()]);
      blocks[lane.rank.index()] += program_.tuning.blocks_per_lane;
      for (auto i = lane.first; i < lane.first + lane.count; ++i) lane_of_[i] = static_cast<std::uint32_t>(l);
    }
    last_of_block_.resize(graph_.ranks.size());
    for (std::size_t r = 0; r < blocks.size(); ++r) last_of_block_[r].resize(static_cast<std::size_t>(blocks[r]));
  }

  std::uint32_t add(Rank rank, MessageOp op) {
    std::ranges::sort(op.after);
    op.after.erase(std::unique(op.after.begin(), op.after.end()), op.after.end());
    auto& ops = graph_.ranks[rank.index()];
    ops.push_back(std::move(op));
    return static_cast<std::uint32_t>(ops.size() - 1);
  }

  // A message and the operations at its two ends.
  struct Sent {
    std::uint32_t send;
    std::uint32_t receive;
  };
  struct Parcel {
    std::int64_t bytes = 1;
    bool data = false;
    std::int64_t step = -1;
    RouteId route = default_route;
  };
  Sent send(Rank from, std::int32_t from_block, std::vector<std::uint32_t> after, Rank to, std::int32_t to_block, const Parcel& parcel) {
    const auto tag = next_tag_[{from.value, to.value}]++ * 2 + (parcel.data ? 0 : 1);
    const auto explicit_links = parcel.route == default_route ? std::span<const LinkId>{} : program_.route(parcel.route);
    const auto [leaves, enters] = ports_.of(from, to, explicit_links);
    MessageOp op{.kind = Kind::send, .data = parcel.data, .tag = tag, .bytes = parcel.bytes, .step = parcel.step};
    op.peer = to.value;
    op.block = from_block;
    op.nic = leaves;
    op.after = std::move(after);
    const auto out = add(from, op);
    op.kind = Kind::receive;
    op.peer = from.value;
    op.block = to_block;
    op.nic = enters;
    op.after.clear();
    return {out, add(to, std::move(op))};
  }

  // Where the bytes of a slice lie, and what put them there.
  using Place = std::pair<std::int64_t, std::int64_t>;
  static Place place_of(const Operand& operand, std::int64_t offset) {
    return {static_cast<std::int64_t>(operand.rank.value) * 4 + static_cast<std::int64_t>(operand.buffer), operand.offset + offset};
  }
  void need(std::vector<std::uint32_t>& after, const Place& place) const {
    const auto found = written_.find(place);
    if (found != written_.end()) after.push_back(found->second);
  }

  void slice(std::uint32_t index, std::int64_t s) {
    const auto& i = program_.instructions[index];
    const auto lane = lane_of_[index];
    const auto rank = program_.lanes[lane].rank;
    const auto part = s % program_.tuning.blocks_per_lane;
    const auto block = first_block_[lane] + static_cast<std::int32_t>(part);
    const auto size = program_.slice_bytes(i);
    const auto offset = s * size;
    const auto bytes = std::min(size, i.bytes - offset);
    auto& before = last_of_block_[rank.index()][static_cast<std::size_t>(block)];
    std::vector<std::uint32_t> ready = before;
    wait(ready, index, s, block);
    before = work(i, rank, block, {offset, bytes}, ready);
    ends_[{index, s}] = before;
  }

  struct Range {
    std::int64_t offset;
    std::int64_t bytes;
  };
  // Loads, the sum, stores; returns what must be complete for the thread block to go on.
  std::vector<std::uint32_t> work(const Instruction& i, Rank rank, std::int32_t block, Range range, const std::vector<std::uint32_t>& ready) {
    auto summed = ready;
    std::int64_t local = 0;
    for (const auto& source : program_.sources(i)) {
      if (source.rank == rank) {
        need(summed, place_of(source, range.offset));
        local += range.bytes;
        continue;
      }
      const auto asked = send(rank, block, ready, source.rank, 0, {1, false, i.step.value});
      std::vector<std::uint32_t> there{asked.receive};
      need(there, place_of(source, range.offset));
      summed.push_back(send(source.rank, 0, std::move(there), rank, block, {range.bytes, true, i.step.value, source.route}).receive);
    }
    for (const auto& destination : program_.destinations(i)) local += destination.rank == rank ? range.bytes : 0;
    const auto elements = range.bytes / size_of(program_.payload.type);
    const auto sum = add(rank, {.kind = Kind::compute,
                                .block = block,
                                .bytes = local,
                                .additions = elements * (std::int64_t{i.sources} - 1),
                                .step = i.step.value,
                                .after = std::move(summed)});
    std::vector<std::uint32_t> done{sum};
    for (const auto& destination : program_.destinations(i)) {
      auto& written = written_[place_of(destination, range.offset)];
      if (destination.rank == rank) {
        written = sum;
        continue;
      }
      const auto sent = send(rank, block, {sum}, destination.rank, 0, {range.bytes, true, i.step.value, destination.route});
      written = sent.receive;
      done.push_back(sent.send);
    }
    return done;
  }

  // Waits on the same rank are dependencies; on another rank the data carries them if it comes from there, else a signal does.
  void wait(std::vector<std::uint32_t>& ready, std::uint32_t index, std::int64_t s, std::int32_t block) {
    const auto& i = program_.instructions[index];
    const auto rank = program_.lanes[lane_of_[index]].rank;
    for (const auto& w : program_.waits_of(i)) {
      const auto& lane = program_.lanes[w.lane.index()];
      const auto awaited = lane.first + static_cast<std::uint32_t>(w.instruction);
      const auto end = ends_.find({awaited, s});
      if (end == ends_.end()) continue;
      if (lane.rank == rank) {
        ready.insert(ready.end(), end->second.begin(), end->second.end());
      } else if (!carries(program_.instructions[awaited], i)) {
        ready.push_back(send(lane.rank, first_block_[w.lane.index()], end->second, rank, block, {1, false, i.step.value}).receive);
      }
    }
  }

  // Does `reader` read a place that `writer` writes?
  bool carries(const Instruction& writer, const Instruction& reader) const {
    return std::ranges::any_of(program_.sources(reader), [&](const Operand& source) {
      return std::ranges::any_of(program_.destinations(writer),
                                 [&](const Operand& d) { return d.rank == source.rank && d.buffer == source.buffer && d.offset == source.offset; });
    });
  }

  const Program& program_;
  MessagePorts ports_;
  MessageGraph graph_;
  std::vector<std::uint32_t> lane_of_;                                  // by instruction
  std::vector<std::int32_t> first_block_;                               // by lane
  std::vector<std::vector<std::vector<std::uint32_t>>> last_of_block_;  // by rank and block
  std::map<std::pair<std::int64_t, std::int64_t>, std::uint32_t> next_tag_;
  std::map<Place, std::uint32_t> written_;
  std::map<std::pair<std::uint32_t, std::int64_t>, std::vector<std::uint32_t>> ends_;
};

}  // namespace

Status has_message_graph(const Program& program, std::size_t most) {
  std::size_t operations = 0;
  for (const auto& i : program.instructions) {
    const auto operands = static_cast<std::size_t>(i.sources) + i.destinations + i.wait_count + 1;
    operations += static_cast<std::size_t>(program.slices(i)) * 2 * operands;
    if (operations > most)
      return Error{ErrorCode::unsupported, fmt::format("the program has more than {} operations; plan with larger slices", most)};
  }
  if (std::ranges::any_of(program.operands, [](const Operand& operand) { return operand.buffer == Buffer::host; })) {
    return Error{ErrorCode::unsupported, "the plan goes through host memory, which this format cannot name"};
  }
  return {};
}

Result<MessageGraph> message_graph(const Topology& topology, const Program& program, std::size_t most) {
  if (auto there = has_message_graph(program, most); !there) return std::move(there).error();
  return GraphBuilder{topology, program}.run();
}

}  // namespace p2plab
