// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/critical_path.h"

#include <algorithm>
#include <tuple>

#include "compile/compiled.h"
#include "explain/slice_index.h"

namespace p2plab {

namespace {

// Walks from the last slice back to the start. `now_` only ever falls, and each fall is one segment, so the segments' sum is the makespan.
class Walker {
 public:
  Walker(Compiled& compiled, const Program& program, const SimResult& result)
      : c_(compiled),
        costs_(compiled.program_costs.front()),
        program_(program),
        recording_(result.recording),
        index_(compiled, program, result.recording),
        now_(result.makespan.count()) {
    served_.resize(result.uses.size());
    for (std::uint32_t h = 0; h < recording_.hops.size(); ++h) served_[recording_.hops[h].resource].push_back(h);
    for (auto& hops : served_) std::ranges::stable_sort(hops, {}, [&](std::uint32_t h) { return recording_.hops[h].start; });
  }

  CriticalPath run() {
    auto slice = last_slice();
    auto at = Point::complete;
    while (slice != SliceIndex::none) std::tie(slice, at) = step(slice, at);
    go(PathCause::launch, 0, nullptr, -1);
    std::ranges::reverse(path_.segments);
    for (const auto& segment : path_.segments) path_.by_cause[static_cast<std::size_t>(segment.cause)] += segment.end - segment.begin;
    return std::move(path_);
  }

 private:
  // Moments of a slice's life at which the walk can stand.
  enum class Point { complete, released, injected, arrived, issued };
  using Place = std::pair<std::size_t, Point>;

  const SliceRecord& slice(std::size_t s) const { return recording_.slices[s]; }
  const Instruction& instruction(const SliceRecord& s) const { return program_.instructions[s.instruction]; }
  Rank rank_of(const SliceRecord& s) const { return program_.lanes[s.block / c_.blocks_per_lane].rank; }

  std::size_t last_slice() const {
    std::size_t last = SliceIndex::none;
    for (std::size_t s = 0; s < recording_.slices.size(); ++s) {
      if (slice(s).complete.count() == now_) last = s;
    }
    return last;
  }

  // Puts the time since `from` down to `cause`.
  void go(PathCause cause, std::int64_t from, const SliceRecord* s, std::int32_t resource) {
    from = std::max<std::int64_t>(from, 0);
    if (from >= now_) return;
    if (auto* last = path_.segments.empty() ? nullptr : &path_.segments.back(); last != nullptr && s != nullptr && last->cause == cause &&
                                                                                last->resource == resource && last->step == instruction(*s).step &&
                                                                                last->rank == rank_of(*s)) {
      last->begin = SimTime{from};
      now_ = from;
      return;
    }
    path_.segments.push_back(
        {cause, SimTime{from}, SimTime{now_}, s == nullptr ? StepId{-1} : instruction(*s).step, s == nullptr ? Rank{0} : rank_of(*s), resource});
    now_ = from;
  }

  Place step(std::size_t s, Point at) {
    switch (at) {
      case Point::complete: return from_complete(s);
      case Point::released: return from_released(s);
      case Point::injected: return from_injected(s);
      case Point::arrived: return from_arrived(s);
      case Point::issued: break;
    }
    return from_issued(s);
  }

  // Waiting for a resource: for bytes of the same GPU it is the resource's bandwidth that takes the time, for others' it is queueing.
  void wait_for(const SliceRecord& s, const HopRecord& hop, PathCause own) {
    const auto& served = served_[hop.resource];
    auto before = std::ranges::lower_bound(served, hop.start, {}, [&](std::uint32_t h) { return recording_.hops[h].start; });
    const auto resource = static_cast<std::int32_t>(hop.resource);
    while (before != served.begin() && now_ > hop.head.count()) {
      const auto& other = recording_.hops[*--before];
      if (other.end <= hop.head) break;
      const bool mine = rank_of(slice(static_cast<std::size_t>(other.slice))) == rank_of(s);
      go(mine ? own : PathCause::queueing, std::max(other.start, hop.head).count(), &s, resource);
    }
    go(PathCause::queueing, hop.head.count(), &s, resource);
  }

  // One operand's transfer: its hops, and when its tail was through each of them.
  struct Chain {
    std::uint32_t operand = 0;
    const Path* path = nullptr;
    std::vector<const HopRecord*> hops = {};
    std::vector<std::int64_t> latencies = {};
    std::vector<std::int64_t> tails = {};
    std::int64_t tail() const { return tails.back(); }
  };

