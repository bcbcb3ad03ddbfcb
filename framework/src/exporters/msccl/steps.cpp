// SPDX-License-Identifier: Apache-2.0
#include "exporters/msccl/steps.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

namespace p2plab {

namespace {

constexpr std::int64_t most_count = 71;      // chunks of a step
constexpr std::int64_t most_offset = 32767;  // kept in 16 bits
constexpr std::size_t most_awaited = 128;    // thread blocks that others wait for: their numbers are kept in 8 bits, with a sign
constexpr std::size_t most_elements = 4095;  // of the XML that one GPU keeps: all but the steps and blocks of others
constexpr std::size_t most_gpus = 1024;

class StepMaker {
 public:
  StepMaker(const MscclMoves& moves, const MscclConnections& connections) : moves_(moves), connections_(connections), uses_(moves.buffers.size()) {
    out_.collective = moves.collective;
    out_.channels = connections.channels();
    for (std::size_t r = 0; r < moves.buffers.size(); ++r) {
      auto& gpu = out_.gpus.emplace_back(MscclGpu{moves.buffers[r], {}});
      for (const auto& ends : connections.blocks(Rank{static_cast<std::int64_t>(r)})) gpu.blocks.push_back({ends, {}});
    }
  }

  MscclAlgorithm run() {
    using enum MscclStep::Kind;
    for (const auto& move : moves_.moves) {
      if (move.kind == MscclMove::Kind::message) {
        append(move.rank, connections_.sender(move), {send, move.from, move.destination, move.count});
        append(move.to, connections_.receiver(move), {receive, move.from, move.destination, move.count});
      } else {
        append(move.rank, connections_.local(move), {move.kind == MscclMove::Kind::copy ? copy : add, move.from, move.destination, move.count});
      }
    }
    for (auto& gpu : out_.gpus) number_awaited_first(gpu);
    return std::move(out_);
  }

 private:
  struct Use {
    std::size_t block;
    std::int32_t step;
    bool writes;
  };

  // Appends a step with the waits that the places it touches demand: one fits into it, each further one needs a step that does nothing.
  void append(Rank rank, std::size_t to_block, MscclStep step) {
    auto& blocks = out_.gpus[rank.index()].blocks;
    std::map<std::size_t, std::int32_t> after;  // block -> its latest step to wait for
    const auto meet = [&](const MscclPlace& place, bool writes) {
      auto& uses = uses_[rank.index()][place.buffer];
      for (auto c = place.offset; c < place.offset + step.count; ++c) {
        for (const auto& use : uses[c]) {
          if ((!writes && !use.writes) || use.block == to_block) continue;
          auto& latest = after.try_emplace(use.block, -1).first->second;
          latest = std::max(latest, use.step);
        }
      }
    };
    const bool reads = step.kind != MscclStep::Kind::receive;
    const bool writes = step.kind != MscclStep::Kind::send;
    if (reads) meet(step.from, false);
    if (writes) meet(step.to, true);
    auto& steps = blocks[to_block].steps;
    for (auto wait = after.begin(); wait != after.end(); ++wait) {
      blocks[wait->first].steps[static_cast<std::size_t>(wait->second)].awaited = true;
      const auto block = static_cast<std::int32_t>(wait->first);
      if (std::next(wait) == after.end()) {
        step.after_block = block;
        step.after_step = wait->second;
      } else {
        steps.push_back({.after_block = block, .after_step = wait->second});
      }
    }
    const auto number = static_cast<std::int32_t>(steps.size());
    steps.push_back(step);
    const auto use = [&](const MscclPlace& place, bool wrote) {
      auto& uses = uses_[rank.index()][place.buffer];
      for (auto c = place.offset; c < place.offset + step.count; ++c) {
        if (wrote) uses[c].clear();
        uses[c].push_back({to_block, number, wrote});
      }
    };
    if (reads) use(step.from, false);
    if (writes) use(step.to, true);
  }

