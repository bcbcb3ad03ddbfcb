// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/symmetry.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "paths/symmetry_search.h"

namespace p2plab {

namespace {

std::vector<std::int32_t> composed(const std::vector<std::int32_t>& first, const std::vector<std::int32_t>& then) {
  std::vector<std::int32_t> both(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) both[i] = then[static_cast<std::size_t>(first[i])];
  return both;
}

Automorphism composed(const Automorphism& first, const Automorphism& then) {
  return {composed(first.nodes, then.nodes), composed(first.links, then.links), composed(first.groups, then.groups)};
}

// What the elements known so far and the generators compose to; empty if that is more than `most`.
std::vector<Automorphism> closed(std::vector<Automorphism> elements, std::span<const Automorphism> generators, std::size_t most) {
  std::set<std::vector<std::int32_t>> known;
  for (const auto& element : elements) known.insert(element.nodes);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    for (const auto& by : generators) {
      auto next = composed(elements[i], by);
      if (!known.insert(next.nodes).second) continue;
      if (elements.size() == most) return {};
      elements.push_back(std::move(next));
    }
  }
  return elements;
}

// Looks for generators, and grows the group of them as long as it has no more elements than the machine has GPUs.
class GroupFinder {
 public:
  enum class Wanted { group, generators };

  GroupFinder(const Topology& topology, std::span<const std::int64_t> marks, Wanted wanted)
      : topology_(topology), search_(topology, marks), wanted_(wanted) {
    group_.push_back(identity_of(topology));
    orbit_ = node_orbits();
  }

  std::vector<Automorphism> run() {
    rotate_digits();
    // Where ranks do not count regularly, ask for a mapping from the first GPU of an orbit to one of another.
    for (int attempts = most_attempts; attempts > 0; --attempts) {
      const auto pair = next_pair();
      if (!pair) break;
      shift(pair->first, pair->second);
    }
    return std::move(wanted_ == Wanted::group ? group_ : generators_);
  }

 private:
  static constexpr int most_attempts = 24;
  static constexpr int most_searched = 256;  // GPUs; a search costs about the square

  int gpu(int rank) const { return topology_.node_of(Rank{rank}).value; }

  // Ranks as numbers of several digits: turning one digit is the symmetry of servers, of GPUs in servers, and of tori.
  void rotate_digits() {
    const int n = topology_.ranks();
    for (int lot = 1; lot < n; ++lot) {
      for (int base = n / lot; base >= 2; --base) {
        if (n % (lot * base) != 0) continue;
        std::vector<std::pair<int, int>> fixed;
        for (int r = 0; r < n; ++r) {
          const int digit = r / lot % base;
          fixed.emplace_back(gpu(r), gpu(r + ((digit + 1) % base - digit) * lot));
        }
        if (!same_colours(fixed) || !joins(fixed)) continue;
        if (const auto mapping = search_.find(std::move(fixed), [](int, int) { return 0; })) add(*mapping);
        if (static_cast<int>(group_.size()) == n) return;
      }
    }
  }

  bool same_colours(const std::vector<std::pair<int, int>>& fixed) const {
    return std::ranges::all_of(fixed, [&](const auto& pair) {
      return search_.colours()[static_cast<std::size_t>(pair.first)] == search_.colours()[static_cast<std::size_t>(pair.second)];
    });
  }

  // The first two GPUs of one colour in different orbits that were not tried yet; large colours first.
  std::optional<std::pair<int, int>> next_pair() {
    if (static_cast<int>(group_.size()) * 2 > topology_.ranks() || topology_.ranks() > most_searched) return std::nullopt;
    std::optional<std::pair<int, int>> best;
    std::size_t most = 0;
    for (int a = 0; a < topology_.ranks(); ++a) {
      const auto alike = class_of(gpu(a)).size();
      if (alike <= most) continue;
      for (int b = a + 1; b < topology_.ranks(); ++b) {
        const auto from = static_cast<std::size_t>(gpu(a));
        const auto to = static_cast<std::size_t>(gpu(b));
        if (orbit_[from] == orbit_[to] || search_.colours()[from] != search_.colours()[to] || tried_.contains({a, b})) continue;
        best = std::pair{a, b};
        most = alike;
        break;
      }
    }
    if (best) tried_.insert(*best);
    return best;
  }

  // Ranks of the GPUs with one colour.
  std::vector<int> class_of(int node) const {
    std::vector<int> members;
    for (int r = 0; r < topology_.ranks(); ++r) {
      if (search_.colours()[static_cast<std::size_t>(gpu(r))] == search_.colours()[static_cast<std::size_t>(node)]) members.push_back(gpu(r));
    }
    return members;
  }

  // A mapping of a to b that, wherever there is a choice, moves every GPU by as many places within its colour.
  void shift(int a, int b) {
    std::vector<int> place(topology_.nodes().size(), -1);
    std::vector<int> size(topology_.nodes().size());
    for (int r = 0; r < topology_.ranks(); ++r) {
      if (place[static_cast<std::size_t>(gpu(r))] >= 0) continue;
      const auto members = class_of(gpu(r));
      for (std::size_t i = 0; i < members.size(); ++i) {
        place[static_cast<std::size_t>(members[i])] = static_cast<int>(i);
        size[static_cast<std::size_t>(members[i])] = static_cast<int>(members.size());
      }
    }
    const int by = place[static_cast<std::size_t>(gpu(b))] - place[static_cast<std::size_t>(gpu(a))];
    const auto preference = [&](int from, int candidate) {
      const int n = size[static_cast<std::size_t>(from)];
      const int wanted = place[static_cast<std::size_t>(from)] + by;
      return ((place[static_cast<std::size_t>(candidate)] - wanted) % n + n) % n;
    };
    if (const auto mapping = search_.find({{gpu(a), gpu(b)}}, preference)) add(*mapping);
  }

