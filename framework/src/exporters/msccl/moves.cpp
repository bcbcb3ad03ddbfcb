// SPDX-License-Identifier: Apache-2.0
#include "exporters/msccl/moves.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "p2plab/schedule/step_reader.h"

namespace p2plab {

Error msccl_cannot(const std::string& what) { return Error{ErrorCode::unsupported, what}; }

namespace {

constexpr std::int64_t most_chunks = 4096;

Status check_contract(const Program& program) {
  const auto& c = program.collective;
  using enum CollectiveKind;
  constexpr std::array known{all_reduce, all_gather, reduce_scatter, all_to_all};
  if (std::ranges::find(known, c.kind) == known.end()) return msccl_cannot(fmt::format("it has no collective for {}", to_string(c.kind)));
  if (static_cast<int>(c.members.size()) != program.ranks()) return msccl_cannot("all GPUs must take part");
  if (!c.silent.empty()) return msccl_cannot("a silent member cannot be expressed");
  if (!c.shares.empty() && std::ranges::any_of(c.shares, [&](std::int64_t share) { return share != c.shares.front(); })) {
    return msccl_cannot("blocks of unequal size cannot be expressed");
  }
  if (program.route_offsets.size() > 1) return msccl_cannot("explicit routes cannot be expressed");
  if (std::ranges::any_of(program.operands, [](const Operand& o) { return o.buffer == Buffer::host; })) {
    return msccl_cannot("host memory cannot be expressed");
  }
  if (std::ranges::any_of(program.instructions, &Instruction::divides)) return msccl_cannot("averages cannot be expressed; sums can");
  return {};
}

// By step: the channel of the chunk that it moves.
std::vector<std::int32_t> channels_of(const Schedule& schedule) {
  std::vector<std::int32_t> channels;
  std::map<std::pair<std::int32_t, std::uint32_t>, std::int32_t> holds;  // rank and scratch slot -> channel of what lies there
  StepReader steps(schedule);
  for (StepId s{0}; s.index() < schedule.step_count(); ++s.value) {
    const auto step = steps(s);
    const auto& from = step.sources.front();
    const bool kept = from.buffer == Buffer::input || from.buffer == Buffer::output;
    channels.push_back(kept ? schedule.chunks()[from.slot].channel : holds[{from.rank.value, from.slot}]);
    for (const auto& d : step.destinations) {
      if (d.buffer == Buffer::scratch) holds[{d.rank.value, d.slot}] = channels.back();
    }
  }
  return channels;
}

class MoveMaker {
 public:
  MoveMaker(const Schedule& schedule, const Program& program, std::int64_t most_count)
      : program_(program), most_count_(most_count), channels_(channels_of(schedule)) {}

  Result<MscclMoves> run() {
    if (auto can = measure_chunks(); !can) return std::move(can).error();
    place_scratch();
    out_.collective = program_.collective.kind;
    for (const auto& [index, lane] : list_order()) {
      const auto count = program_.instructions[index].bytes / grain_;
      for (std::int64_t done = 0; done < count; done += most_count_) {
        piece_ = {done, std::min(most_count_, count - done), channels_[program_.instructions[index].step.index()], program_.lanes[lane].rank};
        expand(program_.instructions[index]);
      }
    }
    return std::move(out_);
  }

 private:
  // The bytes of a chunk: the largest number of which all places and sizes in inputs and outputs are multiples.
  Status measure_chunks() {
    if (program_.instructions.empty()) return msccl_cannot("the plan moves nothing at this size");
    std::int64_t largest = 0;
    for (const auto& memory : program_.memory) {
      grain_ = std::gcd(std::gcd(grain_, memory.input.count()), memory.output.count());
      largest = std::max({largest, memory.input.count(), memory.output.count()});
    }
    for (const auto& i : program_.instructions) grain_ = std::gcd(grain_, i.bytes);
    for (const auto& o : program_.operands) {
      if (o.buffer != Buffer::scratch) grain_ = std::gcd(grain_, o.offset);
    }
    if (largest / grain_ <= most_chunks) return {};
    auto error =
        msccl_cannot(fmt::format("{} bytes do not divide into equal chunks as the plan divides them: {} chunks of {} bytes, at most {} can be said",
                                 largest, largest / grain_, grain_, most_chunks));
    error.notes.emplace_back("export for a size that is a multiple of the plan's weights and of 16 bytes");
    return error;
  }

