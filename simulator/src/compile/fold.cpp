// SPDX-License-Identifier: Apache-2.0
// Why this is exact: positions are the stages of all paths of one rank. Resources that serve the same positions form a class. If every resource of
// a class serves each position of the class for exactly one rank, then by induction over time all of them see the same heads at the same times,
// and all ranks do the same, as long as no two heads reach one resource at the same time.
#include "compile/fold.h"

#include <numeric>

namespace p2plab {

namespace {

class Folder {
 public:
  Folder(const Compiled& whole, std::size_t lanes) : whole_(whole), lanes_(lanes), ranks_(whole.lanes.size() / lanes) {}

  std::optional<Folded> run() {
    if (whole_.starts.front() != whole_.starts.back()) return std::nullopt;
    if (!number_positions() || !join_positions() || !each_serves_one()) return std::nullopt;
    Folded folded;
    folded.compiled = one_rank();
    folded.stands_for.assign(whole_.resources.size(), -1);
    for (std::size_t r = 0; r < whole_.resources.size(); ++r) {
      if (first_position_[r] != none) folded.stands_for[r] = static_cast<std::int32_t>(representative_[root(first_position_[r])]);
    }
    for (const auto memory : whole_.memories) folded.stands_for[static_cast<std::size_t>(memory)] = whole_.memories.front();
    return folded;
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  // The stages of a rank's paths lie together, rank after rank.
  bool number_positions() {
    if (whole_.stages.size() % ranks_ != 0) return false;
    positions_ = static_cast<std::uint32_t>(whole_.stages.size() / ranks_);
    for (std::size_t s = positions_; s < whole_.stages.size(); ++s) {
      const auto& mine = whole_.stages[s];
      const auto& first = whole_.stages[s % positions_];
      if (mine.latency != first.latency || rate(mine) != rate(first)) return false;
    }
    const auto paths = whole_.paths.size() / ranks_;
    for (std::size_t p = paths; p < whole_.paths.size(); ++p) {
      const auto& mine = whole_.paths[p];
      const auto& first = whole_.paths[p % paths];
      if (mine.first % positions_ != first.first || mine.latency != first.latency || mine.scale != first.scale) return false;
    }
    return true;
  }

  std::int64_t rate(const Stage& stage) const { return whole_.resources[stage.resource].transfer_time.rate; }

  // Positions that share a resource share a class, and a rate.
  bool join_positions() {
    parent_.resize(positions_);
    std::iota(parent_.begin(), parent_.end(), 0U);
    first_position_.assign(whole_.resources.size(), none);
    for (std::size_t s = 0; s < whole_.stages.size(); ++s) {
      const auto position = static_cast<std::uint32_t>(s % positions_);
      auto& first = first_position_[whole_.stages[s].resource];
      if (first == none) first = position;
      parent_[root(position)] = root(first);
    }
    return true;
  }

  std::uint32_t root(std::uint32_t position) {
    while (parent_[position] != position) position = parent_[position] = parent_[parent_[position]];
    return position;
  }

  bool each_serves_one() {
    std::vector<std::uint32_t> size(positions_);
    representative_.assign(positions_, none);
    for (std::uint32_t p = 0; p < positions_; ++p) {
      ++size[root(p)];
      if (representative_[root(p)] == none) representative_[root(p)] = whole_.stages[p].resource;
    }
    std::vector<std::uint32_t> served(whole_.resources.size());
    std::vector<std::uint32_t> seen(whole_.resources.size(), none);
    for (std::uint32_t p = 0; p < positions_; ++p) {
      for (std::size_t s = p; s < whole_.stages.size(); s += positions_) {
        const auto resource = whole_.stages[s].resource;
        if (seen[resource] == p) return false;  // for two ranks
        seen[resource] = p;
        ++served[resource];
      }
    }
    for (std::size_t r = 0; r < served.size(); ++r) {
      if (served[r] > 0 && served[r] != size[root(first_position_[r])]) return false;
    }
    return true;
  }

  Compiled one_rank() {
    auto one = whole_;
    one.lanes.resize(lanes_);
    one.totals.resize(lanes_ * one.blocks_per_lane);
    one.paths.resize(whole_.paths.size() / ranks_);
    one.stages.resize(positions_);
    for (std::uint32_t p = 0; p < positions_; ++p) one.stages[p].resource = representative_[root(p)];
    one.lane_table.resize(whole_.lane_table.size() / ranks_);
    for (auto& lane : one.lane_table) lane = (lane & other_rank) | ((lane & ~other_rank) % static_cast<std::uint32_t>(lanes_));
    one.starts.resize(1);
    one.slices /= static_cast<std::int64_t>(ranks_);
    one.folded = true;
    return one;
  }

  const Compiled& whole_;
  std::size_t lanes_;
  std::size_t ranks_;
  std::uint32_t positions_ = 0;
  std::vector<std::uint32_t> parent_;          // union-find over positions
  std::vector<std::uint32_t> first_position_;  // by resource
  std::vector<std::uint32_t> representative_;  // by root: a resource
};

}  // namespace

std::optional<Folded> fold(const Compiled& whole, std::size_t lanes) {
  if (lanes == 0 || whole.lanes.size() <= lanes || whole.stages.empty()) return std::nullopt;
  return Folder{whole, lanes}.run();
}

}  // namespace p2plab
