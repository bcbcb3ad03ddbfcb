// SPDX-License-Identifier: Apache-2.0
#include "support/adversary/hard_schedules.h"

#include <algorithm>
#include <array>
#include <span>

namespace p2plab::test {

namespace {

std::set<int> numbers(std::span<const Rank> ranks) {
  std::set<int> all;
  for (const auto rank : ranks) all.insert(rank.value);
  return all;
}

}  // namespace

Topology machine_for_hard_schedules(int ranks) {
  Topology::Builder builder("hard");
  for (int i = 0; i < ranks; ++i) builder.add_node({.name = "gpu" + std::to_string(i)});
  const auto hub = builder.add_node({.name = "sw", .kind = NodeKind::nvswitch});
  const auto host = builder.add_node({.name = "host", .kind = NodeKind::host});
  for (int i = 0; i < ranks; ++i) {
    builder.add_duplex(NodeId{i}, hub, LinkKind::nvlink, GBps(100), Seconds{500e-9});
    builder.add_duplex(NodeId{i}, host, LinkKind::pcie, GBps(25), Seconds{1e-6});
  }
  return *std::move(builder).build();
}

HardCase HardSchedules::make() {
  folded_ = chance(15);
  auto wanted = collective();
  in_place_ = chance(35);
  slots_ = between(1, 3);
  auto builder = *Schedule::Builder::create(wanted, ranks_);
  blocks_.assign(builder.blocks().begin(), builder.blocks().end());
  add_chunks(builder, folded_ ? ranks_ : 1);
  hold_inputs();
  const int steps = between(8, 40);
  for (int i = 0; i < steps; ++i) random_step(builder);
  for (int c = 0; c < chunks_; ++c) finish(builder, c);
  if (folded_) {
    std::vector<ScheduleImage> images(static_cast<std::size_t>(ranks_));
    for (int i = 0; i < ranks_; ++i) {
      for (int r = 0; r < ranks_; ++r) images[static_cast<std::size_t>(i)].ranks.emplace_back((r + i) % ranks_);
    }
    builder.fold(std::move(images));
  }
  const auto cut = payload();
  const auto form = tuning();
  auto name = std::string{to_string(wanted.kind)} + " among " + std::to_string(wanted.members.size()) + " of " + std::to_string(ranks_) + ", " +
              std::to_string(cut.elements) + " " + std::string{to_string(cut.type)} + ", parts " + std::to_string(form.blocks_per_lane) + ", slice " +
              std::to_string(form.slice.count()) + ", slices " + std::to_string(form.slices) + (form.lane_per_step ? ", a lane a step" : "") +
              (in_place_ ? ", in place" : "") + (folded_ ? ", folded" : "");
  return {*std::move(builder).build(), in_place_, cut, form, std::move(name)};
}

// Folded: what looks the same from every rank.
Collective HardSchedules::collective() {
  const auto kinds = all_collective_kinds();
  constexpr std::array alike{CollectiveKind::all_reduce, CollectiveKind::reduce_scatter, CollectiveKind::all_gather};
  const auto kind = folded_ ? alike[random_() % alike.size()] : any(kinds);
  auto wanted = make_collective(kind, ranks_, Rank{between(0, ranks_ - 1)});
  if (folded_) return wanted;
  std::ranges::shuffle(wanted.members, random_);
  if (ranks_ > 2 && chance(30)) wanted.members.pop_back();
  if (!std::ranges::count(wanted.members, wanted.root)) wanted.root = wanted.members.front();
  const bool root_gives = kind == CollectiveKind::broadcast || kind == CollectiveKind::scatter;
  for (const auto rank : wanted.members) {
    if (chance(15) && wanted.silent.size() + 1 < wanted.members.size() && !(root_gives && rank == wanted.root)) wanted.silent.push_back(rank);
  }
  if (sharded(kind) && chance(40)) {
    for (std::size_t i = 0; i < wanted.members.size(); ++i) wanted.shares.push_back(any(std::vector<std::int64_t>{0, 1, 1, 7, 1000}));
    wanted.shares.front() = 3;
  }
  if (kind == CollectiveKind::send_receive) {
    wanted.pairs.clear();
    for (int i = between(1, 4); i > 0; --i) wanted.pairs.emplace_back(any(wanted.members), any(wanted.members));
    std::ranges::sort(wanted.pairs);
    wanted.pairs.erase(std::unique(wanted.pairs.begin(), wanted.pairs.end()), wanted.pairs.end());
  }
  return wanted;
}

Payload HardSchedules::payload() {
  const auto elements = any(std::vector<std::int64_t>{0, 1, 5, 67, 160, 333, 700, 1500, 1500, 3001});
  const auto type = any(std::vector<DataType>{DataType::uint8, DataType::uint8, DataType::float16, DataType::float32, DataType::int64});
  return {elements, type, chance(20) ? ReduceOp::average : ReduceOp::sum};
}

Tuning HardSchedules::tuning() {
  Tuning tuning{.blocks_per_lane = any(std::vector<int>{1, 1, 2, 3, 5}), .lane_per_step = chance(40)};
  if (chance(70)) {
    tuning.slice = Bytes{any(std::vector<std::int64_t>{16, 32, 64, 112, 400})};
  } else if (chance(80)) {
    tuning.slices = any(std::vector<int>{2, 3, 7, 20});
  }
  return tuning;
}

// Each block in some chunks of very different weights; of a folded schedule the base has those of its first block, images those of theirs.
void HardSchedules::add_chunks(Schedule::Builder& builder, int images) {
  std::vector<std::uint32_t> weights;
  for (int i = between(1, 3); i > 0; --i) weights.push_back(any(std::vector<std::uint32_t>{1, 1, 2, 30, 1000}));
  for (int i = 0; i < images; ++i) {
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      if (folded_ && blocks_.size() > 1 && static_cast<int>(b) != i) continue;
      for (const auto weight : weights) {
        builder.add_chunk({static_cast<std::int32_t>(b), weight, between(0, 3)});
        blocks_of_.push_back(static_cast<int>(b));
      }
    }
    if (i == 0) chunks_ = builder.chunk_count();
  }
}

