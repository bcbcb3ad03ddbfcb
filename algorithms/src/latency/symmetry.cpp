// SPDX-License-Identifier: Apache-2.0
#include "latency/symmetry.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace p2plab {

namespace {

constexpr std::size_t most_found = 400;  // renumberings to build a group from
constexpr int most_trials = 200'000;     // of the search

using Permutation = std::vector<int>;

Permutation after(const Permutation& second, const Permutation& first) {
  Permutation both(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) both[i] = second[static_cast<std::size_t>(first[i])];
  return both;
}

// Permutations without fixed points that keep the colour of every pair of ranks, by backtracking.
class Search {
 public:
  Search(int n, std::vector<int> colours) : n_(n), colours_(std::move(colours)), image_(static_cast<std::size_t>(n), -1), taken_(image_.size()) {}

  std::vector<Permutation> run() {
    extend(0);
    return std::move(found_);
  }

 private:
  int colour(int a, int b) const { return colours_[static_cast<std::size_t>(a * n_ + b)]; }

  bool fits(int at, int to) const {
    if (at == to || taken_[static_cast<std::size_t>(to)] || colour(at, at) != colour(to, to)) return false;
    for (int i = 0; i < at; ++i) {
      const int there = image_[static_cast<std::size_t>(i)];
      if (colour(i, at) != colour(there, to) || colour(at, i) != colour(to, there)) return false;
    }
    return true;
  }

  void extend(int at) {
    if (at == n_) return found_.push_back(image_);
    // Each image of rank 0 gets its share, so that one of them does not use up the search.
    if (at == 1) limit_ = found_.size() + most_found / static_cast<std::size_t>(n_) + 1;
    for (int to = 0; to < n_ && ++trials_ < most_trials; ++to) {
      if (!fits(at, to)) continue;
      image_[static_cast<std::size_t>(at)] = to;
      taken_[static_cast<std::size_t>(to)] = true;
      extend(at + 1);
      taken_[static_cast<std::size_t>(to)] = false;
      if (at > 0 && found_.size() >= limit_) return;
    }
  }

  int n_;
  std::vector<int> colours_;
  Permutation image_;
  std::vector<bool> taken_;
  std::vector<Permutation> found_;
  std::size_t limit_ = most_found;
  int trials_ = 0;
};

// A number for each pair of ranks: equal numbers mean that transfer and wants look alike.
std::vector<int> pair_colours(const StepModel& model, const StepTask& task) {
  std::vector<int> users(model.capacity.size());
  for (const auto& arc : model.arcs) {
    for (const int r : arc.resources) ++users[static_cast<std::size_t>(r)];
  }
  std::map<std::vector<std::pair<int, int>>, int> known;
  const auto n = static_cast<std::size_t>(model.ranks);
  std::vector<std::vector<std::pair<int, int>>> looks(n * n);
  for (const auto& arc : model.arcs) {
    auto& look = looks[static_cast<std::size_t>(arc.from) * n + static_cast<std::size_t>(arc.to)];
    for (const int r : arc.resources) look.emplace_back(model.capacity[static_cast<std::size_t>(r)], users[static_cast<std::size_t>(r)]);
    std::ranges::sort(look);
  }
  std::vector<int> colours;
  for (std::size_t p = 0; p < looks.size(); ++p) {
    looks[p].emplace_back(-1, task.wanted[p / n][p % n]);
    colours.push_back(known.try_emplace(std::move(looks[p]), static_cast<int>(known.size())).first->second);
  }
  return colours;
}

class Extension {
 public:
  explicit Extension(const StepModel& model) : model_(model), between_(static_cast<std::size_t>(model.ranks * model.ranks), -1) {
    for (std::size_t a = 0; a < model.arcs.size(); ++a) between_[pair(model.arcs[a].from, model.arcs[a].to)] = static_cast<int>(a);
    users_.resize(model.capacity.size());
    for (std::size_t a = 0; a < model.arcs.size(); ++a) {
      for (const int r : model.arcs[a].resources) users_[static_cast<std::size_t>(r)].push_back(static_cast<int>(a));
    }
    for (std::size_t r = 0; r < users_.size(); ++r) by_users_[{model.capacity[r], users_[r]}].push_back(static_cast<int>(r));
  }

  // What a permutation of ranks does to transfers and resources; none if it does not keep them.
  std::optional<Renumbering> of(const Permutation& rank) const {
    Renumbering result{rank, {}, std::vector<int>(users_.size(), -1)};
    for (const auto& arc : model_.arcs) {
      const int image = between_[pair(rank[static_cast<std::size_t>(arc.from)], rank[static_cast<std::size_t>(arc.to)])];
      if (image < 0) return std::nullopt;
      result.arc.push_back(image);
    }
    std::map<Key, std::size_t> used;
    for (std::size_t r = 0; r < users_.size(); ++r) {
      Key key{model_.capacity[r], {}};
      for (const int a : users_[r]) key.second.push_back(result.arc[static_cast<std::size_t>(a)]);
      std::ranges::sort(key.second);
      const auto alike = by_users_.find(key);
      if (alike == by_users_.end() || used[key] >= alike->second.size()) return std::nullopt;
      result.resource[r] = alike->second[used[key]++];
    }
    return result;
  }

 private:
  using Key = std::pair<int, std::vector<int>>;
  std::size_t pair(int from, int to) const { return static_cast<std::size_t>(from * model_.ranks + to); }
  const StepModel& model_;
  std::vector<int> between_;
  std::vector<std::vector<int>> users_;
  std::map<Key, std::vector<int>> by_users_;
};

bool moves_all(const Permutation& p) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] == static_cast<int>(i)) return false;
  }
  return true;
}

// The group that `group` and `more` generate, if each of its members but the identity moves all ranks.
std::optional<std::set<Permutation>> closure(const std::set<Permutation>& group, const Permutation& more, const Permutation& identity) {
  std::set<Permutation> all = group;
  std::vector<Permutation> fresh{more};
  all.insert(more);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const std::vector<Permutation> now(all.begin(), all.end());
    for (const auto& other : now) {
      for (const auto& made : {after(other, fresh[i]), after(fresh[i], other)}) {
        if (all.contains(made)) continue;
        if (!moves_all(made) || all.size() >= identity.size()) return std::nullopt;
        all.insert(made);
        fresh.push_back(made);
      }
    }
  }
  return all;
}

}  // namespace

std::vector<Renumbering> free_symmetry(const StepModel& model, const StepTask& task) {
  const Extension extension(model);
  Permutation identity;
  for (int r = 0; r < model.ranks; ++r) identity.push_back(r);
  std::set<Permutation> group{identity};
  for (const auto& candidate : Search(model.ranks, pair_colours(model, task)).run()) {
    if (group.size() == identity.size()) break;  // a group whose members move all ranks has no more
    if (group.contains(candidate) || !extension.of(candidate)) continue;
    if (auto larger = closure(group, candidate, identity)) group = *std::move(larger);
  }
  std::vector<Renumbering> all;
  for (const auto& member : group) all.push_back(*extension.of(member));  // the identity is the least permutation, so it comes first
  return all;
}

}  // namespace p2plab