  std::vector<Chain> chains(std::size_t s, bool reads, std::int64_t own) const {
    const auto& i = instruction(slice(s));
    const auto first = i.operands + (reads ? 0U : i.sources);
    const auto count = reads ? i.sources : i.destinations;
    std::vector<Chain> all;
    for (auto o = first; o < first + count; ++o) {
      const auto* path = index_.path(slice(s).instruction, o);
      if (path == nullptr) continue;
      Chain chain{.operand = o, .path = path};
      auto tail = own;
      auto stage = path->first;
      for (const auto h : index_.hops(s)) {
        const auto& hop = recording_.hops[h];
        if (hop.operand != o || stage == path->end) continue;
        const auto latency = c_.stages[stage++].latency;
        tail = std::max(tail, hop.end.count()) + latency;
        chain.hops.push_back(&hop);
        chain.latencies.push_back(latency);
        chain.tails.push_back(tail);
      }
      if (!chain.hops.empty()) all.push_back(std::move(chain));
    }
    return all;
  }

  // From a transfer's tail back to when its head set out. `own` is when the thread block was through with it, for the reason `limit`.
  void along(const SliceRecord& s, const Chain& chain, std::int64_t own, PathCause limit) {
    const bool host = program_.operands[chain.operand].buffer == Buffer::host;
    const auto busy = [&](PathCause cause) { return host ? PathCause::host : cause; };
    auto h = chain.hops.size() - 1;
    const auto resource = [&](std::size_t hop) { return static_cast<std::int32_t>(chain.hops[hop]->resource); };
    while (true) {
      go(busy(PathCause::latency), chain.tails[h] - chain.latencies[h], &s, resource(h));
      const auto before = h > 0 ? chain.tails[h - 1] : own;
      if (before <= chain.hops[h]->end.count()) break;
      if (h == 0) return go(limit, chain.hops[0]->head.count(), &s, -1);
      --h;
    }
    go(busy(PathCause::serialisation), chain.hops[h]->start.count(), &s, resource(h));
    for (;; --h) {
      wait_for(s, *chain.hops[h], busy(PathCause::serialisation));
      if (h == 0) return;
      go(busy(PathCause::latency), chain.hops[h - 1]->start.count(), &s, resource(h - 1));
    }
  }

  const Chain* latest(const std::vector<Chain>& all) const {
    const auto found = std::ranges::max_element(all, {}, &Chain::tail);
    return found == all.end() ? nullptr : &*found;
  }

  // What the thread block's own work on a slice was: storing, or summing and waiting for memory.
  void own_work(const SliceRecord& s) {
    const auto& work = index_.work(s.instruction);
    const auto bytes = Compiled::slice_bytes(index_.work(s.instruction), s.slice);
    const auto stores = costs_.store.of(c_.wire(costs_, bytes) * work.destinations);
    const auto sums = costs_.reduce.of(bytes * work.local_operands);
    const auto took = (s.processed - s.injected).count();
    const bool memory = took > std::max(stores, sums) && !c_.memories.empty();
    go(!memory && stores >= sums ? PathCause::thread_block : PathCause::reduce, s.injected.count(), &s,
       memory ? c_.memories[rank_of(s).index()] : -1);
  }
  PathCause own_cause(const SliceRecord& s) {
    const auto& work = index_.work(s.instruction);
    const auto bytes = Compiled::slice_bytes(index_.work(s.instruction), s.slice);
    return costs_.store.of(c_.wire(costs_, bytes) * work.destinations) >= (s.processed - s.injected).count() ? PathCause::thread_block
                                                                                                             : PathCause::reduce;
  }

  Place from_complete(std::size_t s) {
    const auto& record = slice(s);
    const auto all = chains(s, false, record.processed.count());
    const auto* last = latest(all);
    const auto done = last != nullptr ? last->tail() : record.processed.count();
    const auto ready = done + index_.work(record.instruction).after;
    const auto before = index_.before(s);
    if (ready < now_ && before != SliceIndex::none && slice(before).complete.count() >= now_) return {before, Point::complete};
    go(PathCause::queueing, ready, &record, -1);
    go(PathCause::thread_block, done, &record, -1);  // its slowest packets
    if (last != nullptr)
      along(record, *last, record.processed.count(), own_cause(record));
    else
      own_work(record);
    return {s, Point::injected};
  }

