// SPDX-License-Identifier: Apache-2.0
#include "compile/lane_dedup.h"

#include <algorithm>
#include <cmath>

#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

constexpr std::size_t kinds_of_access = 4;  // (GPU or host memory) x (read or written)

std::size_t hash_of(const LaneStream& stream) {
  std::size_t hash = stream.works.size();
  const auto mix = [&](std::uint64_t value) { hash = (hash ^ value) * 0x9E3779B97F4A7C15U + (hash >> 29); };
  for (const auto& work : stream.works)
    mix(static_cast<std::uint64_t>(work.bytes) << 8 ^ work.wait_count << 4 ^ work.destinations << 2 ^ work.sources);
  for (const auto path : stream.path_refs) mix(path);
  for (const auto& wait : stream.waits) mix(std::uint64_t{wait.lane} << 32 | wait.work);
  return hash;
}

bool same_work(const Work& a, const Work& b) {
  return a.bytes == b.bytes && a.slices == b.slices && a.own_dependency == b.own_dependency && a.local_operands == b.local_operands &&
         a.sources == b.sources && a.destinations == b.destinations && a.wait_count == b.wait_count && a.cost == b.cost && a.after == b.after;
}

bool same_wait(const Awaited& a, const Awaited& b) { return a.lane == b.lane && a.work == b.work && a.slices == b.slices && a.last == b.last; }

}  // namespace

LaneReader::LaneReader(const Program& program, const WorkCosts& costs)
    : program_(program),
      costs_(costs),
      peers_(static_cast<std::size_t>(program.ranks()) * kinds_of_access + program.route_offsets.size()),
      lanes_(program.lanes.size()),
      dependencies_(program) {}

const LaneStream& LaneReader::read(const Lane& lane) {
  ++reads_;
  stream_.works.clear();
  stream_.path_refs.clear();
  stream_.waits.clear();
  stream_.peers.clear();
  stream_.lanes.clear();
  sent_own_ = false;
  sent_first_ = false;
  for (auto index = lane.first; index < lane.first + lane.count; ++index) add(lane, index);
  dependencies_.find(lane, stream_.works);
  return stream_;
}

void LaneReader::add(const Lane& lane, std::uint32_t index) {
  const auto& i = program_.instructions[index];
  Work work{.bytes = i.bytes,
            .slice_bytes = program_.slice_bytes(i),
            .paths = static_cast<std::uint32_t>(stream_.path_refs.size()),
            .waits = static_cast<std::uint32_t>(stream_.waits.size()),
            .wait_count = i.wait_count};
  work.slices = static_cast<std::uint32_t>(program_.slices(i));
  for (std::uint32_t o = 0; o < std::uint32_t{i.sources} + i.destinations; ++o) {
    const auto& operand = program_.operands[i.operands + o];
    if (operand.rank == lane.rank && operand.buffer != Buffer::host) {
      ++work.local_operands;
      continue;
    }
    const bool reads = o < i.sources;
    stream_.path_refs.push_back(peer(operand, reads, i.step));
    ++(reads ? work.sources : work.destinations);
  }
  const bool whole = loads_wait_for_stores(i, work);
  for (const auto& wait : program_.waits_of(i)) {
    const auto& other = program_.lanes[wait.lane.index() % program_.lanes.size()];
    const auto& instruction = program_.instructions[other.first + static_cast<std::uint32_t>(wait.instruction)];
    stream_.waits.push_back(
        {awaited(wait.lane), static_cast<std::uint32_t>(wait.instruction), static_cast<std::uint32_t>(program_.slices(instruction)), whole});
  }
  add_costs(index, work, i.wait_count > 0 && !sent_first_ && !whole);
  sent_first_ |= i.wait_count == 0 && work.destinations > 0;
  stream_.works.push_back(work);
}

// How often each thread of a GPU has a packet of this instruction.
std::int64_t LaneReader::slices_of_thread(const Instruction& i) const {
  return std::max<std::int64_t>(1, (program_.slices(i) + program_.tuning.blocks_per_lane - 1) / program_.tuning.blocks_per_lane);
}

// Polls queue behind the stores of other warps, which drain as fast as the links carry what all warps send: by two warps or more for each of a
// multiprocessor's four schedulers nothing is passed on before all of a wave has come, and the links idle meanwhile. A thread with several packets
// sends them all before it polls, so what it adds up at the end is not added while data still flows. Only who has sent data of its own in the wave
// polls behind stores: who just passes on, or adds up, goes on as packets come.
bool LaneReader::loads_wait_for_stores(const Instruction& i, const Work& work) {
  if (!costs_.packets) return false;
  constexpr auto two_warps_a_scheduler = packet_threads / packet_threads_of_multiprocessor * 4 * 2 * 32;
  const bool many = packets_of(program_.packets->wire, i.bytes) >= two_warps_a_scheduler;
  if (i.wait_count == 0) {
    sent_own_ |= work.destinations > 0 && many;
    return false;
  }
  if (!sent_own_) return false;
  if (work.destinations > 0) return many;
  return i.sources > 1 && !i.copies && slices_of_thread(i) > 1;
}

