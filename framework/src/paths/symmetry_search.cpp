// SPDX-License-Identifier: Apache-2.0
#include "paths/symmetry_search.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <tuple>

namespace p2plab {

namespace {

// A good scatter of two words into one (the finisher of SplitMix64).
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a + 0x9e3779b97f4a7c15ULL * (b + 0x632be59bd9b4e019ULL);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::uint64_t word(const std::optional<Bandwidth>& limit) { return limit ? static_cast<std::uint64_t>(limit->bytes_per_second()) : 0; }

std::uint64_t word(const SwitchModel& model) {
  return mix(mix(std::bit_cast<std::uint64_t>(model.exchange), std::bit_cast<std::uint64_t>(model.exchange_loads)), word(model.posted_writes));
}

std::size_t distinct(std::vector<std::uint64_t> colours) {
  std::ranges::sort(colours);
  return static_cast<std::size_t>(std::unique(colours.begin(), colours.end()) - colours.begin());
}

// What two links must share to be mapped onto each other.
std::uint64_t label_of(const Link& link) {
  return mix(mix(static_cast<std::uint64_t>(link.kind), static_cast<std::uint64_t>(link.bandwidth.bytes_per_second())),
             std::bit_cast<std::uint64_t>(link.latency.count()));
}

constexpr int guesses_per_gpu = 4;
constexpr int extra_guesses = 200;
constexpr std::int64_t most_in_vain = std::int64_t{1} << 27;  // arcs looked at for guesses that failed: about a second

}  // namespace

SymmetrySearch::SymmetrySearch(const Topology& topology, std::span<const std::int64_t> marks)
    : topology_(topology), arcs_(topology.nodes().size() + topology.groups().size()) {
  for (const auto& link : topology.links()) {
    const auto label = label_of(link);
    arcs_[link.from.index()].push_back({link.to.value, mix(label, 1)});
    arcs_[link.to.index()].push_back({link.from.value, mix(label, 2)});
  }
  for (std::size_t n = 0; n < topology.nodes().size(); ++n) {
    const auto& node = topology.nodes()[n];
    const auto mark = n < marks.size() ? static_cast<std::uint64_t>(marks[n]) : 0;
    base_.push_back(mix(mix(mix(static_cast<std::uint64_t>(node.kind) + (node.forwards_peers ? 64 : 0), mark), word(node.switching)),
                        mix(mix(word(node.ingress), word(node.egress)), mix(word(node.memory), word(node.root_complex)))));
  }
  for (std::size_t g = 0; g < topology.groups().size(); ++g) add_group(static_cast<int>(g));
  stable_ = refine(base_);
}

// A group is a vertex behind the nodes, joined to the ends of its links: so what shares a budget is told from what does not before anything is
// guessed.
void SymmetrySearch::add_group(int g) {
  const auto& group = topology_.groups()[static_cast<std::size_t>(g)];
  const auto vertex = static_cast<int>(topology_.nodes().size()) + g;
  base_.push_back(mix(mix(word(group.bandwidth), static_cast<std::uint64_t>(group.of)), 5));
  std::vector<std::int32_t> links;
  for (const auto id : group.links) {
    links.push_back(id.value);
    const auto& link = topology_.link(id);
    for (const auto& [end, side] : {std::pair{link.from, 3U}, std::pair{link.to, 4U}}) {
      const auto label = mix(label_of(link), side);
      arcs_[end.index()].push_back({vertex, label});
      arcs_[static_cast<std::size_t>(vertex)].push_back({end.value, label});
    }
  }
  std::ranges::sort(links);
  groups_[links].push_back(g);
}

std::vector<std::uint64_t> SymmetrySearch::refine(std::vector<std::uint64_t> colours) {
  auto classes = distinct(colours);
  while (classes < colours.size()) {
    auto next = colours;
    for (std::size_t v = 0; v < next.size(); ++v) {
      std::uint64_t around = 0;
      visits_ += std::ssize(arcs_[v]);
      for (const auto& arc : arcs_[v]) around += mix(arc.label, colours[static_cast<std::size_t>(arc.other)]);
      next[v] = mix(colours[v], around);
    }
    const auto finer = distinct(next);
    colours = std::move(next);
    if (finer == classes) break;
    classes = finer;
  }
  return colours;
}

std::vector<std::uint64_t> SymmetrySearch::coloured(const std::vector<std::pair<int, int>>& fixed, bool images) {
  auto colours = stable_;
  for (std::size_t i = 0; i < fixed.size(); ++i) {
    auto& colour = colours[static_cast<std::size_t>(images ? fixed[i].second : fixed[i].first)];
    colour = mix(colour, i + 1000);
  }
  return refine(std::move(colours));
}

std::optional<Automorphism> SymmetrySearch::find(std::vector<std::pair<int, int>> fixed, const Preference& preference) {
  found_.reset();
  guesses_left_ = extra_guesses + guesses_per_gpu * topology_.ranks();
  extend(fixed, preference);
  return std::move(found_);
}

bool SymmetrySearch::extend(std::vector<std::pair<int, int>>& fixed, const Preference& preference) {
  if (guesses_left_-- <= 0 || in_vain_ > most_in_vain) return false;
  const auto before = visits_;
  const auto from = coloured(fixed, false);
  const auto to = coloured(fixed, true);
  const auto looked_at = visits_ - before;
  auto sorted = from;
  auto sorted_to = to;
  std::ranges::sort(sorted);
  std::ranges::sort(sorted_to);
  if (sorted != sorted_to) return false;
  for (int r = 0; r < topology_.ranks(); ++r) {
    const auto gpu = topology_.node_of(Rank{r}).value;
    const auto colour = from[static_cast<std::size_t>(gpu)];
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), colour);
    if (last - first == 1) continue;
    std::vector<std::pair<int, int>> candidates;
    for (std::size_t v = 0; v < topology_.nodes().size(); ++v) {
      if (to[v] == colour) candidates.emplace_back(preference(gpu, static_cast<int>(v)), static_cast<int>(v));
    }
    std::ranges::sort(candidates);
    for (const auto& candidate : candidates) {
      fixed.emplace_back(gpu, candidate.second);
      if (extend(fixed, preference)) return true;
      fixed.pop_back();
      in_vain_ += looked_at;  // a guess costs about what the one before it does
    }
    return false;
  }
  found_ = complete(from, to);
  return found_.has_value();
}