  std::vector<int> node_orbits() const {
    std::vector<const std::vector<std::int32_t>*> images;
    for (const auto& generator : generators_) images.push_back(&generator.nodes);
    return orbits(topology_.nodes().size(), images);
  }

  // Would a mapping that sends the first of each pair to the second join GPUs of different orbits?
  bool joins(const std::vector<std::pair<int, int>>& pairs) const {
    return std::ranges::any_of(
        pairs, [&](const auto& pair) { return orbit_[static_cast<std::size_t>(pair.first)] != orbit_[static_cast<std::size_t>(pair.second)]; });
  }
  bool joins(const Automorphism& generator) const {
    std::vector<std::pair<int, int>> pairs;
    for (int r = 0; r < topology_.ranks(); ++r) pairs.emplace_back(gpu(r), generator.nodes[static_cast<std::size_t>(gpu(r))]);
    return joins(pairs);
  }

  void add(const Automorphism& generator) {
    if (!joins(generator) || (wanted_ == Wanted::group && !grow(generator))) return;
    generators_.push_back(generator);
    orbit_ = node_orbits();
  }

  // The closure with one more generator, if it is small enough.
  bool grow(const Automorphism& generator) {
    auto kept = generators_;
    kept.push_back(generator);
    auto closure = closed(group_, kept, static_cast<std::size_t>(topology_.ranks()));
    if (closure.empty()) return false;
    group_ = std::move(closure);
    return true;
  }

  const Topology& topology_;
  SymmetrySearch search_;
  Wanted wanted_;
  std::vector<Automorphism> group_;
  std::vector<Automorphism> generators_;
  std::vector<int> orbit_;  // of each node, by the generators
  std::set<std::pair<int, int>> tried_;
};

}  // namespace

std::vector<int> orbits(std::size_t count, const std::vector<const std::vector<std::int32_t>*>& images) {
  std::vector<int> orbit(count, -1);
  int next = 0;
  for (std::size_t start = 0; start < count; ++start) {
    if (orbit[start] >= 0) continue;
    std::vector<std::size_t> open{start};
    orbit[start] = next;
    while (!open.empty()) {
      const auto at = open.back();
      open.pop_back();
      for (const auto* image : images) {
        const auto to = static_cast<std::size_t>((*image)[at]);
        if (orbit[to] >= 0) continue;
        orbit[to] = next;
        open.push_back(to);
      }
    }
    ++next;
  }
  return orbit;
}

std::vector<int> limit_orbits(const Topology& topology, std::span<const Automorphism> group) {
  const auto orbits_of = [&](std::size_t count, std::vector<std::int32_t> Automorphism::*what) {
    std::vector<const std::vector<std::int32_t>*> images;
    for (const auto& element : group) images.push_back(&(element.*what));
    return orbits(count, images);
  };
  const auto links = orbits_of(topology.links().size(), &Automorphism::links);
  const auto groups = orbits_of(topology.groups().size(), &Automorphism::groups);
  const auto nodes = orbits_of(topology.nodes().size(), &Automorphism::nodes);
  std::map<std::pair<MachineLimit::Kind, int>, int> numbers;
  std::vector<int> result;
  for (const auto& limit : topology.limits()) {
    const auto& of_kind = limit.kind == MachineLimit::Kind::link ? links : (limit.kind == MachineLimit::Kind::group ? groups : nodes);
    result.push_back(numbers.emplace(std::pair{limit.kind, of_kind[limit.index]}, static_cast<int>(numbers.size())).first->second);
  }
  return result;
}

std::vector<Automorphism> automorphism_generators(const Topology& topology, std::span<const std::int64_t> marks) {
  // A chain of stabilisers (Sims): mappings that leave the first i GPUs alone and send the next one wherever it can go.
  SymmetrySearch search(topology, marks);
  std::vector<Automorphism> generators;
  std::vector<std::pair<int, int>> fixed;
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto from = topology.node_of(Rank{r}).value;
    for (int to = r + 1; to < topology.ranks(); ++to) {
      auto wanted = fixed;
      wanted.emplace_back(from, topology.node_of(Rank{to}).value);
      if (auto mapping = search.find(std::move(wanted), [](int gpu, int candidate) { return gpu == candidate ? -1 : candidate; }))
        generators.push_back(*std::move(mapping));
    }
    fixed.emplace_back(from, from);
  }
  return generators;
}

Automorphism identity_of(const Topology& topology) {
  Automorphism same{std::vector<std::int32_t>(topology.nodes().size()), std::vector<std::int32_t>(topology.links().size()),
                    std::vector<std::int32_t>(topology.groups().size())};
  std::iota(same.nodes.begin(), same.nodes.end(), 0);
  std::iota(same.links.begin(), same.links.end(), 0);
  std::iota(same.groups.begin(), same.groups.end(), 0);
  return same;
}

std::vector<Automorphism> symmetry_group(const Topology& topology, std::span<const std::int64_t> marks) {
  return GroupFinder{topology, marks, GroupFinder::Wanted::group}.run();
}

std::vector<Automorphism> group_of(const Topology& topology, std::span<const Automorphism> generators, std::size_t most) {
  return closed({identity_of(topology)}, generators, most);
}

std::vector<Automorphism> symmetry_generators(const Topology& topology, std::span<const std::int64_t> marks) {
  return GroupFinder{topology, marks, GroupFinder::Wanted::generators}.run();
}

const std::vector<Automorphism>& Topology::symmetries() const& {
  return on_demand().symmetries.value([&] { return std::make_shared<const std::vector<Automorphism>>(symmetry_generators(*this, {})); });
}

}  // namespace p2plab
