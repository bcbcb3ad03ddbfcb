#include "msccl_steps.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include <fmt/format.h>

namespace p2plab {

namespace {

constexpr std::int64_t most_count = 72;
constexpr std::size_t most_blocks = 216;
constexpr std::size_t most_steps = 256;
constexpr std::int64_t most_chunks = 4096;

Error no(std::string why) { return Error{ErrorCode::unsupported, "MSCCL XML: " + std::move(why)}; }

class StepMaker {
 public:
  StepMaker(const Schedule& schedule, bool in_place) : schedule_(schedule), in_place_(in_place) {}

  Result<MscclAlgorithm> run() {
    if (auto ok = check_kind(); !ok) return std::move(ok).error();
    if (auto ok = measure_chunks(); !ok) return std::move(ok).error();
    if (auto ok = place_scratch(); !ok) return std::move(ok).error();
    for (std::size_t s = 0; s < schedule_.step_count(); ++s) {
      if (auto ok = step(schedule_.step(StepId{static_cast<std::int64_t>(s)}), step_chunks_[s]); !ok) return std::move(ok).error();
    }
    return finish();
  }

 private:
  Status check_kind() {
    const auto& c = schedule_.collective();
    using enum CollectiveKind;
    static const std::map<CollectiveKind, std::string> names{
        {all_reduce, "allreduce"}, {all_gather, "allgather"}, {reduce_scatter, "reduce_scatter"}, {all_to_all, "alltoall"}};
    const auto name = names.find(c.kind);
    if (name == names.end()) return no(fmt::format("it has no collective for {}", to_string(c.kind)));
    if (static_cast<int>(c.members.size()) != schedule_.ranks()) return no("all GPUs must take part");
    if (!c.silent.empty()) return no("a silent member cannot be said");
    out_.collective = name->second;
    out_.gpus.resize(static_cast<std::size_t>(schedule_.ranks()));
    if (schedule_.route_count() > 0) return no("explicit routes cannot be said");
    return {};
  }

  // Every block in equal chunks: the least number that all weights divide into.
  Status measure_chunks() {
    const auto blocks = schedule_.blocks();
    std::vector<std::int64_t> totals(blocks.size(), 0);
    for (const auto& chunk : schedule_.chunks()) totals[static_cast<std::size_t>(chunk.block)] += chunk.weight;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      if (blocks[b].share != blocks.front().share) return no("blocks of unequal size cannot be said");
      if (totals[b] <= 0) return no("a block without chunks cannot be said");
      per_block_ = std::lcm(per_block_, totals[b]);
      if (per_block_ > most_chunks) return no(fmt::format("its weights need more than {} chunks a block", most_chunks));
    }
    auto at = std::vector<std::int64_t>(blocks.size(), 0);
    for (const auto& chunk : schedule_.chunks()) {
      const auto b = static_cast<std::size_t>(chunk.block);
      const auto count = per_block_ / totals[b] * chunk.weight;
      if (count > most_count) return no(fmt::format("a chunk of {} parts; at most {} fit one step", count, most_count));
      counts_.push_back(count);
      starts_.push_back(at[b]);
      at[b] += count;
      channels_.try_emplace(chunk.channel, static_cast<int>(channels_.size()));
    }
    for (std::size_t r = 0; r < out_.gpus.size(); ++r) lay_out(Rank{static_cast<std::int64_t>(r)});
    out_.channels = static_cast<int>(channels_.size());
    out_.chunks_per_loop = std::max(out_.gpus.front().input, out_.gpus.front().output);
    return {};
  }