// Of the packets that are sent, those of the slowest of n warps land later than those of the first: by the greatest of n exponential delays, ln n of
// them in the mean. What is passed on packet by packet has had such a delay already, and the greatest of n sums of two is only ln ln n more (Gamma,
// shape 2). Who has sent data of its own before polls in between its stores, and its packets go on late alike.
void LaneReader::add_costs(std::uint32_t index, Work& work, bool passed_on) const {
  work.cost = costs_.slice;
  if (!costs_.packets) return;
  constexpr std::int64_t warp = 32;
  const auto& i = program_.instructions[index];
  const auto warps = (packets_of(program_.packets->wire, i.bytes) + warp - 1) / warp;
  const int loads = i.copies ? 1 : i.sources;  // what is loaded together, and not added, costs once
  work.cost = to_nearest(costs_.item * (loads + i.destinations) / static_cast<double>(slices_of_thread(i)));
  if (work.destinations == 0) return;
  const auto greatest = std::log(static_cast<double>(std::max<std::int64_t>(warps, 1)));
  work.after = to_nearest(costs_.tail * (passed_on ? std::log(std::max(greatest, 1.0)) : greatest));
}

std::uint32_t LaneReader::peer(const Operand& operand, bool reads, StepId step) {
  const auto access = (operand.buffer == Buffer::host ? 2U : 0U) + (reads ? 1U : 0U);
  const auto key = operand.route == default_route ? operand.rank.index() * kinds_of_access + access
                                                  : static_cast<std::size_t>(program_.ranks()) * kinds_of_access + operand.route.index();
  auto& known = peers_[key];
  if (known.lane != reads_) {
    known = {reads_, static_cast<std::uint32_t>(stream_.peers.size())};
    stream_.peers.push_back({operand, reads, step});
  }
  return known.number;
}

std::uint32_t LaneReader::awaited(LaneId lane) {
  if (lane.index() >= lanes_.size()) lanes_.resize(lane.index() + 1);  // a pattern's lanes of other ranks
  auto& known = lanes_[lane.index()];
  if (known.lane != reads_) {
    known = {reads_, static_cast<std::uint32_t>(stream_.lanes.size())};
    stream_.lanes.push_back(static_cast<std::uint32_t>(lane.value));
  }
  return known.number;
}

std::uint32_t StreamStore::place(const LaneStream& stream) {
  if (kept_.size() * 2 >= buckets_.size()) rehash();
  const auto hash = hash_of(stream);
  const auto mask = buckets_.size() - 1;
  auto at = hash & mask;
  for (; buckets_[at] != 0; at = (at + 1) & mask) {
    const auto& kept = kept_[buckets_[at] - 1];
    if (kept.hash == hash && same(kept, stream)) return kept.first;
  }
  kept_.push_back({hash, static_cast<std::uint32_t>(out_.works.size()), static_cast<std::uint32_t>(stream.works.size()),
                   static_cast<std::uint32_t>(out_.path_refs.size()), static_cast<std::uint32_t>(stream.path_refs.size()),
                   static_cast<std::uint32_t>(out_.waits.size()), static_cast<std::uint32_t>(stream.waits.size())});
  buckets_[at] = static_cast<std::uint32_t>(kept_.size());
  append(stream);
  return kept_.back().first;
}

void StreamStore::rehash() {
  buckets_.assign(std::max<std::size_t>(buckets_.size() * 2, 64), 0);
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    auto at = kept_[i].hash & (buckets_.size() - 1);
    while (buckets_[at] != 0) at = (at + 1) & (buckets_.size() - 1);
    buckets_[at] = static_cast<std::uint32_t>(i + 1);
  }
}

bool StreamStore::same(const Kept& kept, const LaneStream& stream) const {
  if (kept.count != stream.works.size() || kept.path_count != stream.path_refs.size() || kept.wait_count != stream.waits.size()) return false;
  return std::equal(stream.works.begin(), stream.works.end(), out_.works.begin() + kept.first, same_work) &&
         std::equal(stream.path_refs.begin(), stream.path_refs.end(), out_.path_refs.begin() + kept.paths) &&
         std::equal(stream.waits.begin(), stream.waits.end(), out_.waits.begin() + kept.waits, same_wait);
}

void StreamStore::append(const LaneStream& stream) {
  std::vector<std::uint32_t> before(out_.blocks_per_lane);
  for (auto work : stream.works) {
    work.paths += static_cast<std::uint32_t>(out_.path_refs.size());
    work.waits += static_cast<std::uint32_t>(out_.waits.size());
    out_.works.push_back(work);
    out_.before.insert(out_.before.end(), before.begin(), before.end());
    for (std::uint32_t p = 0; p < out_.blocks_per_lane; ++p) before[p] += out_.slices_of(work, p);
  }
  out_.path_refs.insert(out_.path_refs.end(), stream.path_refs.begin(), stream.path_refs.end());
  out_.waits.insert(out_.waits.end(), stream.waits.begin(), stream.waits.end());
}

}  // namespace p2plab