  // The reader keeps the number of an awaited block in 8 bits.
  static void number_awaited_first(MscclGpu& gpu) {
    const auto awaited = [](const MscclBlock& block) { return std::ranges::any_of(block.steps, &MscclStep::awaited); };
    std::vector<std::int32_t> number(gpu.blocks.size());
    std::vector<MscclBlock> sorted;
    for (const bool first : {true, false}) {
      for (std::size_t b = 0; b < gpu.blocks.size(); ++b) {
        if (awaited(gpu.blocks[b]) != first) continue;
        number[b] = static_cast<std::int32_t>(sorted.size());
        sorted.push_back(gpu.blocks[b]);
      }
    }
    for (auto& block : sorted) {
      for (auto& step : block.steps) {
        if (step.after_block >= 0) step.after_block = number[static_cast<std::size_t>(step.after_block)];
      }
    }
    gpu.blocks = std::move(sorted);
  }

  const MscclMoves& moves_;
  const MscclConnections& connections_;
  MscclAlgorithm out_;
  std::vector<std::map<char, std::map<std::int64_t, std::vector<Use>>>> uses_;  // by rank
};

Status check(const MscclAlgorithm& algorithm, const MscclLimits& limits) {
  const auto exceeds = [](std::size_t rank, std::int64_t number, const char* what, std::int64_t most) {
    return msccl_cannot(fmt::format("{} {} on rank {}; at most {} are read", number, what, rank, most));
  };
  if (algorithm.gpus.size() > most_gpus) return msccl_cannot(fmt::format("{} GPUs; at most {} are read", algorithm.gpus.size(), most_gpus));
  for (std::size_t r = 0; r < algorithm.gpus.size(); ++r) {
    const auto& [buffers, blocks] = algorithm.gpus[r];
    if (const auto chunks = std::max({buffers.input, buffers.output, buffers.scratch}); chunks > most_offset + 1)
      return exceeds(r, chunks, "chunks in a buffer", most_offset + 1);
    if (blocks.size() > limits.blocks)
      return exceeds(r, static_cast<std::int64_t>(blocks.size()), "thread blocks", static_cast<std::int64_t>(limits.blocks));
    std::size_t elements = 1 + algorithm.gpus.size() + blocks.size();
    std::size_t awaited = 0;
    for (const auto& block : blocks) {
      if (block.steps.size() > limits.steps)
        return exceeds(r, static_cast<std::int64_t>(block.steps.size()), "steps in one thread block", static_cast<std::int64_t>(limits.steps));
      elements += block.steps.size();
      awaited += std::ranges::any_of(block.steps, &MscclStep::awaited) ? 1 : 0;
    }
    if (awaited > most_awaited) return exceeds(r, static_cast<std::int64_t>(awaited), "thread blocks that others wait for", most_awaited);
    if (elements > most_elements) return exceeds(r, static_cast<std::int64_t>(elements), "XML elements", most_elements);
  }
  return {};
}

Result<MscclAlgorithm> steps_within(const Schedule& schedule, const Program& program, const MscclLimits& limits) {
  const auto moves = msccl_moves(schedule, program, most_count);
  if (!moves) return moves.error();
  std::optional<Error> first;
  for (const auto sharing : all_msccl_sharings) {
    const auto connections = MscclConnections::make(*moves, sharing);
    auto error = connections ? std::optional<Error>{} : connections.error();
    if (connections) {
      auto algorithm = StepMaker{*moves, *connections}.run();
      auto fits = check(algorithm, limits);
      if (fits) return algorithm;
      error = std::move(fits).error();
    }
    if (!first) first = std::move(error);
  }
  return *std::move(first);
}

}  // namespace

Result<MscclAlgorithm> msccl_steps(const Schedule& schedule, const Program& program, const MscclLimits& limits) {
  auto made = steps_within(schedule, program, limits);
  if (made) return made;
  auto error = std::move(made).error();
  error.message = fmt::format("{}: {}", limits.format, error.message);
  return error;
}

}  // namespace p2plab
