// SPDX-License-Identifier: Apache-2.0
// What travels in each transfer of an all-reduce: sums of contributions that the receiver still lacks.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "latency/reduction_ip.h"

namespace p2plab {

namespace {

using Ranks = std::uint64_t;  // a set, a bit a rank

constexpr int most_tries = 400;

// Goes through the transfers in order; where sums that a sender may choose from overlap, tries one choice after another.
class PartSearch {
 public:
  PartSearch(std::span<const StepHop> hops, std::span<const Rank> members, int ranks)
      : hops_(hops.begin(), hops.end()), held_(static_cast<std::size_t>(ranks)), lacks_(held_.size()) {
    std::ranges::stable_sort(hops_, {}, &StepHop::step);
    for (const auto rank : members) all_ |= bit(rank.value);
    for (const auto rank : members) {
      held_[rank.index()].push_back({bit(rank.value), 0});
      lacks_[rank.index()] = all_ & ~bit(rank.value);
    }
  }

  std::optional<std::vector<SumSend>> run() {
    if (!extend(0)) return std::nullopt;
    return std::move(sends_);
  }

 private:
  struct Held {
    Ranks of = 0;
    int step = 0;  // in which it came
  };
  static Ranks bit(int rank) { return Ranks{1} << static_cast<unsigned>(rank); }

  bool extend(std::size_t at) {
    if (at == hops_.size()) return std::ranges::all_of(lacks_, [](Ranks lacks) { return lacks == 0; });
    if (++tries_ > most_tries) return false;
    const auto hop = hops_[at];
    const auto to = static_cast<std::size_t>(hop.to);
    for (const auto& choice : choices(hop)) {
      Ranks sum = 0;
      for (const auto part : choice) sum |= held_[static_cast<std::size_t>(hop.from)][part].of;
      held_[to].push_back({sum, hop.step});
      lacks_[to] &= ~sum;
      sends_.push_back({hop, choice});
      if (extend(at + 1)) return true;
      sends_.pop_back();
      lacks_[to] |= sum;
      held_[to].pop_back();
    }
    return extend(at + 1);  // carry nothing
  }

  // Parts that the receiver lacks all of and that the sender had before this step: those of most contributions first, or the newest first.
  std::vector<std::vector<std::size_t>> choices(const StepHop& hop) const {
    const auto& held = held_[static_cast<std::size_t>(hop.from)];
    std::vector<std::size_t> order;
    for (std::size_t p = 0; p < held.size(); ++p) {
      if (held[p].step < hop.step && (held[p].of & ~lacks_[static_cast<std::size_t>(hop.to)]) == 0) order.push_back(p);
    }
    std::vector<std::vector<std::size_t>> all;
    if (!order.empty()) all.push_back(order);
    // Fewer, where sending all would be too much for what comes later: without one part each.
    for (std::size_t without = 0; order.size() > 1 && without < order.size(); ++without) {
      all.push_back(order);
      all.back().erase(all.back().begin() + static_cast<std::ptrdiff_t>(without));
    }
    return all;
  }

  std::vector<StepHop> hops_;
  std::vector<std::vector<Held>> held_;  // by rank: parts that share no contribution
  std::vector<Ranks> lacks_;
  Ranks all_ = 0;
  std::vector<SumSend> sends_;
  int tries_ = 0;
};

}  // namespace

std::optional<std::vector<SumSend>> parts_of(std::span<const StepHop> hops, std::span<const Rank> members, int ranks) {
  if (ranks > 64) return std::nullopt;
  return PartSearch(hops, members, ranks).run();
}

}  // namespace p2plab
