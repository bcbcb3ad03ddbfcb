// SPDX-License-Identifier: Apache-2.0
// Columns: a tree from the first root of an orbit, standing for its images under the whole group. Rows: each orbit of links, groups and node
// limits carries no more than it can; each orbit of roots gets its share. Prices of the rows say which tree would help (Gilmore and Gomory). The
// height is raised only when no tree of the present height helps.
#include "forest/lp/tree_packing_lp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "forest/lp/steiner_trees.h"
#include "forest/lp/tree_column.h"
#include "p2plab/detail/linear_program.h"

namespace p2plab {

namespace {

constexpr double enough = 1 - 1e-9, exactly = 1 - 1e-13, nothing = 1e-12;
constexpr int warm_rounds = 6, most_rounds = 400, extra_height = 24, most_idle_rounds = 12;  // without gain, before trees may grow higher
constexpr double hopeless = 1 - 1e-6;                     // no better prices will show that trees of this height reach the target
constexpr double most_work = 3e7, most_total_work = 4e8;  // of one round, and of all: some ten seconds
constexpr std::size_t most_lp_roots = 64;
// How near the solver's weights are to the fractions that they stand for: the simplest that fill the links exactly are taken.
constexpr std::array tolerances{1e-7, 1e-9, 1e-11, 1e-12};

class TreePackingLp {
 public:
  TreePackingLp(const Topology& topology, const PackingRequest& request, std::shared_ptr<const TreeImages> images)
      : topology_(topology),
        request_(request),
        images_(std::move(images)),
        group_(*images_),
        capacities_(topology, group_),
        both_(request.weights.empty()) {
    for (const auto direction : both_directions) {
      if (both_ || request.direction == direction)
        growers_.push_back({is_inwards(direction), HeightLimitedTrees{topology, request.terminals, direction, group_}});
    }
    const auto& representatives = growers_.front().trees.representatives();
    for (std::size_t i = 0; i < representatives.size(); ++i) {
      const bool is_root = both_ || request.weights[i] > 0;
      if (representatives[i] != static_cast<int>(i) || !is_root) continue;
      roots_.push_back(static_cast<int>(i));
      const auto size = std::ranges::count(representatives, static_cast<int>(i));
      weights_.push_back(both_ ? 1 : size * request.weights[i]);
    }
  }

  bool too_large() const { return roots_.size() > most_lp_roots || work() > most_work; }

  /// False if some tree cannot be grown at all, or the solver gives up. Starts from `seeds`, if there are any.
  bool run(const PackedForest* seeds) {
    for (auto& [in, trees] : growers_) {
      trees.set_prices(std::vector<double>(topology_.links().size(), 0.0));
      for (const auto root : roots_) {
        const auto least = request_.needed.empty() ? trees.least_height(root) : hops_to_needed(trees, request_.needed, root);
        if (least < 0) return false;
        height_ = std::max(height_, least);
      }
    }
    if (seeds != nullptr) height_ = std::max(height_, seeds->height);
    const int highest = std::min(2 * height_ + extra_height, static_cast<int>(request_.terminals.size()) - 1);
    make_rows();
    if (seeds == nullptr) {
      warm_up();
    } else {
      plant(*seeds);
    }
    double best = 0;
    int idle = 0;
    const auto rounds = std::clamp(static_cast<int>(most_total_work / work()), 1, most_rounds);
    for (int round = 0; round < rounds; ++round) {
      if (!program_->solve()) return false;
      const auto rate = program_->objective();
      idle = rate > best + 1e-9 ? 0 : idle + 1;
      best = std::max(best, rate);
      if (rate >= enough || request_.stop()) break;
      while (!grow_helpful() || idle >= most_idle_rounds || reachable_ < hopeless) {
        if (height_ >= highest) return program_->objective() > nothing;
        ++height_;
        idle = 0;
      }
    }
    return program_->objective() > nothing;
  }

  // None if some root is left without trees, as may be where little time was given.
  std::optional<PackedForest> result() const {
    std::vector<std::int64_t> counts;
    for (const auto tolerance : tolerances) {
      auto other = counts_of(tolerance);
      if (counts.empty() || share_of(other) > share_of(counts)) counts = std::move(other);
      if (share_of(counts) >= exactly) break;
    }
    if (share_of(counts) <= 0) return std::nullopt;
    PackedForest forest;
    const bool folds = request_.fold && group_.size() > 1 && !fixes_some_root();
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (counts[c] == 0) continue;
      const auto& column = columns_[c];
      forest.height = std::max(forest.height, column.height);
      const auto lots = both_ ? 1 : weights_[place_of(column.root)];
      auto& list = column.in ? forest.in : forest.out;
      add_tree(column, counts[c] * lots, request_.terminals, list);
      list.images = images_;
    }
    for (auto* list : {&forest.in, &forest.out}) {
      if (!folds) expand(*list);
      if (fixes_some_root()) merge_equal(list->trees);
    }
    reduce_counts(forest.in, forest.out);
    forest.share = share_of(counts);
    return forest;
  }