void HardSchedules::hold_inputs() {
  for (int c = 0; c < chunks_; ++c) {
    for (const auto rank : block_of(c).contributors) {
      const auto place = is_shared(rank.value, c) ? output(rank, ChunkId{c}) : input(rank, ChunkId{c});
      held_.push_back({place, {c, {rank.value}}});
    }
  }
}

bool HardSchedules::is_shared(int rank, int chunk) const {
  const auto has = [&](const RankList& ranks) { return std::ranges::count(ranks, Rank{rank}) > 0; };
  return in_place_ && has(block_of(chunk).contributors) && has(block_of(chunk).receivers);
}

bool HardSchedules::complete(const Value& value) const { return value.senders == numbers(block_of(value.chunk).contributors); }

HardSchedules::Value& HardSchedules::at(const Location& place) {
  const auto found = std::ranges::find(held_, place, &Held::place);
  if (found != held_.end()) return found->value;
  return held_.emplace_back(Held{place, {}}).value;
}

// Some values of the chunk without a common sender, in any order.
std::vector<Location> HardSchedules::sources_for(int chunk, std::set<int>& senders) {
  std::vector<Location> from;
  const int most = chance(50) ? 1 : 3;
  for (int tries = 0; tries < 30 && static_cast<int>(from.size()) < most; ++tries) {
    const auto& held = any(held_);
    if (held.value.chunk != chunk) continue;
    const bool apart = std::ranges::none_of(held.value.senders, [&](int sender) { return senders.contains(sender); });
    if (!apart) continue;
    senders.insert(held.value.senders.begin(), held.value.senders.end());
    from.push_back(held.place);
  }
  return from;
}

// A slot anywhere, or an output. An output that is an input as well takes only what is complete: what it gives is lost then.
Location HardSchedules::destination(int chunk, const std::set<int>& senders) {
  const auto& receivers = block_of(chunk).receivers;
  if (chance(25) && !receivers.empty()) {
    const auto rank = any(receivers);
    if (!is_shared(rank.value, chunk) || complete({chunk, senders})) return output(rank, ChunkId{chunk});
  }
  const Rank rank{between(0, ranks_ - 1)};
  return chance(15) ? host(rank, between(0, slots_ - 1)) : scratch(rank, between(0, slots_ - 1));
}

void HardSchedules::random_step(Schedule::Builder& builder) {
  if (held_.empty()) return;
  const int chunk = any(held_).value.chunk;
  if (chunk < 0) return;
  std::set<int> senders;
  const auto from = sources_for(chunk, senders);
  if (from.empty()) return;
  std::vector<Location> to;
  for (int i = chance(60) ? 1 : between(2, 4); i > 0; --i) {
    const auto place = destination(chunk, senders);
    if (!std::ranges::count(to, place)) to.push_back(place);
  }
  step(builder, from, to, {chunk, senders});
}

void HardSchedules::step(Schedule::Builder& builder, const std::vector<Location>& from, const std::vector<Location>& to, const Value& value) {
  builder.add_step(Rank{between(0, ranks_ - 1)}, from, to);
  for (const auto& place : to) at(place) = value;
}

// Whoever does not have the result yet gets it: from a place that has it, or by adding what all give.
void HardSchedules::finish(Schedule::Builder& builder, int chunk) {
  const auto& block = block_of(chunk);
  if (block.contributors.empty()) return;
  std::vector<Location> missing;
  for (const auto rank : block.receivers) {
    const auto place = output(rank, ChunkId{chunk});
    const auto& value = at(place);
    if (value.chunk != chunk || !complete(value)) missing.push_back(place);
  }
  while (!missing.empty()) {
    std::vector<Location> from;
    for (const auto& held : held_) {
      if (held.value.chunk == chunk && complete(held.value)) from = {held.place};
    }
    if (from.empty()) {
      for (const auto rank : block.contributors)
        from.push_back(is_shared(rank.value, chunk) ? output(rank, ChunkId{chunk}) : input(rank, ChunkId{chunk}));
    }
    const auto count = between(1, static_cast<int>(missing.size()));
    const std::vector<Location> to(missing.end() - count, missing.end());
    missing.resize(missing.size() - to.size());
    step(builder, from, to, {chunk, numbers(block.contributors)});
  }
}

}  // namespace p2plab::test
