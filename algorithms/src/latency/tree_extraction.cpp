// SPDX-License-Identifier: Apache-2.0
#include "latency/tree_extraction.h"

#include <algorithm>

#include "p2plab/detail/max_flow.h"

namespace p2plab {

namespace {

// Grows one tree after another; before a transfer is taken, flows say whether this tree and all that must follow still fit.
class TreePacking {
 public:
  TreePacking(const StepModel& model, const StepTask& task, int sender, std::span<const StepUse> uses)
      : model_(model), sender_(sender), left_(uses.begin(), uses.end()) {
    std::ranges::stable_sort(left_, {}, &StepUse::step);
    for (const auto& use : left_) steps_ = std::max(steps_, use.step);
    for (int r = 0; r < model.ranks; ++r) {
      if (task.wanted[static_cast<std::size_t>(sender)][static_cast<std::size_t>(r)] > 0) receivers_.push_back(r);
    }
  }

  std::optional<std::vector<StepItem>> run(int chunks) {
    std::vector<StepItem> items;
    for (int k = chunks; k > 0; --k) {
      auto item = grow(k);
      if (!item) return std::nullopt;
      items.push_back(*std::move(item));
    }
    return items;
  }

 private:
  int arrival(int rank) const { return arrival_[static_cast<std::size_t>(rank)]; }
  const StepArc& arc(const StepUse& use) const { return model_.arcs[static_cast<std::size_t>(use.arc)]; }

  std::optional<StepItem> grow(int remaining) {
    arrival_.assign(static_cast<std::size_t>(model_.ranks), -1);
    arrival_[static_cast<std::size_t>(sender_)] = 0;
    StepItem item{.sender = sender_};
    while (std::ranges::any_of(receivers_, [&](int r) { return arrival(r) < 0; })) {
      const auto next = std::ranges::find_if(left_, [&](StepUse& use) { return take(use, remaining); });
      if (next == left_.end()) return std::nullopt;
      item.hops.push_back({next->step, arc(*next).from, arc(*next).to});
    }
    prune(item);
    return item;
  }

  bool take(StepUse& use, int remaining) {
    const auto [from, to] = std::pair{arc(use).from, arc(use).to};
    if (use.count == 0 || arrival(to) >= 0 || arrival(from) < 0 || arrival(from) >= use.step) return false;
    --use.count;
    arrival_[static_cast<std::size_t>(to)] = use.step;
    if (fits(remaining)) return true;
    ++use.count;
    arrival_[static_cast<std::size_t>(to)] = -1;
    return false;
  }

  // Can every receiver be sent one chunk by the tree at hand and one by each of the trees to come, all of them apart?
  bool fits(int remaining) const {
    const int n = model_.ranks;
    const int start = n * (steps_ + 1);
    const int tree = start + 1;
    MaxFlow<std::int64_t> flow(start + 2);
    flow.add_arc(start, sender_, remaining - 1);
    flow.add_arc(start, tree, 1);
    for (int r = 0; r < n; ++r) {
      if (arrival(r) >= 0) flow.add_arc(tree, arrival(r) * n + r, 1);
      for (int t = 0; t < steps_; ++t) flow.add_arc(t * n + r, (t + 1) * n + r, remaining);
    }
    for (const auto& use : left_) {
      if (use.count > 0) flow.add_arc((use.step - 1) * n + arc(use).from, use.step * n + arc(use).to, use.count);
    }
    return std::ranges::all_of(receivers_, [&](int r) { return flow.run(start, steps_ * n + r, remaining) >= remaining; });
  }

  // Drops branches that end at ranks which want nothing.
  void prune(StepItem& item) const {
    for (bool changed = true; changed;) {
      const auto idle = [&](const StepHop& hop) {
        return std::ranges::find(receivers_, hop.to) == receivers_.end() &&
               std::ranges::none_of(item.hops, [&](const StepHop& h) { return h.from == hop.to; });
      };
      changed = std::erase_if(item.hops, idle) > 0;
    }
  }

  const StepModel& model_;
  int sender_;
  int steps_ = 0;
  std::vector<StepUse> left_;
  std::vector<int> receivers_;
  std::vector<int> arrival_;
};

// A path without the detours that end where they began.
std::vector<StepHop> without_loops(const std::vector<StepHop>& hops) {
  std::vector<StepHop> kept;
  for (const auto& hop : hops) {
    const auto again = std::ranges::find(kept, hop.to, &StepHop::from);
    if (again != kept.end()) {
      kept.erase(again, kept.end());
    } else {
      kept.push_back(hop);
    }
  }
  return kept;
}

}  // namespace

std::optional<std::vector<StepItem>> trees_of(const StepModel& model, const StepTask& task, int sender, std::span<const StepUse> uses, int chunks) {
  return TreePacking(model, task, sender, uses).run(chunks);
}

std::vector<StepItem> paths_of(const StepModel& model, const StepTask& task, int sender, std::span<const StepUse> uses, int chunks) {
  std::vector<StepUse> sorted(uses.begin(), uses.end());
  std::ranges::stable_sort(sorted, {}, &StepUse::step);
  const auto& wanted = task.wanted[static_cast<std::size_t>(sender)];
  // Where each chunk is at the moment; chunks that arrived in this step wait for the next.
  std::vector<std::vector<std::vector<StepHop>>> present(static_cast<std::size_t>(model.ranks));
  for (const int count : wanted)
    present[static_cast<std::size_t>(sender)].resize(present[static_cast<std::size_t>(sender)].size() + static_cast<std::size_t>(count * chunks));
  for (std::size_t i = 0; i < sorted.size();) {
    std::vector<std::pair<int, std::vector<StepHop>>> arriving;
    const int step = sorted[i].step;
    for (; i < sorted.size() && sorted[i].step == step; ++i) {
      const auto& arc = model.arcs[static_cast<std::size_t>(sorted[i].arc)];
      auto& here = present[static_cast<std::size_t>(arc.from)];
      for (int c = 0; c < sorted[i].count; ++c) {
        expects(!here.empty());
        auto path = std::move(here.back());
        here.pop_back();
        path.push_back({step, arc.from, arc.to});
        arriving.emplace_back(arc.to, std::move(path));
      }
    }
    for (auto& [rank, path] : arriving) present[static_cast<std::size_t>(rank)].push_back(std::move(path));
  }
  std::vector<StepItem> items;
  for (int r = 0; r < model.ranks; ++r) {
    auto& arrived = present[static_cast<std::size_t>(r)];
    expects(arrived.size() == static_cast<std::size_t>(wanted[static_cast<std::size_t>(r)]) * static_cast<std::size_t>(chunks));
    for (const auto& path : arrived) items.push_back({sender, r, without_loops(path)});
  }
  return items;
}

}  // namespace p2plab