 private:
  // Roots to plan for, times the square of the terminals: what one round costs. Ways through relays are looked for again for each receiver.
  double work() const {
    const auto n = static_cast<double>(request_.terminals.size());
    const auto searches = static_cast<double>(std::ranges::count(request_.needed, true) + 1);
    return std::max(1.0, static_cast<double>(roots_.size() * growers_.size()) * n * n * searches);
  }

  struct Grower {
    bool in;
    HeightLimitedTrees trees;
  };

  std::optional<HeightLimitedTrees::Tree> cheapest(const HeightLimitedTrees& trees, int root, double good) const {
    return request_.needed.empty() ? trees.cheapest(root, height_, good) : cheapest_through(trees, request_.needed, root, height_);
  }

  // Only then can two images of one tree be the same.
  bool fixes_some_root() const {
    const auto& representatives = growers_.front().trees.representatives();
    return std::ranges::any_of(roots_, [&](int root) { return std::ranges::count(representatives, root) < std::ssize(group_); });
  }

  std::size_t place_of(int root) const { return static_cast<std::size_t>(std::ranges::find(roots_, root) - roots_.begin()); }
  int lot(std::size_t grower, std::size_t root) const { return static_cast<int>(grower * roots_.size() + root); }
  int lot_of(const TreeColumn& column) const { return lot(growers_.front().in == column.in ? 0 : 1, place_of(column.root)); }
  int share_row(int lot) const { return static_cast<int>(capacities_.size()) + lot; }

  // How much of an orbit's capacity one passage takes, for a tree that carries everything of a root orbit.
  double part(int orbit, std::size_t root) const { return static_cast<double>(weights_[root]) * request_.target / capacities_.total(orbit); }

  // Columns at first: the rate of all roots, or of each. Rows: capacities, then what the trees of each lot must carry.
  void make_rows() {
    const std::vector<double> objective(both_ ? roots_.size() : 1, 1.0);
    const std::vector<double> upper(objective.size(), LinearProgram::unbounded);
    program_ = std::make_unique<LinearProgram>(objective, upper);
    for (std::size_t o = 0; o < capacities_.size(); ++o) program_->add_row(0, {}, 1);
    for (std::size_t g = 0; g < growers_.size(); ++g) {
      for (std::size_t r = 0; r < roots_.size(); ++r) {
        const LinearProgram::Term rate{both_ ? static_cast<int>(r) : 0, -1};
        program_->add_row(0, {&rate, 1}, LinearProgram::unbounded);
      }
    }
    first_tree_ = static_cast<int>(objective.size());
  }

  void set_prices(HeightLimitedTrees& trees, const std::vector<double>& by_orbit) const {
    std::vector<double> by_link(topology_.links().size());
    for (std::size_t l = 0; l < by_link.size(); ++l) {
      for (const auto o : capacities_.of(static_cast<int>(l)))
        by_link[l] += by_orbit[static_cast<std::size_t>(o)] * request_.target / capacities_.total(o);
    }
    trees.set_prices(by_link);
  }

  // Of each orbit the trees of its first root; the images of other trees are left out.
  void plant(const PackedForest& seeds) {
    std::vector<int> position(topology_.nodes().size(), -1);
    for (std::size_t i = 0; i < request_.terminals.size(); ++i) position[static_cast<std::size_t>(request_.terminals[i])] = static_cast<int>(i);
    for (std::size_t g = 0; g < growers_.size(); ++g) {
      const auto& list = growers_[g].in ? seeds.in : seeds.out;
      for (const auto& tree : list.trees) {
        const auto root = place_of(position[static_cast<std::size_t>(tree.root)]);
        if (root < roots_.size()) add(g, root, column_of(tree, list.paths, position, capacities_));
      }
    }
  }

  // Trees at rising prices of what is used much, so that the program starts with a choice.
  void warm_up() {
    std::vector<double> prices(capacities_.size(), 1);
    std::vector<double> loads(capacities_.size());
    for (int round = 0; round < warm_rounds && (round == 0 || !request_.stop()); ++round) {
      for (std::size_t g = 0; g < growers_.size(); ++g) {
        set_prices(growers_[g].trees, prices);
        for (std::size_t r = 0; r < roots_.size(); ++r) {
          const auto tree = cheapest(growers_[g].trees, roots_[r], LinearProgram::unbounded);
          if (!tree) continue;
          add(g, r, column_of(growers_[g].trees, *tree, capacities_));
          for (const auto& [o, times] : columns_.back().uses) loads[static_cast<std::size_t>(o)] += times * part(o, r);
        }
      }
      const auto most = std::ranges::max(loads);
      for (std::size_t o = 0; o < prices.size() && most > 0; ++o) prices[o] = std::exp(6 * loads[o] / most);
    }
  }

