// SPDX-License-Identifier: Apache-2.0
#include "paths/symmetry_search.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace p2plab {

namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return scattered(a, b); }

std::uint64_t word(const std::optional<Bandwidth>& limit) { return limit ? static_cast<std::uint64_t>(limit->bytes_per_second()) : 0; }

std::uint64_t word(const SwitchModel& model) {
  return mix(mix(std::bit_cast<std::uint64_t>(model.exchange), std::bit_cast<std::uint64_t>(model.exchange_loads)), word(model.posted_writes));
}

// What two links must share to be mapped onto each other.
std::uint64_t label_of(const Link& link) {
  return mix(mix(static_cast<std::uint64_t>(link.kind), static_cast<std::uint64_t>(link.bandwidth.bytes_per_second())),
             std::bit_cast<std::uint64_t>(link.latency.count()));
}

constexpr int guesses_per_gpu = 4;
constexpr int extra_guesses = 200;
constexpr std::int64_t most_in_vain = std::int64_t{1} << 25;  // arcs looked at for guesses that failed: about a second

}  // namespace

SymmetrySearch::SymmetrySearch(const Topology& topology, std::span<const std::int64_t> marks)
    : topology_(topology), graph_{std::vector<std::vector<LabelledGraph::Arc>>(topology.nodes().size() + topology.groups().size())} {
  for (const auto& link : topology.links()) {
    const auto label = label_of(link);
    graph_.arcs[link.from.index()].push_back({link.to.value, mix(label, 1)});
    graph_.arcs[link.to.index()].push_back({link.from.value, mix(label, 2)});
  }
  for (std::size_t n = 0; n < topology.nodes().size(); ++n) {
    const auto& node = topology.nodes()[n];
    const auto mark = n < marks.size() ? static_cast<std::uint64_t>(marks[n]) : 0;
    base_.push_back(mix(mix(mix(static_cast<std::uint64_t>(node.kind) + (node.forwards_peers ? 64 : 0), mark), word(node.switching)),
                        mix(mix(word(node.ingress), word(node.egress)), mix(word(node.memory), word(node.root_complex)))));
  }
  for (std::size_t g = 0; g < topology.groups().size(); ++g) add_group(static_cast<int>(g));
  from_.emplace(graph_, base_);
  from_->refine();
  to_.emplace(*from_);
  stable_ = from_->classes();
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
      graph_.arcs[end.index()].push_back({vertex, label});
      graph_.arcs[static_cast<std::size_t>(vertex)].push_back({end.value, label});
    }
  }
  std::ranges::sort(links);
  groups_[links].push_back(g);
}

std::optional<Automorphism> SymmetrySearch::find(std::vector<std::pair<int, int>> fixed, const Preference& preference) {
  found_.reset();
  guesses_left_ = extra_guesses + guesses_per_gpu * topology_.ranks();
  const auto before = from_->state();
  const auto before_images = to_->state();
  for (const auto& [gpu, image] : fixed) {
    from_->single_out(gpu);
    to_->single_out(image);
  }
  from_->refine();
  to_->refine();
  if (from_->trace() == to_->trace()) extend(0, preference);
  from_->go_back(before);
  to_->go_back(before_images);
  return std::move(found_);
}

// Fixes the first GPU from this rank on that has a choice.
bool SymmetrySearch::extend(int first, const Preference& preference) {
  if (guesses_left_-- <= 0 || in_vain_ > most_in_vain) return false;
  int rank = first;
  const auto gpu_of = [&](int r) { return topology_.node_of(Rank{r}).value; };
  while (rank < topology_.ranks() && from_->is_alone(gpu_of(rank))) ++rank;
  if (rank == topology_.ranks()) {
    found_ = complete();
    return found_.has_value();
  }
  const auto gpu = gpu_of(rank);
  const auto candidates = candidates_for(gpu, preference);
  const auto before = from_->state();
  from_->single_out(gpu);
  const auto looked_at = from_->refine();
  const bool found = std::ranges::any_of(candidates, [&](int image) {
    if (try_image(gpu, image, rank, preference)) return true;
    in_vain_ += 2 * looked_at;  // the image's refinement costs about the same
    return false;
  });
  from_->go_back(before);
  return found;
}

bool SymmetrySearch::try_image(int gpu, int image, int rank, const Preference& preference) {
  const auto before = to_->state();
  to_->single_out(image);
  to_->refine();
  const bool found = from_->trace() == to_->trace() && from_->class_of(gpu) == to_->class_of(image) && extend(rank + 1, preference);
  to_->go_back(before);
  return found;
}

// What a GPU may be mapped to, the preferred first.
std::vector<int> SymmetrySearch::candidates_for(int gpu, const Preference& preference) const {
  std::vector<std::pair<int, int>> ranked;
  for (const auto v : to_->members(from_->class_of(gpu))) ranked.emplace_back(preference(gpu, v), v);
  std::ranges::sort(ranked);
  std::vector<int> candidates;
  for (const auto& [place, v] : ranked) candidates.push_back(v);
  return candidates;
}

// Nodes of one class are mapped in order of id; where these are no twins, the check of the links fails.
std::optional<Automorphism> SymmetrySearch::complete() const {
  const auto nodes = topology_.nodes().size();
  Automorphism mapping{std::vector<std::int32_t>(nodes), {}, {}};
  const auto sorted = [](std::span<const int> members) {
    std::vector<int> ids(members.begin(), members.end());
    std::ranges::sort(ids);
    return ids;
  };
  for (std::size_t v = 0; v < nodes; ++v) {
    const auto number = from_->class_of(static_cast<int>(v));
    const auto a = sorted(from_->members(number));
    if (a.front() != static_cast<int>(v)) continue;
    const auto b = sorted(to_->members(number));
    if (a.size() != b.size()) return std::nullopt;
    for (std::size_t i = 0; i < a.size(); ++i) mapping.nodes[static_cast<std::size_t>(a[i])] = b[i];
  }
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
