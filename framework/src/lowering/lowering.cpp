// SPDX-License-Identifier: Apache-2.0
#include "lowering/lowering.h"

#include <algorithm>
#include <numeric>

#include "lowering/lane_keys.h"
#include "p2plab/program/even_payloads.h"
#include "p2plab/schedule/dependencies.h"
#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

constexpr std::int64_t grain = 16;  // bytes: what one thread moves at a time

std::int64_t round_up(std::int64_t value, std::int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

std::vector<std::int64_t> bytes_of(const std::vector<ChunkExtent>& extents, DataType type) {
  std::vector<std::int64_t> bytes;
  bytes.reserve(extents.size());
  for (const auto& extent : extents) bytes.push_back(extent.count * size_of(type));
  return bytes;
}

}  // namespace

bool same_channels(const Schedule& schedule) {
  const auto chunks = schedule.chunks();
  const auto count = schedule.base_chunk_count();
  bool same = true;
  bool apart = true;
  std::vector<std::int32_t> numbers;  // by channel: of the first chunk of this image on it
  std::vector<std::int32_t> of_base(count);
  std::vector<std::int32_t> last;  // by channel: the image that has it
  for (std::size_t c = 0; c < chunks.size() && (same || apart); ++c) {
    const auto image = static_cast<std::int32_t>(c / count);
    const auto channel = static_cast<std::size_t>(chunks[c].channel);
    if (channel >= numbers.size()) numbers.resize(channel + 1), last.resize(channel + 1, -1);
    if (last[channel] != image) {
      apart = apart && last[channel] < 0;
      last[channel] = image;
      numbers[channel] = static_cast<std::int32_t>(c % count);
    }
    if (image == 0) of_base[c] = numbers[channel];
    if (numbers[channel] != of_base[c % count]) return false;
    same = same && chunks[c].channel == chunks[c % count].channel;
  }
  return same || apart;
}

bool Lowering::are_alike(const Schedule& schedule, const Payload& payload) {
  const auto even = even_payloads(schedule, payload);
  return even && even->same() && same_channels(schedule);
}

Lowering::Lowering(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning, bool one_memory,
                   std::shared_ptr<const RankImages> images, int image)
    : schedule_(schedule),
      proof_(proof),
      one_memory_(one_memory),
      images_(std::move(images)),
      image_(image),
      extents_(cut(schedule, payload)),
      buffers_(schedule, payload),
      slots_(schedule, proof, bytes_of(extents_, payload.type), images_ != nullptr ? std::optional(image) : std::nullopt) {
  program_.payload = payload;
  program_.tuning = tuning;
  program_.tuning.slice = Bytes{round_up(tuning.slice.count(), grain)};
  if (tuning.slices > 0 && !slots_.even()) by_bytes(payload);
  program_.in_place = one_memory_;
  program_.collective = schedule.collective();
  program_.images = images_;
  for (std::size_t i = 0; i < schedule.route_count(); ++i) {
    const auto links = schedule.route(RouteId{static_cast<std::int64_t>(i)});
    program_.route_links.insert(program_.route_links.end(), links.begin(), links.end());
    program_.route_offsets.push_back(static_cast<std::uint32_t>(program_.route_links.size()));
  }
}

Program Lowering::run(Lowered which) {
  which_ = which;
  program_.folded = which == Lowered::representatives;
  choose_steps();
  place_steps();
  fill_instructions();
  order_lanes();
  for (int r = 0; r < schedule_.ranks(); ++r) {
    const Rank rank{r};
    program_.memory.push_back(
        {buffers_.input_size(rank), buffers_.output_size(rank), slots_.size(rank, Buffer::scratch), slots_.size(rank, Buffer::host)});
  }
  return std::move(program_);
}

