// SPDX-License-Identifier: Apache-2.0
// Three bounds, each a chain of facts that hold in every execution: a resource carries its bytes one after another; a thread block does its
// own work one slice after another; the first slice of an instruction begins only after the first slices that it waits for are complete.
#include "compile/lower_bound.h"

#include <algorithm>

namespace p2plab {

namespace {

class Bounder {
 public:
  explicit Bounder(const Compiled& compiled) : c_(compiled), resources_(compiled.resources), travels_(compiled.paths.size()) {}

  LongestPath run() {
    LongestPath result{.bound = c_.starts.empty() ? 0 : *std::ranges::max_element(c_.starts), .rank_finish = c_.starts};
    load_.assign(c_.resources.size(), 0);
    if (!c_.works.empty()) result.bound = std::max(busiest(), longest_chain(result.rank_finish));
    result.loads = std::move(load_);
    return result;
  }

 private:
  std::int64_t busiest() {
    const auto first = *std::ranges::min_element(c_.starts);
    auto bound = first;
    for (const auto& lane : c_.lanes) bound = std::max(bound, c_.starts[lane.rank.index()] + lane_work(lane) / c_.blocks_per_lane);
    for (std::size_t r = 0; r < load_.size(); ++r) bound = std::max(bound, first + resources_[r].transfer_time.of(load_[r]));
    return bound;
  }

  std::int64_t wire_of(const ProgramCosts& costs, const Work& work) const {
    if (work.slices == 1) return c_.wire(costs, work.bytes);
    const std::int64_t last = work.slices - 1;
    return last * c_.wire(costs, Compiled::slice_bytes(work, 0)) + c_.wire(costs, Compiled::slice_bytes(work, last));
  }

  // Adds a lane's bytes to its resources; returns the thread block's own time for all of it.
  std::int64_t lane_work(const LaneInfo& lane) {
    std::int64_t time = 0;
    const auto& costs = c_.program_costs[lane.program];
    auto store = costs.store;
    for (auto index = lane.first; index < lane.first + lane.count; ++index) {
      const auto& work = c_.works[index];
      const auto wire = wire_of(costs, work);
      for (std::uint32_t o = 0; o < std::uint32_t{work.sources} + work.destinations; ++o) {
        const auto& path = c_.path(lane, work.paths + o);
        for (auto s = path.first; s < path.end; ++s) load_[c_.stages[s].resource] += wire;
      }
      if (!c_.memories.empty()) load_[static_cast<std::size_t>(c_.memories[lane.rank.index()])] += work.bytes * work.local_operands;
      time = std::min(latest, time + work.slices * work.cost + store.of(wire * work.destinations));
    }
    return time;
  }

  // Works in an order that respects waits: lanes in turn, each as far as what it waits for allows.
  std::int64_t longest_chain(std::vector<std::int64_t>& rank_finish) {
    const auto lanes = c_.lanes.size();
    std::size_t works = 0;
    for (const auto& lane : c_.lanes) {
      first_.push_back(works);
      works += lane.count;
      reached_.push_back({c_.starts[lane.rank.index()], 0});
    }
    done_.assign(works, -1);
    next_.assign(lanes, 0);
    first_waiter_.assign(lanes, none);
    next_waiter_.assign(lanes, none);
    for (std::size_t l = lanes; l > 0; --l) ready_.push_back(static_cast<std::uint32_t>(l - 1));
    std::int64_t longest = 0;
    while (!ready_.empty()) {
      const auto lane = ready_.back();
      ready_.pop_back();
      const auto time = advance(lane);
      auto& finish = rank_finish[c_.lanes[lane].rank.index()];
      finish = std::max(finish, time);
      longest = std::max(longest, time);
    }
    return longest;
  }