// Nodes of one colour are mapped in order of id; where these are no twins, the check of the links fails.
std::optional<Automorphism> SymmetrySearch::complete(const std::vector<std::uint64_t>& from, const std::vector<std::uint64_t>& to) const {
  std::vector<std::int32_t> a(topology_.nodes().size());
  std::iota(a.begin(), a.end(), 0);
  auto b = a;
  std::ranges::stable_sort(a, {}, [&](std::int32_t v) { return from[static_cast<std::size_t>(v)]; });
  std::ranges::stable_sort(b, {}, [&](std::int32_t v) { return to[static_cast<std::size_t>(v)]; });
  Automorphism mapping{std::vector<std::int32_t>(a.size()), {}, {}};
  for (std::size_t i = 0; i < a.size(); ++i) mapping.nodes[static_cast<std::size_t>(a[i])] = b[i];
  if (!map_links(mapping) || !map_groups(mapping)) return std::nullopt;
  return mapping;
}

bool SymmetrySearch::map_links(Automorphism& mapping) const {
  const auto links = topology_.links();
  using Key = std::tuple<std::int32_t, std::int32_t, std::uint64_t, std::int32_t>;
  std::vector<Key> images;
  std::vector<Key> originals;
  for (std::size_t l = 0; l < links.size(); ++l) {
    const auto label = label_of(links[l]);
    const auto id = static_cast<std::int32_t>(l);
    originals.emplace_back(links[l].from.value, links[l].to.value, label, id);
    images.emplace_back(mapping.nodes[links[l].from.index()], mapping.nodes[links[l].to.index()], label, id);
  }
  std::ranges::sort(originals);
  std::ranges::sort(images);
  mapping.links.resize(links.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto& [from, to, label, id] = originals[i];
    const auto& [image_from, image_to, image_label, image_id] = images[i];
    if (from != image_from || to != image_to || label != image_label) return false;
    mapping.links[static_cast<std::size_t>(image_id)] = id;
  }
  return true;
}

bool SymmetrySearch::map_groups(Automorphism& mapping) const {
  mapping.groups.resize(topology_.groups().size());
  for (const auto& [links, ids] : groups_) {
    std::vector<std::int32_t> image;
    for (const auto link : links) image.push_back(mapping.links[static_cast<std::size_t>(link)]);
    std::ranges::sort(image);
    const auto there = groups_.find(image);
    if (there == groups_.end() || there->second.size() != ids.size()) return false;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto id = static_cast<std::size_t>(ids[i]);
      const auto& one = topology_.groups()[id];
      const auto& other = topology_.groups()[static_cast<std::size_t>(there->second[i])];
      if (one.bandwidth != other.bandwidth || one.of != other.of) return false;
      mapping.groups[id] = there->second[i];
    }
  }
  return true;
}

}  // namespace p2plab