  // Blocks lie in order of their number, as in our own buffers.
  void lay_out(Rank rank) {
    auto& gpu = out_.gpus[rank.index()];
    const auto blocks = schedule_.blocks();
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
  Status place_scratch() {
    using Slot = std::pair<std::int64_t, std::int64_t>;
    std::map<Slot, ChunkId> holds;
    std::map<Slot, std::int64_t> sizes;
    for (std::size_t s = 0; s < schedule_.step_count(); ++s) {
      const auto now = schedule_.step(StepId{static_cast<std::int64_t>(s)});
      for (const auto& list : {now.sources, now.destinations}) {
        for (const auto& l : list) {
          if (l.buffer == Buffer::host) return no("host memory cannot be said");
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
      auto& gpu = out_.gpus[static_cast<std::size_t>(slot.first)];
      scratch_[slot] = gpu.scratch;
      gpu.scratch += size;
    }
    return {};
  }

  MscclPlace place(const Location& l) const {
    if (l.buffer == Buffer::scratch) return {'s', scratch_.at({l.rank.value, l.slot})};
    const auto block = schedule_.chunks()[l.slot].block;
    const auto& sides = l.buffer == Buffer::input ? inputs_ : outputs_;
    return {l.buffer == Buffer::input ? 'i' : 'o', sides.at({l.rank.value, block}) + starts_[l.slot]};
  }

  MscclPlace fresh(Rank rank, std::int64_t count) {
    auto& gpu = out_.gpus[rank.index()];
    const MscclPlace free{'s', gpu.scratch};
    gpu.scratch += count;
    return free;
  }

  Status step(const Step& s, ChunkId chunk) {
    const auto count = counts_[chunk.index()];
    const auto channel = channels_.at(schedule_.chunks()[chunk.index()].channel);
    std::vector<MscclPlace> local;
    for (const auto& source : s.sources) {
      if (source.rank == s.executor) {
        local.push_back(place(source));
        continue;
      }
      const auto here = fresh(s.executor, count);
      message(source.rank, place(source), s.executor, here, {count, channel});
      local.push_back(here);
    }
    auto sum = local.front();
    std::vector<const Location*> left;
    for (const auto& d : s.destinations) left.push_back(&d);
    if (local.size() > 1) sum = add_up(s, local, count, left);
    for (const auto* d : left) {
      if (d->rank == s.executor) append(s.executor, local_block(s.executor), {MscclStep::Kind::copy, sum, place(*d), count});
    }
    for (const auto* d : left) {
      if (d->rank != s.executor) message(s.executor, sum, d->rank, place(*d), {count, channel});
    }
    return {};
  }

  // Adds up in a place of the step's own, or in a fresh one where none is free of sources.
  MscclPlace add_up(const Step& s, const std::vector<MscclPlace>& local, std::int64_t count, std::vector<const Location*>& left) {
    std::optional<MscclPlace> target;
    for (std::size_t d = 0; d < left.size() && !target; ++d) {
      if (left[d]->rank != s.executor) continue;
      const auto here = place(*left[d]);
      const bool free =
          std::ranges::none_of(local, [&](const MscclPlace& p) { return overlap(key(s.executor, p, count), key(s.executor, here, count)); });
      if (!free) continue;
      target = here;
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(d));
    }
    if (!target) target = fresh(s.executor, count);
    const auto block = local_block(s.executor);
    append(s.executor, block, {MscclStep::Kind::copy, local.front(), *target, count});
    for (std::size_t l = 1; l < local.size(); ++l) append(s.executor, block, {MscclStep::Kind::add, local[l], *target, count});
    return *target;
  }

  struct Size {
    std::int64_t count;
    int channel;
  };
  void message(Rank from, const MscclPlace& source, Rank to, const MscclPlace& destination, Size size) {
    append(from, block(from, static_cast<std::int32_t>(to.value), -1, size.channel), {MscclStep::Kind::send, source, destination, size.count});
    append(to, block(to, -1, static_cast<std::int32_t>(from.value), size.channel), {MscclStep::Kind::receive, source, destination, size.count});
  }

  std::int32_t block(Rank rank, std::int32_t sends, std::int32_t receives, int channel) {
    auto& blocks = out_.gpus[rank.index()].blocks;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      if (blocks[b].send == sends && blocks[b].receive == receives && blocks[b].channel == channel) return static_cast<std::int32_t>(b);
    }
    blocks.push_back({sends, receives, channel, {}});
    return static_cast<std::int32_t>(blocks.size() - 1);
  }
  std::int32_t local_block(Rank rank) { return block(rank, -1, -1, 0); }

  // Chunks of one GPU that a step touches. In place, input and output are one buffer where the same block lies in both.
  struct Touched {
    char buffer = 'i';
    std::int64_t first = 0;
    std::int64_t end = 0;
  };
  Touched key(Rank rank, const MscclPlace& place, std::int64_t count) const {
    Touched touched{place.buffer, place.offset, place.offset + count};
    if (!in_place_ || place.buffer != 'i') return touched;
    for (const auto& [at, start] : inputs_) {
      const auto output = outputs_.find(at);
      if (at.first != rank.value || output == outputs_.end() || place.offset < start || place.offset >= start + per_block_) continue;
      const auto shift = output->second - start;
      return {'o', touched.first + shift, touched.end + shift};
    }
    return touched;
  }
  static bool overlap(const Touched& a, const Touched& b) { return a.buffer == b.buffer && a.first < b.end && b.first < a.end; }

  // Appends a step with the waits that the places it touches demand: one fits into it, each further one needs a step that does nothing.
  void append(Rank rank, std::int32_t to_block, MscclStep step) {
    auto& blocks = out_.gpus[rank.index()].blocks;
    std::map<std::int32_t, std::int32_t> after;  // block -> its latest step to wait for
    const auto meet = [&](const MscclPlace& place, bool writes) {
      const auto touched = key(rank, place, step.count);
      auto& uses = uses_[rank.value][touched.buffer];
      for (auto c = touched.first; c < touched.end; ++c) {
        for (const auto& use : uses[c]) {
          if ((writes || use.writes) && use.block != to_block)
            after[use.block] = std::max(after.contains(use.block) ? after[use.block] : -1, use.step);
        }
      }
    };
    const bool reads = step.kind != MscclStep::Kind::receive;
    const bool writes = step.kind != MscclStep::Kind::send;
    if (reads) meet(step.from, false);
    if (writes) meet(step.to, true);
    auto& steps = blocks[static_cast<std::size_t>(to_block)].steps;
    for (auto wait = after.begin(); wait != after.end(); ++wait) {
      blocks[static_cast<std::size_t>(wait->first)].steps[static_cast<std::size_t>(wait->second)].awaited = true;
      const bool last = std::next(wait) == after.end();
      if (last) {
        step.after_block = wait->first;
        step.after_step = wait->second;
      } else {
        steps.push_back({.after_block = wait->first, .after_step = wait->second});
      }
    }
    const auto number = static_cast<std::int32_t>(steps.size());
    steps.push_back(step);
    const auto use = [&](const MscclPlace& place, bool wrote) {
      const auto touched = key(rank, place, step.count);
      auto& uses = uses_[rank.value][touched.buffer];
      for (auto c = touched.first; c < touched.end; ++c) {
        if (wrote) uses[c].clear();
        uses[c].push_back({to_block, number, wrote});
      }
    };
    if (reads) use(step.from, false);
    if (writes) use(step.to, true);
  }

  Result<MscclAlgorithm> finish() {
    for (const auto& gpu : out_.gpus) {
      if (gpu.blocks.size() > most_blocks)
        return no(fmt::format("{} thread blocks on one GPU; at most {} can be said", gpu.blocks.size(), most_blocks));
      for (const auto& block : gpu.blocks) {
        if (block.steps.size() > most_steps)
          return no(fmt::format("{} steps in one thread block; at most {} can be said", block.steps.size(), most_steps));
      }
    }
    return std::move(out_);
  }

  struct Use {
    std::int32_t block;
    std::int32_t step;
    bool writes;
  };
  using Side = std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t>;  // rank and block, or rank and slot -> first chunk

  const Schedule& schedule_;
  bool in_place_;
  MscclAlgorithm out_;
  std::int64_t per_block_ = 1;
  std::vector<std::int64_t> counts_;  // by chunk: equal chunks in it
  std::vector<std::int64_t> starts_;  // by chunk: from the start of its block
  std::map<std::int32_t, int> channels_;
  Side inputs_;
  Side outputs_;
  Side scratch_;
  std::vector<ChunkId> step_chunks_;
  std::map<std::int64_t, std::map<char, std::map<std::int64_t, std::vector<Use>>>> uses_;
};

}  // namespace

Result<MscclAlgorithm> msccl_steps(const Schedule& schedule, bool in_place) { return StepMaker{schedule, in_place}.run(); }

}  // namespace p2plab
