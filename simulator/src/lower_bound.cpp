// Three bounds, each a chain of facts that hold in every execution: a resource carries its bytes one after another; a thread block does its
// own work one slice after another; the first slice of an instruction begins only after the first slices that it waits for are complete.
#include <algorithm>

#include "compiled.h"

namespace p2plab {

namespace {

class Bounder {
 public:
  explicit Bounder(const Compiled& compiled) : c_(compiled), program_(*compiled.program), paces_(compiled.resources) {}

  std::int64_t run() {
    const auto first = c_.starts.empty() ? 0 : *std::ranges::min_element(c_.starts);
    auto bound = c_.starts.empty() ? 0 : *std::ranges::max_element(c_.starts);
    if (program_.instructions.empty()) return bound;
    bound = first;
    load_.assign(c_.resources.size(), 0);
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) bound = std::max(bound, c_.starts[program_.lanes[l].rank.index()] + lane_work(program_.lanes[l]) / c_.parts);
    for (std::size_t r = 0; r < load_.size(); ++r) {
      auto pace = c_.resources[r].pace;
      bound = std::max(bound, first + pace.of(load_[r]));
    }
    return std::max(bound, longest_chain());
  }

 private:
  std::int64_t wire_of(const Instruction& i, const InstructionInfo& info) const {
    if (info.slices == 1) return c_.wire(i.bytes);
    const auto last = info.slices - 1;
    return last * c_.wire(c_.slice_bytes(i, 0)) + c_.wire(c_.slice_bytes(i, last));
  }

  // Adds an instruction's bytes to its resources; returns the thread block's own time for all its lane.
  std::int64_t lane_work(const Lane& lane) {
    std::int64_t work = 0;
    for (auto index = lane.first; index < lane.first + lane.count; ++index) {
      const auto& i = program_.instructions[index];
      const auto& info = c_.info[index];
      const auto wire = wire_of(i, info);
      for (std::uint32_t o = 0; o < std::uint32_t{i.sources} + i.destinations; ++o) {
        const auto path = c_.path_of[i.operands + o];
        if (path < 0) continue;
        const auto& range = c_.paths[static_cast<std::size_t>(path)];
        for (auto s = range.first; s < range.end; ++s) load_[c_.stages[s].resource] += wire;
      }
      if (!c_.memories.empty()) load_[static_cast<std::size_t>(c_.memories[lane.rank.index()])] += i.bytes * info.local_operands;
      auto store = c_.store;
      work = std::min(latest, work + info.slices * c_.slice_cost + store.of(wire * info.remote_destinations));
    }
    return work;
  }

  // Instructions in an order that respects waits: lanes in turn, each as far as what it waits for allows.
  std::int64_t longest_chain() {
    const auto lanes = program_.lanes.size();
    done_.assign(program_.instructions.size(), -1);
    next_.assign(lanes, 0);
    reached_.resize(lanes);
    waiters_.assign(lanes, {});
    for (std::size_t l = 0; l < lanes; ++l) reached_[l] = {c_.starts[program_.lanes[l].rank.index()], 0};
    for (std::size_t l = 0; l < lanes; ++l) ready_.push_back(l);
    std::int64_t longest = 0;
    while (!ready_.empty()) {
      const auto lane = ready_.back();
      ready_.pop_back();
      longest = std::max(longest, advance(lane));
    }
    return longest;
  }

  std::int64_t advance(std::size_t l) {
    const auto& lane = program_.lanes[l];
    for (; next_[l] < lane.count; ++next_[l]) {
      const auto index = lane.first + next_[l];
      const auto& i = program_.instructions[index];
      auto start = reached_[l].front;
      for (const auto& wait : program_.waits_of(i)) {
        const auto& other = program_.lanes[wait.lane.index()];
        const auto time = done_[other.first + static_cast<std::uint32_t>(wait.instruction)];
        if (time < 0) {
          waiters_[wait.lane.index()].push_back(l);
          return reached_[l].complete;
        }
        start = std::max(start, time + c_.signal(lane.rank, other.rank));
      }
      if (c_.info[index].own_dependency >= 0) start = std::max(start, done_[static_cast<std::size_t>(c_.info[index].own_dependency)]);
      done_[index] = finish(l, i, start);
      wake(l);
    }
    return reached_[l].complete;
  }

  std::int64_t finish(std::size_t l, const Instruction& i, std::int64_t start) {
    auto& reached = reached_[l];
    const auto wire = c_.wire(c_.slice_bytes(i, 0));
    const auto slowest = [&](std::uint32_t first, std::uint32_t count, bool reads) {
      std::int64_t most = 0;
      for (auto o = first; o < first + count; ++o) {
        if (c_.path_of[o] < 0) continue;
        const auto& path = c_.paths[static_cast<std::size_t>(c_.path_of[o])];
        most = std::max(most, travel(path, wire) + (reads ? c_.request(path) : 0));
      }
      return most;
    };
    reached.front = start;
    const auto injected = start + slowest(i.operands, i.sources, true) + c_.slice_cost;
    reached.complete = std::max(reached.complete, std::min(latest, injected + slowest(i.operands + i.sources, i.destinations, false)));
    return reached.complete;
  }

  // The tail of a transfer alone on its path: each stage's service time, then the latencies that follow it.
  std::int64_t travel(const Path& path, std::int64_t wire) {
    std::int64_t tail = 0;
    std::int64_t head = 0;
    for (auto s = path.first; s < path.end; ++s) {
      const auto& stage = c_.stages[s];
      tail = std::max(tail, head + paces_[stage.resource].pace.of(wire)) + stage.latency;
      head += stage.latency;
    }
    return tail;
  }

  void wake(std::size_t l) {
    if (waiters_[l].empty()) return;
    ready_.insert(ready_.end(), waiters_[l].begin(), waiters_[l].end());
    waiters_[l].clear();
  }

  struct Reached {
    std::int64_t front = 0;      // the lane's next instruction begins no earlier
    std::int64_t complete = 0;
  };

  const Compiled& c_;
  const Program& program_;
  std::vector<Resource> paces_;               // a copy: paces remember
  std::vector<std::int64_t> load_;            // by resource: bytes
  std::vector<std::int64_t> done_;            // by instruction: its first slice is complete no earlier; -1 not known yet
  std::vector<std::uint32_t> next_;           // by lane
  std::vector<Reached> reached_;
  std::vector<std::vector<std::size_t>> waiters_;
  std::vector<std::size_t> ready_;
};

}  // namespace

std::int64_t lower_bound(const Compiled& compiled) { return Bounder{compiled}.run(); }

}  // namespace p2plab
