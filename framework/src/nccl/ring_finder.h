// SPDX-License-Identifier: Apache-2.0
// Rings through some GPUs, depth first with backtracking as NCCL's search.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "nccl/counted.h"
#include "p2plab/detail/parallel_links.h"
#include "p2plab/machine/routes.h"
#include "p2plab/nccl/nccl_model.h"

namespace p2plab::nccl {

class RingFinder {
 public:
  RingFinder(const Topology& topology, std::vector<Rank> members, const RingSearch& search)
      : topology_(topology), routes_(topology.routes()), members_(std::move(members)), search_(search), moves_left_(search.budget) {
    const ParallelLinks parallel(topology);
    for (std::size_t l = 0; l < topology.links().size(); ++l) {
      auto link = topology.links()[l];
      const LinkId id{static_cast<std::int64_t>(l)};
      link.bandwidth = parallel.together(id);
      const bool wide = search.wide_sockets && link.kind == LinkKind::upi;
      left_.push_back(parallel.first(id) != id ? 0 : wide ? 1e9 : counted_gbps(link, search.share));
    }
    for (const auto& group : topology.groups()) {
      if (group.of != Traffic::peers) continue;
      for (const auto link : group.links) left_[link.index()] = std::min(left_[link.index()], group.bandwidth.gbps());
    }
    const auto out = std::accumulate(members_.begin(), members_.end(), 1e9, [&](double least, Rank rank) { return std::min(least, egress(rank)); });
    most_ = std::min(search.most, static_cast<int>(out / search.speed + 1e-9));
  }

  /// No more rings than what leaves the members has room for.
  int most() const { return most_; }

  std::vector<std::vector<Rank>> run() {
    if (members_.size() < 2 || most_ < 1) return {};
    begin_ring();
    return best_;
  }

 private:
  double egress(Rank rank) const {
    double sum = 0;
    for (const auto id : topology_.out_links(topology_.node_of(rank)))
      sum += !search_.nvlink_only || topology_.link(id).kind == LinkKind::nvlink ? left_[id.index()] : 0;
    return sum;
  }

  // What is left on the narrowest link of a hop; below zero if the hop is not allowed.
  double room(Rank from, Rank to) const {
    const auto path = routes_.between(from, to);
    if (path.empty()) return -1;
    double least = 1e9;
    for (const auto id : path) {
      if (search_.nvlink_only && topology_.link(id).kind != LinkKind::nvlink) return -1;
      least = std::min(least, left_[id.index()]);
    }
    return least;
  }
  bool fits(Rank from, Rank to) const { return room(from, to) >= search_.speed - 1e-9; }
  void take(Rank from, Rank to, double amount) {
    for (const auto id : routes_.between(from, to)) left_[id.index()] -= amount;
  }

  bool over() const { return moves_left_ <= 0 || static_cast<int>(best_.size()) >= most_; }

  void begin_ring() {
    const auto saved = std::move(ring_);
    ring_ = {members_.front()};
    extend();
    ring_ = saved;
  }

  void extend() {
    if (over()) return;
    --moves_left_;
    const auto at = ring_.back();
    if (ring_.size() == members_.size()) return close(at);
    for (const auto next : candidates(at)) {
      take(at, next, search_.speed);
      ring_.push_back(next);
      extend();
      ring_.pop_back();
      take(at, next, -search_.speed);
      if (over()) return;
    }
  }

  void close(Rank at) {
    const auto first = ring_.front();
    if (!fits(at, first)) return;
    take(at, first, search_.speed);
    done_.push_back(ring_);
    if (done_.size() > best_.size()) best_ = done_;
    begin_ring();
    done_.pop_back();
    take(at, first, -search_.speed);
  }

  // The widest first, then the next in order around.
  std::vector<Rank> candidates(Rank at) const {
    std::vector<Rank> found;
    for (const auto rank : members_) {
      if (std::ranges::find(ring_, rank) == ring_.end() && fits(at, rank)) found.push_back(rank);
    }
    const auto n = static_cast<std::int64_t>(topology_.ranks());
    std::ranges::stable_sort(found, {}, [&](Rank rank) { return std::pair{-room(at, rank), (rank.value - at.value + n) % n}; });
    return found;
  }

  const Topology& topology_;
  const Routes& routes_;
  std::vector<Rank> members_;
  const RingSearch& search_;
  int moves_left_;
  int most_ = 0;
  std::vector<double> left_;  // by link, GB/s
  std::vector<Rank> ring_;
  std::vector<std::vector<Rank>> done_;
  std::vector<std::vector<Rank>> best_;
};

}  // namespace p2plab::nccl