  Place from_released(std::size_t s) {
    const auto& record = slice(s);
    for (const auto& chain : chains(s, false, record.processed.count())) {
      const auto& hop = *chain.hops.front();
      if (hop.end.count() < now_ || record.processed.count() >= now_) continue;
      go(PathCause::serialisation, hop.start.count(), &record, static_cast<std::int32_t>(hop.resource));
      wait_for(record, hop, PathCause::serialisation);
      return {s, Point::injected};
    }
    own_work(record);
    return {s, Point::injected};
  }

  Place from_injected(std::size_t s) {
    const auto& record = slice(s);
    const bool loads = index_.work(record.instruction).sources > 0;
    const auto before = index_.before(s);
    const auto freed = loads && before != SliceIndex::none ? slice(before).released.count() : 0;
    const auto there = std::max(loads ? record.arrived.count() : record.issued.count(), freed);
    go(PathCause::thread_block, there, &record, -1);  // the loop's cost
    if (!loads) return {s, Point::issued};
    return freed > record.arrived.count() ? Place{before, Point::released} : Place{s, Point::arrived};
  }

  Place from_arrived(std::size_t s) {
    const auto& record = slice(s);
    const auto own = load_end(record);
    const auto all = chains(s, true, own);
    if (const auto* last = latest(all)) along(record, *last, own, PathCause::thread_block);
    go(PathCause::latency, record.issued.count(), &record, -1);  // the request's way there
    return {s, Point::issued};
  }
  std::int64_t load_end(const SliceRecord& s) {
    return s.issued.count() +
           costs_.load.of(c_.wire(costs_, Compiled::slice_bytes(index_.work(s.instruction), s.slice)) * index_.work(s.instruction).sources);
  }

  // What a slice waited for before it went to work: of all that could have held it up, what ended last.
  Place from_issued(std::size_t s) {
    const auto& record = slice(s);
    const auto before = index_.before(s);
    struct Holder {
      std::int64_t until = -1;
      Place next = {SliceIndex::none, Point::complete};
      std::int64_t since = 0;  // the holder's own time begins there
      PathCause cause = PathCause::launch;
    } best{std::min(c_.starts[rank_of(record).index()], now_)};
    const auto offer = [&](const Holder& holder) {
      if (holder.until <= now_ && holder.until >= best.until) best = holder;
    };
    if (before != SliceIndex::none) {
      const auto& p = slice(before);
      const bool loads = index_.work(p.instruction).sources > 0;
      if (loads)
        offer({std::max(load_end(p), first_hop_end(before)),
               {before, Point::issued},
               p.issued.count(),
               load_end(p) >= first_hop_end(before) ? PathCause::thread_block : PathCause::serialisation});
      if (index_.work(record.instruction).sources == 0)
        offer({p.released.count(), {before, Point::released}, p.released.count(), PathCause::thread_block});
    }
    if (costs_.outstanding > 0) {
      auto w = s;
      for (std::uint32_t n = 0; n < costs_.outstanding && w != SliceIndex::none; ++n) w = index_.before(w);
      if (w != SliceIndex::none) offer({slice(w).complete.count(), {w, Point::complete}, slice(w).complete.count(), PathCause::thread_block});
    }
    if (record.cause >= 0) {
      const auto cause = static_cast<std::size_t>(record.cause);
      const auto complete = slice(cause).complete.count();
      const bool same = slice(cause).block == record.block;
      offer({complete + (same ? 0 : index_.signal(rank_of(record), rank_of(slice(cause)))), {cause, Point::complete}, complete, PathCause::signal});
    }
    go(PathCause::queueing, best.until, &record, -1);
    if (best.next.first != SliceIndex::none) go(best.cause, best.since, &record, -1);
    return best.next;
  }

  // When the first links of a slice's loads had taken them; 0 if loads are asked for first, and so do not hold up the next.
  std::int64_t first_hop_end(std::size_t s) {
    std::int64_t end = 0;
    for (const auto& chain : chains(s, true, 0)) {
      if (costs_.request(*chain.path) == 0) end = std::max(end, chain.hops.front()->end.count());
    }
    return end;
  }

  Compiled& c_;
  ProgramCosts& costs_;
  const Program& program_;
  const Recording& recording_;
  SliceIndex index_;
  std::vector<std::vector<std::uint32_t>> served_;  // by resource: hops by when their turn came
  std::int64_t now_;
  CriticalPath path_;
};

}  // namespace

CriticalPath critical_path(const Topology& topology, const Program& program, const Profile& profile, const SimResult& result) {
  const auto& ran = recorded(program, result.recording);
  auto compiled = compile(topology, topology.routes(), ran, profile);
  expects(static_cast<bool>(compiled));
  return Walker{*compiled, ran, result}.run();
}

}  // namespace p2plab
