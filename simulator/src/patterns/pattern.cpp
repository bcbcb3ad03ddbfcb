// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/pattern.h"

#include <numeric>

namespace p2plab {

namespace {

Pattern empty_pattern(std::vector<int> extents, CollectiveKind kind, Bytes bytes, const Tuning& tuning) {
  Pattern pattern{.extents = std::move(extents), .program = {}};
  const auto ranks = pattern.ranks();
  pattern.program.payload = {.elements = bytes.count(), .type = DataType::int8};
  pattern.program.tuning = tuning;
  pattern.program.collective = make_collective(kind, ranks);
  pattern.program.memory.assign(static_cast<std::size_t>(ranks), {bytes, bytes, bytes, Bytes{0}});
  return pattern;
}

/// One lane of rank 0, an instruction at a time.
class LaneWriter {
 public:
  LaneWriter(Program& program, std::int64_t piece) : program_(program), piece_(piece) {
    program.lanes.push_back({Rank{0}, static_cast<std::uint32_t>(program.instructions.size()), 0});
  }

  /// Sends the piece that lies at `offset`, or its sum with what came in, to `to`, after `waits`.
  void send(Rank to, std::int64_t offset, bool adds, std::initializer_list<Wait> waits) {
    auto& lane = program_.lanes.back();
    Instruction i{.step = StepId{static_cast<std::int64_t>(program_.instructions.size())}, .bytes = piece_};
    i.operands = static_cast<std::uint32_t>(program_.operands.size());
    i.sources = adds ? 2 : 1;
    i.destinations = 1;
    i.waits = static_cast<std::uint32_t>(program_.waits.size());
    i.wait_count = static_cast<std::uint32_t>(waits.size());
    if (adds) program_.operands.push_back({Rank{0}, Buffer::scratch, default_route, offset});
    program_.operands.push_back({Rank{0}, Buffer::input, default_route, offset});
    program_.operands.push_back({to, Buffer::scratch, default_route, offset});
    program_.waits.insert(program_.waits.end(), waits.begin(), waits.end());
    program_.instructions.push_back(i);
    ++lane.count;
  }

  std::int32_t count() const { return static_cast<std::int32_t>(program_.lanes.back().count); }

 private:
  Program& program_;
  std::int64_t piece_;
};

}  // namespace

int Pattern::ranks() const { return std::accumulate(extents.begin(), extents.end(), 1, std::multiplies<>{}); }

Rank Pattern::seen_from(Rank origin, Rank offset) const {
  std::int64_t rank = 0;
  std::int64_t stride = 1;
  auto from = origin.value;
  auto by = offset.value;
  for (auto extent = extents.rbegin(); extent != extents.rend(); ++extent) {
    rank += stride * ((from % *extent + by % *extent) % *extent);
    stride *= *extent;
    from /= *extent;
    by /= *extent;
  }
  return Rank{rank};
}

Pattern ring_pattern(int ranks, Bytes bytes, const Tuning& tuning) {
  auto pattern = empty_pattern({ranks}, CollectiveKind::all_reduce, bytes, tuning);
  const auto piece = bytes.count() / ranks;
  LaneWriter lane(pattern.program, piece);
  const int rounds = 2 * (ranks - 1);
  for (int k = 0; k < rounds; ++k) {
    const auto offset = std::int64_t{(rounds - k) % ranks} * piece;
    const bool adds = k > 0 && k < ranks;
    if (k == 0) {
      lane.send(Rank{1}, offset, adds, {});
    } else {
      lane.send(Rank{1}, offset, adds, {Wait{LaneId{ranks - 1}, k - 1}});
    }
  }
  return pattern;
}

Pattern all_to_all_pattern(int ranks, Bytes bytes, const Tuning& tuning) {
  auto pattern = empty_pattern({ranks}, CollectiveKind::all_to_all, bytes, tuning);
  const auto piece = bytes.count() / ranks;
  for (int peer = 1; peer < ranks; ++peer) LaneWriter{pattern.program, piece}.send(Rank{peer}, std::int64_t{peer} * piece, false, {});
  return pattern;
}

Pattern hierarchical_pattern(int servers, int gpus, Bytes bytes, const Tuning& tuning) {
  auto pattern = empty_pattern({servers, gpus}, CollectiveKind::all_reduce, bytes, tuning);
  auto& program = pattern.program;
  const auto shard = bytes.count() / gpus;
  const auto piece = shard / servers;
  constexpr int lanes = 3;  // within the server, between servers, within the server again
  const Rank next_gpu{1};
  const Rank next_server{gpus};
  const auto lane_of = [&](std::int64_t rank, int lane) { return LaneId{rank * lanes + lane}; };
  const auto last_gpu = std::int64_t{gpus} - 1;
  const auto last_server = std::int64_t{servers - 1} * gpus;
  LaneWriter scatter(program, shard);
  for (int k = 0; k + 1 < gpus; ++k) {
    const auto offset = (std::int64_t{gpus} - k) % gpus * shard;
    k == 0 ? scatter.send(next_gpu, offset, false, {}) : scatter.send(next_gpu, offset, true, {Wait{lane_of(last_gpu, 0), k - 1}});
  }
  const bool in_server = gpus > 1;
  LaneWriter around(program, piece);
  for (int k = 0; k < 2 * (servers - 1); ++k) {
    const auto offset = std::int64_t{(2 * servers - k) % servers} * piece;
    const bool adds = k < servers;
    const Wait shard_ready{lane_of(last_gpu, 0), gpus - 2};
    if (k == 0 && in_server) around.send(next_server, offset, adds, {shard_ready});
    if (k == 0 && !in_server) around.send(next_server, offset, false, {});
    if (k > 0) around.send(next_server, offset, adds, {Wait{lane_of(last_server, 1), k - 1}});
  }
  LaneWriter gather(program, shard);
  for (int k = 0; k + 1 < gpus; ++k) {
    const auto offset = (std::int64_t{gpus} - k) % gpus * shard;
    const Wait before = k > 0 ? Wait{lane_of(last_gpu, 2), k - 1}
                              : (servers > 1 ? Wait{lane_of(last_server, 1), 2 * (servers - 1) - 1} : Wait{lane_of(last_gpu, 0), gpus - 2});
    gather.send(next_gpu, offset, false, {before});
  }
  return pattern;
}

Program unfold(const Pattern& pattern) {
  const auto& one = pattern.program;
  auto program = one;
  const auto lanes = static_cast<std::int32_t>(one.lanes.size());
  for (int r = 1; r < pattern.ranks(); ++r) {
    const auto copy = static_cast<std::uint32_t>(r);
    for (auto lane : one.lanes) {
      lane.rank = Rank{r};
      lane.first += copy * static_cast<std::uint32_t>(one.instructions.size());
      program.lanes.push_back(lane);
    }
    for (auto i : one.instructions) {
      i.operands += copy * static_cast<std::uint32_t>(one.operands.size());
      i.waits += copy * static_cast<std::uint32_t>(one.waits.size());
      program.instructions.push_back(i);
    }
    for (auto operand : one.operands) {
      operand.rank = pattern.seen_from(Rank{r}, operand.rank);
      program.operands.push_back(operand);
    }
    for (auto wait : one.waits) {
      const auto rank = pattern.seen_from(Rank{r}, Rank{wait.lane.value / lanes});
      wait.lane = LaneId{std::int64_t{rank.value} * lanes + wait.lane.value % lanes};
      program.waits.push_back(wait);
    }
  }
  return program;
}

}  // namespace p2plab