  // Scratch slots side by side, in the order of the program's.
  void place_scratch() {
    std::map<std::pair<std::int32_t, std::int64_t>, std::int64_t> sizes;
    for (const auto& i : program_.instructions) {
      for (const auto operands : {program_.sources(i), program_.destinations(i)}) {
        for (const auto& o : operands) {
          if (o.buffer != Buffer::scratch) continue;
          auto& size = sizes[{o.rank.value, o.offset}];
          size = std::max(size, i.bytes / grain_);
        }
      }
    }
    for (const auto& memory : program_.memory) out_.buffers.push_back({memory.input.count() / grain_, memory.output.count() / grain_, 0});
    for (const auto& [slot, size] : sizes) scratch_[slot] = std::exchange(scratch_of(slot.first), scratch_of(slot.first) + size);
  }
  std::int64_t& scratch_of(std::int32_t rank) { return out_.buffers[static_cast<std::size_t>(rank)].scratch; }

  // Instructions with their lanes in the plan's order; those of one step in their own.
  std::vector<std::pair<std::uint32_t, std::size_t>> list_order() const {
    std::vector<std::pair<std::uint32_t, std::size_t>> order;
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      const auto& lane = program_.lanes[l];
      for (auto i = lane.first; i < lane.first + lane.count; ++i) order.emplace_back(i, l);
    }
    std::ranges::stable_sort(order, {}, [&](const auto& entry) { return program_.instructions[entry.first].step; });
    return order;
  }

  MscclPlace place(const Operand& o) const {
    if (o.buffer == Buffer::scratch) return {'s', scratch_.at({o.rank.value, o.offset}) + piece_.first};
    return {o.buffer == Buffer::input ? 'i' : 'o', o.offset / grain_ + piece_.first};
  }
  MscclPlace fresh() { return {'s', std::exchange(scratch_of(piece_.rank.value), scratch_of(piece_.rank.value) + piece_.count)}; }
  bool overlap(const MscclPlace& a, const MscclPlace& b) const {
    return a.buffer == b.buffer && a.offset < b.offset + piece_.count && b.offset < a.offset + piece_.count;
  }

  void message(Rank from, const MscclPlace& source, Rank to, const MscclPlace& destination) {
    out_.moves.push_back({MscclMove::Kind::message, from, to, source, destination, piece_.count, piece_.channel});
  }
  void local(MscclMove::Kind kind, const MscclPlace& source, const MscclPlace& destination) {
    out_.moves.push_back({kind, piece_.rank, piece_.rank, source, destination, piece_.count, piece_.channel});
  }

  // Sources come first, then their sum, then the copies of it.
  void expand(const Instruction& i) {
    std::vector<MscclPlace> here;  // destinations of the executor
    for (const auto& d : program_.destinations(i)) {
      if (d.rank == piece_.rank) here.push_back(place(d));
    }
    std::vector<MscclPlace> sources;
    for (const auto& s : program_.sources(i)) {
      if (s.rank == piece_.rank) {
        sources.push_back(place(s));
        continue;
      }
      const bool straight = i.sources == 1 && !here.empty();  // a load that only copies lands where it belongs
      sources.push_back(straight ? here.front() : fresh());
      message(s.rank, place(s), piece_.rank, sources.back());
    }
    const auto sum = add_up(sources, here);
    for (const auto& d : here) {
      if (d != sum) local(MscclMove::Kind::copy, sum, d);
    }
    for (const auto& d : program_.destinations(i)) {
      if (d.rank != piece_.rank) message(piece_.rank, sum, d.rank, place(d));
    }
  }

  // Adds up in a destination that no further source overlaps, or in a fresh place where there is none.
  MscclPlace add_up(const std::vector<MscclPlace>& sources, const std::vector<MscclPlace>& here) {
    if (sources.size() == 1) return sources.front();
    const auto usable = [&](const MscclPlace& d) {
      const bool first = d == sources.front() || !overlap(d, sources.front());
      return first && std::none_of(sources.begin() + 1, sources.end(), [&](const MscclPlace& s) { return overlap(d, s); });
    };
    const auto found = std::ranges::find_if(here, usable);
    const auto target = found != here.end() ? *found : fresh();
    if (target != sources.front()) local(MscclMove::Kind::copy, sources.front(), target);
    for (std::size_t s = 1; s < sources.size(); ++s) local(MscclMove::Kind::add, sources[s], target);
    return target;
  }

  // What is expanded now: chunks [first, first + count) of an instruction.
  struct Piece {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::int32_t channel = 0;
    Rank rank;
  };
  const Program& program_;
  std::int64_t most_count_;
  std::vector<std::int32_t> channels_;  // by step
  std::int64_t grain_ = 0;
  Piece piece_;
  MscclMoves out_;
  std::map<std::pair<std::int32_t, std::int64_t>, std::int64_t> scratch_;  // rank and the program's offset -> first chunk
};

}  // namespace

Result<MscclMoves> msccl_moves(const Schedule& schedule, const Program& program, std::int64_t most_count) {
  if (auto can = check_contract(program); !can) return std::move(can).error();
  return MoveMaker{schedule, program, most_count}.run();
}

}  // namespace p2plab