  // Adds trees that cost less than the share of their root is worth; false if there are none. Notes what rate can be reached at most (as far as trees
  // are as cheap as can be).
  bool grow_helpful() {
    std::vector<double> prices(capacities_.size());
    std::vector<double> worth(growers_.size() * roots_.size());
    for (std::size_t o = 0; o < prices.size(); ++o) prices[o] = std::max(0.0, program_->price(static_cast<int>(o)));
    for (std::size_t i = 0; i < worth.size(); ++i) worth[i] = -program_->price(share_row(static_cast<int>(i)));
    const auto before = columns_.size();
    std::vector<double> costs(both_ ? roots_.size() : 1);
    for (std::size_t g = 0; g < growers_.size(); ++g) {
      set_prices(growers_[g].trees, prices);
      for (std::size_t r = 0; r < roots_.size(); ++r) {
        const auto good = worth[static_cast<std::size_t>(lot(g, r))] - 1e-9;
        const auto tree = cheapest(growers_[g].trees, roots_[r], good / static_cast<double>(weights_[r]));
        if (!tree) continue;
        const auto cost = tree->cost * static_cast<double>(weights_[r]);
        costs[both_ ? r : 0] += cost;
        if (cost < good) add(g, r, column_of(growers_[g].trees, *tree, capacities_));
      }
    }
    // Weak duality: whatever the weights, what the trees cost must be paid out of the capacities.
    reachable_ = std::accumulate(prices.begin(), prices.end(), 0.0) / std::max(1e-300, std::ranges::min(costs));
    return columns_.size() > before;
  }

  void add(std::size_t grower, std::size_t root, TreeColumn column) {
    columns_.push_back(std::move(column));
    columns_.back().in = growers_[grower].in;
    std::vector<LinearProgram::Term> terms;
    for (const auto& [o, times] : columns_.back().uses) terms.push_back({o, times * part(o, root)});
    terms.push_back({share_row(lot(grower, root)), 1});
    program_->add_column(0, terms);
  }

  // Copies of each tree for each image, so that every lot of a direction adds up to its due.
  std::vector<std::int64_t> counts_of(double tolerance) const {
    std::vector<double> weights;
    std::vector<int> lots;
    std::vector<double> sums(growers_.size() * roots_.size(), both_ ? 0 : 1);
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const auto value = program_->value(first_tree_ + static_cast<int>(c));
      weights.push_back(value > 1e-9 * program_->objective() ? value / program_->objective() : 0);
      lots.push_back(lot_of(columns_[c]));
    }
    for (std::size_t i = 0; both_ && i < sums.size(); ++i) sums[i] = program_->value(static_cast<int>(i % roots_.size())) / program_->objective();
    return whole_weights(weights, lots, sums, tolerance);
  }

  // The share of the target at which the fullest orbit is full; 0 if a root is left without trees (both ways it may be, but then both ways).
  double share_of(const std::vector<std::int64_t>& counts) const {
    std::vector<double> loads(capacities_.size());
    std::vector<double> lots(2 * roots_.size());
    double all = 0;  // of the lots of one direction, or of one lot
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const auto root = place_of(columns_[c].root);
      lots[static_cast<std::size_t>(lot_of(columns_[c]))] += static_cast<double>(counts[c]);
      for (const auto& [o, times] : columns_[c].uses) loads[static_cast<std::size_t>(o)] += static_cast<double>(counts[c] * times) * part(o, root);
    }
    for (std::size_t r = 0; r < roots_.size(); ++r) {
      if (both_ ? (lots[r] > 0) != (lots[roots_.size() + r] > 0) : lots[r] == 0) return 0;
      if (both_ || r == 0) all += lots[r];
    }
    const auto fullest = std::ranges::max(loads);
    return fullest > 0 ? all / fullest : 0;
  }

  const Topology& topology_;
  const PackingRequest& request_;
  const std::shared_ptr<const TreeImages> images_;
  const TreeImages& group_;
  OrbitCapacities capacities_;
  bool both_;
  std::vector<Grower> growers_;
  std::vector<int> roots_;             // positions of the first roots of the orbits
  std::vector<std::int64_t> weights_;  // of all roots of the orbit together
  std::vector<TreeColumn> columns_;
  std::unique_ptr<LinearProgram> program_;
  int first_tree_ = 0;
  int height_ = 0;
  double reachable_ = 0;
};

}  // namespace

std::optional<PackedForest> pack_height_limited_trees(const Topology& topology, const PackingRequest& request, const PackedForest* seeds) {
  std::vector<std::int64_t> marks(topology.nodes().size(), -1);
  for (std::size_t i = 0; i < request.terminals.size(); ++i)
    marks[static_cast<std::size_t>(request.terminals[i])] = !request.needed.empty() && !request.needed[i] ? -2
                                                            : request.weights.empty()                     ? 1
                                                                                                          : request.weights[i];
  TreePackingLp program(topology, request, std::make_shared<const TreeImages>(symmetry_group(topology, marks)));
  if (program.too_large() || !program.run(seeds)) return std::nullopt;
  return program.result();
}

}  // namespace p2plab
