#include "exporters/msccl_steps.h"

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "exporters/msccl_layout.h"
#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

constexpr std::size_t most_blocks = 216;
constexpr std::size_t most_steps = 256;

// Its name there; an error where MSCCL has no way to say what the schedule does.
Result<std::string> name_of_kind(const Schedule& schedule) {
  const auto& c = schedule.collective();
  using enum CollectiveKind;
  static const std::map<CollectiveKind, std::string> names{
      {all_reduce, "allreduce"}, {all_gather, "allgather"}, {reduce_scatter, "reduce_scatter"}, {all_to_all, "alltoall"}};
  const auto name = names.find(c.kind);
  if (name == names.end()) return msccl_cannot(fmt::format("it has no collective for {}", to_string(c.kind)));
  if (static_cast<int>(c.members.size()) != schedule.ranks()) return msccl_cannot("all GPUs must take part");
  if (!c.silent.empty()) return msccl_cannot("a silent member cannot be said");
  if (schedule.route_count() > 0) return msccl_cannot("explicit routes cannot be said");
  return name->second;
}

class StepMaker {
 public:
  StepMaker(const Schedule& schedule, const MscclLayout& layout, bool in_place) : schedule_(schedule), layout_(layout), in_place_(in_place) {
    for (std::int64_t r = 0; r < schedule.ranks(); ++r) out_.gpus.push_back(layout.sizes(Rank{r}));
  }

  Result<MscclAlgorithm> run(std::string collective) {
    out_.collective = std::move(collective);
    out_.channels = layout_.channels();
    out_.chunks_per_loop = std::max(out_.gpus.front().input, out_.gpus.front().output);
    StepReader steps(schedule_);
    for (StepId s{0}; s.value < static_cast<std::int64_t>(schedule_.step_count()); ++s.value) step(steps(s), layout_.chunk_of(s));
    return finish();
  }

 private:
  MscclPlace fresh(Rank rank, std::int64_t count) {
    auto& gpu = out_.gpus[rank.index()];
    const MscclPlace free{'s', gpu.scratch};
    gpu.scratch += count;
    return free;
  }

  void step(const Step& s, ChunkId chunk) {
    const auto count = layout_.count(chunk);
    const auto channel = layout_.channel(chunk);
    std::vector<MscclPlace> local;
    for (const auto& source : s.sources) {
      if (source.rank == s.executor) {
        local.push_back(layout_.place(source));
        continue;
      }
      const auto here = fresh(s.executor, count);
      message(source.rank, layout_.place(source), s.executor, here, {count, channel});
      local.push_back(here);
    }
    auto sum = local.front();
    std::vector<const Location*> left;
    for (const auto& d : s.destinations) left.push_back(&d);
    if (local.size() > 1) sum = add_up(s, local, count, left);
    for (const auto* d : left) {
      if (d->rank == s.executor) append(s.executor, local_block(s.executor), {MscclStep::Kind::copy, sum, layout_.place(*d), count});
    }
    for (const auto* d : left) {
      if (d->rank != s.executor) message(s.executor, sum, d->rank, layout_.place(*d), {count, channel});
    }
  }

  // Adds up in a place of the step's own, or in a fresh one where none is free of sources.
  MscclPlace add_up(const Step& s, const std::vector<MscclPlace>& local, std::int64_t count, std::vector<const Location*>& left) {
    std::optional<MscclPlace> target;
    for (std::size_t d = 0; d < left.size() && !target; ++d) {
      if (left[d]->rank != s.executor) continue;
      const auto here = layout_.place(*left[d]);
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
    const auto shift = layout_.input_to_output(rank, place.offset);
    if (shift) return {'o', touched.first + *shift, touched.end + *shift};
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
        return msccl_cannot(fmt::format("{} thread blocks on one GPU; at most {} can be said", gpu.blocks.size(), most_blocks));
      for (const auto& block : gpu.blocks) {
        if (block.steps.size() > most_steps)
          return msccl_cannot(fmt::format("{} steps in one thread block; at most {} can be said", block.steps.size(), most_steps));
      }
    }
    return std::move(out_);
  }

  struct Use {
    std::int32_t block;
    std::int32_t step;
    bool writes;
  };
  const Schedule& schedule_;
  const MscclLayout& layout_;
  bool in_place_;
  MscclAlgorithm out_;
  std::map<std::int64_t, std::map<char, std::map<std::int64_t, std::vector<Use>>>> uses_;
};

}  // namespace

Result<MscclAlgorithm> msccl_steps(const Schedule& schedule, bool in_place) {
  auto collective = name_of_kind(schedule);
  if (!collective) return std::move(collective).error();
  const auto layout = MscclLayout::make(schedule);
  if (!layout) return layout.error();
  return StepMaker{schedule, *layout, in_place}.run(*std::move(collective));
}

}  // namespace p2plab
