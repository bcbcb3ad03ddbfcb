#include "exporters/msccl_layout.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

constexpr std::int64_t most_count = 72;
constexpr std::int64_t most_chunks = 4096;

}  // namespace

Error msccl_cannot(const std::string& what) { return Error{ErrorCode::unsupported, "MSCCL XML: " + what}; }

Result<MscclLayout> MscclLayout::make(const Schedule& schedule) {
  MscclLayout layout(schedule);
  if (auto ok = layout.measure_chunks(); !ok) return std::move(ok).error();
  if (auto ok = layout.place_scratch(); !ok) return std::move(ok).error();
  return layout;
}

int MscclLayout::channel(ChunkId chunk) const { return channels_.at(schedule_->chunks()[chunk.index()].channel); }

std::optional<std::int64_t> MscclLayout::input_to_output(Rank rank, std::int64_t offset) const {
  for (const auto& [at, start] : inputs_) {
    if (at.first != rank.value || offset < start || offset >= start + per_block_) continue;
    const auto output = outputs_.find(at);
    if (output != outputs_.end()) return output->second - start;
  }
  return std::nullopt;
}

// Every block in equal chunks: the least number that all weights divide into.
Status MscclLayout::measure_chunks() {
  const auto blocks = schedule_->blocks();
  std::vector<std::int64_t> totals(blocks.size(), 0);
  for (const auto& chunk : schedule_->chunks()) totals[static_cast<std::size_t>(chunk.block)] += chunk.weight;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (blocks[b].share != blocks.front().share) return msccl_cannot("blocks of unequal size cannot be said");
    if (totals[b] <= 0) return msccl_cannot("a block without chunks cannot be said");
    per_block_ = std::lcm(per_block_, totals[b]);
    if (per_block_ > most_chunks) return msccl_cannot(fmt::format("its weights need more than {} chunks a block", most_chunks));
  }
  auto at = std::vector<std::int64_t>(blocks.size(), 0);
  for (const auto& chunk : schedule_->chunks()) {
    const auto b = static_cast<std::size_t>(chunk.block);
    const auto count = per_block_ / totals[b] * chunk.weight;
    if (count > most_count) return msccl_cannot(fmt::format("a chunk of {} parts; at most {} fit one step", count, most_count));
    counts_.push_back(count);
    starts_.push_back(at[b]);
    at[b] += count;
    channels_.try_emplace(chunk.channel, static_cast<int>(channels_.size()));
  }
  for (std::size_t r = 0; r < gpus_.size(); ++r) lay_out(Rank{static_cast<std::int64_t>(r)});
  return {};
}

// Blocks lie in order of their number, as in our own buffers.
void MscclLayout::lay_out(Rank rank) {
  auto& gpu = gpus_[rank.index()];
  const auto blocks = schedule_->blocks();
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto holds = [&](const std::vector<Rank>& ranks) { return std::ranges::find(ranks, rank) != ranks.end(); };
    if (holds(blocks[b].contributors)) {
      inputs_[{rank.value, static_cast<std::int64_t>(b)}] = gpu.input;
      gpu.input += per_block_;
    }
    if (holds(blocks[b].receivers)) {
      outputs_[{rank.value, static_cast<std::int64_t>(b)}] = gpu.output;
      gpu.output += per_block_;
    }
  }
}

// Which chunk each step moves, and with that the size of every scratch slot.
Status MscclLayout::place_scratch() {
  using Slot = std::pair<std::int64_t, std::int64_t>;
  std::map<Slot, ChunkId> holds;
  std::map<Slot, std::int64_t> sizes;
  StepReader steps(*schedule_);
  for (std::size_t s = 0; s < schedule_->step_count(); ++s) {
    const auto now = steps(StepId{static_cast<std::int64_t>(s)});
    for (const auto& list : {now.sources, now.destinations}) {
      for (const auto& l : list) {
        if (l.buffer == Buffer::host) return msccl_cannot("host memory cannot be said");
      }
    }
    const auto& first = now.sources.front();
    const auto chunk = first.buffer == Buffer::scratch ? holds[{first.rank.value, first.slot}] : ChunkId{first.slot};
    step_chunks_.push_back(chunk);
    for (const auto& d : now.destinations) {
      if (d.buffer != Buffer::scratch) continue;
      holds[{d.rank.value, d.slot}] = chunk;
      auto& size = sizes[{d.rank.value, d.slot}];
      size = std::max(size, counts_[chunk.index()]);
    }
  }
  for (const auto& [slot, size] : sizes) {
    auto& gpu = gpus_[static_cast<std::size_t>(slot.first)];
    scratch_[slot] = gpu.scratch;
    gpu.scratch += size;
  }
  return {};
}

MscclPlace MscclLayout::place(const Location& l) const {
  if (l.buffer == Buffer::scratch) return {'s', scratch_.at({l.rank.value, l.slot})};
  const auto block = schedule_->chunks()[l.slot].block;
  const auto& sides = l.buffer == Buffer::input ? inputs_ : outputs_;
  return {l.buffer == Buffer::input ? 'i' : 'o', sides.at({l.rank.value, block}) + starts_[l.slot]};
}

}  // namespace p2plab