// Chunks of two sizes in one slot would have their slices at different places there: all slices get the bytes of the largest chunk's.
void Lowering::by_bytes(const Payload& payload) {
  const auto bytes = bytes_of(extents_, payload.type);
  program_.tuning.slice = Bytes{round_up(program_.tuning.slice_of(*std::ranges::max_element(bytes)), grain)};
  program_.tuning.slices = 0;
}

// In place, a chunk that lies in both input and output has the output's address.
Location Lowering::resolve(const Location& location) const {
  if (!one_memory_ || location.buffer != Buffer::input) return location;
  const auto block = schedule_.chunks()[location.slot].block;
  return buffers_.output_offset(location.rank, block) < 0 ? location : output(location.rank, ChunkId{static_cast<std::int64_t>(location.slot)});
}

bool Lowering::moves_nothing(StepId id, const Step& step) const {
  if (extents_[proof_.chunk(id).index()].count == 0) return true;
  return step.sources.size() == 1 && step.destinations.size() == 1 && resolve(step.sources[0]) == resolve(step.destinations[0]);
}

std::vector<StepId> Lowering::wanted_steps() const {
  std::vector<StepId> wanted;
  if (which_ == Lowered::all) return wanted;  // all, which need no list
  for (std::size_t b = 0; b < schedule_.base_step_count(); ++b) {
    const StepId base{static_cast<std::int64_t>(b)};
    wanted.push_back(schedule_.folding().id_of(which_ == Lowered::image ? image_ : images_->back(schedule_.base_step(base).executor), base));
  }
  return wanted;
}

void Lowering::choose_steps() {
  const auto wanted = wanted_steps();
  const auto count = which_ == Lowered::all ? schedule_.step_count() : wanted.size();
  dropped_.assign(count, false);
  StepReader steps(schedule_);
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = which_ == Lowered::all ? StepId{static_cast<std::int64_t>(i)} : wanted[i];
    const auto step = steps(id);
    dropped_[i] = moves_nothing(id, step);
    if (dropped_[i]) continue;
    order_.push_back(id);
    operands_ += step.sources.size() + step.destinations.size();
  }
}

std::vector<std::int64_t> Lowering::bytes_of_steps() const {
  std::vector<std::int64_t> bytes(dropped_.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const StepId listed{static_cast<std::int64_t>(i)};
    const auto id = which_ == Lowered::all ? listed : schedule_.folding().id_of(image_, listed);
    bytes[i] = extents_[proof_.chunk(id).index()].count * size_of(program_.payload.type);
  }
  return bytes;
}

// Executor, channel, remote ranks rising; or the step alone.
void Lowering::key_of(StepId id, const Step& step, std::vector<std::int32_t>& words) const {
  words.clear();
  if (program_.tuning.lane_per_step) return words.push_back(id.value);
  words = {step.executor.value, schedule_.chunks()[proof_.chunk(id).index()].channel};
  const auto others = words.size();
  for (const auto locations : {step.sources, step.destinations}) {
    for (const auto& location : locations) {
      if (location.rank != step.executor) words.push_back(location.rank.value);
    }
  }
  const auto first = words.begin() + static_cast<std::ptrdiff_t>(others);
  std::sort(first, words.end());
  words.erase(std::unique(first, words.end()), words.end());
}