  std::int64_t advance(std::uint32_t l) {
    const auto& lane = c_.lanes[l];
    for (; next_[l] < lane.count; ++next_[l]) {
      const auto& work = c_.works[lane.first + next_[l]];
      auto start = reached_[l].front;
      for (auto w = work.waits; w < work.waits + work.wait_count; ++w) {
        const auto awaited = c_.awaited_lane(lane, c_.waits[w]);
        const auto time = done_[first_[awaited] + c_.waits[w].work];
        if (time < 0) {
          next_waiter_[l] = first_waiter_[awaited];
          first_waiter_[awaited] = l;
          return reached_[l].complete;
        }
        const auto late = c_.waits[w].last ? c_.works[c_.lanes[awaited].first + c_.waits[w].work].after : 0;  // as the engine counts it
        start = std::max(start, time - late + c_.signal(lane, c_.waits[w]));
      }
      if (work.own_dependency >= 0) start = std::max(start, done_[first_[l] + static_cast<std::uint32_t>(work.own_dependency)]);
      done_[first_[l] + next_[l]] = finish(l, work, start);
      wake(l);
    }
    return reached_[l].complete;
  }

  std::int64_t finish(std::uint32_t l, const Work& work, std::int64_t start) {
    auto& reached = reached_[l];
    const auto& lane = c_.lanes[l];
    const auto& costs = c_.program_costs[lane.program];
    const auto wire = c_.wire(costs, Compiled::slice_bytes(work, 0));
    const auto slowest = [&](std::uint32_t first, std::uint32_t count, bool reads) {
      std::int64_t most = 0;
      for (auto o = first; o < first + count; ++o) {
        const auto path = lane.paths + c_.path_refs[o];
        most = std::max(most, travel(path, wire) + (reads ? costs.request(c_.paths[path]) : 0));
      }
      return most;
    };
    reached.front = start;
    const auto injected = start + slowest(work.paths, work.sources, true) + work.cost;
    reached.complete =
        std::max(reached.complete, std::min(latest, injected + slowest(work.paths + work.sources, work.destinations, false) + work.after));
    return reached.complete;
  }

  // The tail of a transfer alone on its path: each stage's service time, then the latencies that follow it.
  std::int64_t travel(std::uint32_t index, std::int64_t wire) {
    auto& known = travels_[index];
    if (known.bytes == wire) return known.time;
    const auto& path = c_.paths[index];
    std::int64_t tail = 0;
    std::int64_t head = 0;
    for (auto s = path.first; s < path.end; ++s) {
      const auto& stage = c_.stages[s];
      tail = std::min(latest, std::max(tail, head + resources_[stage.resource].transfer_time.of(wire)) + stage.latency);
      head += stage.latency;
    }
    known = {wire, tail};
    return tail;
  }

  // In the order of their asking, which keeps neighbours close together in memory.
  void wake(std::uint32_t l) {
    for (auto waiter = first_waiter_[l]; waiter != none; waiter = next_waiter_[waiter]) ready_.push_back(waiter);
    first_waiter_[l] = none;
  }

  static constexpr std::uint32_t none = ~std::uint32_t{0};
  struct Reached {
    std::int64_t front = 0;  // the lane's next work begins no earlier
    std::int64_t complete = 0;
  };
  struct Travel {
    std::int64_t bytes = -1;
    std::int64_t time = 0;
  };

  const Compiled& c_;
  std::vector<Resource> resources_;  // a copy: transfer times remember
  std::vector<Travel> travels_;      // by path
  std::vector<std::int64_t> load_;   // by resource: bytes
  std::vector<std::size_t> first_;   // by lane: in `done_`
  std::vector<std::int64_t> done_;   // by lane, then work: its first slice is complete no earlier; -1 not known yet
  std::vector<std::uint32_t> next_;  // by lane
  std::vector<Reached> reached_;
  std::vector<std::uint32_t> first_waiter_;  // by lane
  std::vector<std::uint32_t> next_waiter_;
  std::vector<std::uint32_t> ready_;
};

}  // namespace

LongestPath longest_path(const Compiled& compiled) { return Bounder{compiled}.run(); }

}  // namespace p2plab