// Gives every kept step its lane and its place there; lanes are numbered by rank, then by first use.
void Lowering::place_steps() {
  LaneKeys known;
  std::vector<Lane> lanes;
  std::vector<std::uint32_t> lane_of;
  lane_of.reserve(order_.size());
  std::vector<std::int32_t> words;
  StepReader steps(schedule_);
  for (const auto id : order_) {
    const auto step = steps(id);
    key_of(id, step, words);
    const auto lane = known.number(words);
    if (lane == lanes.size()) lanes.push_back({step.executor, 0, 0});
    lane_of.push_back(static_cast<std::uint32_t>(lane));
  }
  std::vector<std::size_t> next(static_cast<std::size_t>(schedule_.ranks()) + 1);  // by rank: where its next lane goes
  for (const auto& lane : lanes) ++next[lane.rank.index() + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<LaneId> number;
  number.reserve(lanes.size());
  program_.lanes.resize(lanes.size());
  for (const auto& lane : lanes) {
    number.emplace_back(static_cast<std::int64_t>(next[lane.rank.index()]++));
    program_.lanes[number.back().index()] = lane;
  }
  places_.resize(dropped_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const auto lane = number[lane_of[i]];
    places_[place_of(order_[i])] = {lane, static_cast<std::int32_t>(program_.lanes[lane.index()].count++)};
  }
  std::uint32_t first = 0;
  for (auto& lane : program_.lanes) {
    lane.first = first;
    first += lane.count;
  }
}

void Lowering::fill_instructions() {
  program_.instructions.resize(order_.size());
  program_.operands.reserve(operands_);
  StepReader steps(schedule_);
  for (const auto id : order_) {
    const auto step = steps(id);
    const auto& place = places_[place_of(id)];
    const auto chunk = proof_.chunk(id);
    auto& instruction = program_.instructions[program_.lanes[place.lane.index()].first + static_cast<std::uint32_t>(place.instruction)];
    instruction.step = id;
    instruction.bytes = extents_[chunk.index()].count * size_of(program_.payload.type);
    instruction.operands = static_cast<std::uint32_t>(program_.operands.size());
    instruction.sources = static_cast<std::uint16_t>(step.sources.size());
    instruction.destinations = static_cast<std::uint16_t>(step.destinations.size());
    instruction.divides = program_.payload.op == ReduceOp::average && reduces(program_.collective.kind) && proof_.completes(id);
    instruction.divisor = static_cast<std::int32_t>(schedule_.block_of(chunk).contributors.size());
    for (std::size_t i = 0; i < step.sources.size(); ++i) program_.operands.push_back(operand(step.sources[i], step, i));
    for (std::size_t i = 0; i < step.destinations.size(); ++i)
      program_.operands.push_back(operand(step.destinations[i], step, step.sources.size() + i));
  }
}

Operand Lowering::operand(const Location& named, const Step& step, std::size_t which) const {
  const auto location = resolve(named);
  return {location.rank, location.buffer, step.routes.empty() ? default_route : step.routes[which], offset_of(location)};
}

std::int64_t Lowering::offset_of(const Location& location) const {
  if (location.buffer == Buffer::scratch || location.buffer == Buffer::host) return slots_.offset(location);
  const auto block = schedule_.chunks()[location.slot].block;
  const auto start = location.buffer == Buffer::input ? buffers_.input_offset(location.rank, block) : buffers_.output_offset(location.rank, block);
  return start + extents_[location.slot].first * size_of(program_.payload.type);
}

// Each image waits within itself, so that where only one instruction of each step is there, the base's dependencies say for what.
void Lowering::order_lanes() {
  const StepLoads loads{dropped_, slots_.even() ? std::vector<std::int64_t>{} : bytes_of_steps()};
  if (which_ == Lowered::all) return add_waits(program_, Dependencies(schedule_, proof_.in_place(), loads), {places_, images_ == nullptr}, order_);
  const auto base = schedule_.base();
  const Dependencies dependencies(base, proof_.in_place(), loads);
  const auto lanes = static_cast<std::int64_t>(program_.lanes.size());
  const auto named = [&](StepId waiting, StepId before) {
    const auto lane = places_[before.index()].lane;
    if (which_ == Lowered::image || lane.value < 0) return lane;
    const auto image = images_->back(base.base_step(waiting).executor);
    return LaneId{images_->to(images_->moved(image, base.base_step(before).executor)) * lanes + lane.value};
  };
  std::vector<StepId> steps;
  for (const auto id : order_) steps.push_back(schedule_.folding().origin(id).step);
  add_waits(program_, dependencies, {places_, false, named}, steps);
}

}  // namespace p2plab
