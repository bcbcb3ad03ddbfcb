// SPDX-License-Identifier: Apache-2.0
#include "compile/resource_images.h"

#include <algorithm>
#include <utility>

namespace p2plab {

bool ResourceImages::take(Rank executor, const Peer& peer) {
  const auto& operand = peer.operand;
  const bool in_host = operand.buffer == Buffer::host;
  if (!known_.emplace(executor, operand.rank, operand.route, peer.reads, in_host).second) return true;
  loads_ = loads_ || peer.reads;
  const auto base = out_.paths.back();
  const auto stages = base.end - base.first;
  named_.clear();
  for (int i = 0; i < images_.images(); ++i) {
    auto there = peer;
    there.operand.rank = images_.moved(i, operand.rank);
    there.operand.route = images_.moved(i, operand.route);
    const auto links = links_of_(images_.moved(i, executor), there);
    if (links.empty()) return false;
    machine_.add(links, images_.moved(i, executor), {.loads = peer.reads, .host_memory = in_host});
    const auto path = out_.paths.back();
    bool alike = path.end - path.first == stages;
    for (std::uint32_t s = 0; alike && s < stages; ++s) {
      const auto& mine = out_.stages[base.first + s];
      const auto& its = out_.stages[path.first + s];
      alike = mine.latency == its.latency && out_.resources[mine.resource].transfer_time.rate == out_.resources[its.resource].transfer_time.rate;
      named_.push_back(its.resource);
    }
    out_.stages.resize(path.first);
    out_.paths.pop_back();
    if (!alike) return false;
  }
  for (std::uint32_t s = 0; s < stages; ++s) {
    if (!serve(out_.stages[base.first + s].resource, s, stages)) return false;
  }
  return true;
}

// Stage s of the way in all images is one more position.
bool ResourceImages::serve(std::uint32_t resource, std::size_t s, std::size_t stages) {
  positions_.push_back(resource);
  const auto position = static_cast<std::uint32_t>(positions_.size());
  for (auto at = s; at < named_.size(); at += stages) {
    const auto its = named_[at];
    if (std::exchange(seen_[its], position) == position) return false;
    ++served_[its];
    unite(its, resource);
  }
  return true;
}

bool ResourceImages::join() {
  std::vector<std::uint32_t> size(parent_.size());
  for (const auto resource : positions_) ++size[root(resource)];
  for (std::uint32_t r = 0; r < served_.size(); ++r) {
    if (served_[r] > 0 && served_[r] != size[root(r)]) return false;
  }
  for (auto& stage : out_.stages) stage.resource = root(stage.resource);
  out_.stands_for.resize(parent_.size());
  for (std::uint32_t r = 0; r < parent_.size(); ++r) out_.stands_for[r] = root(r);
  // A rank's own memory is not among the stages.
  for (std::size_t r = 0; r < out_.memories.size(); ++r) {
    const auto of = out_.memories[images_.representative(Rank{static_cast<std::int64_t>(r)}).index()];
    out_.stands_for[static_cast<std::size_t>(out_.memories[r])] = static_cast<std::uint32_t>(of);
  }
  return true;
}

// Those that are used, each by what stands for it.
std::vector<std::uint32_t> ResourceImages::other_directions(const Topology& topology, LinkId link) const {
  std::vector<std::uint32_t> all;
  const auto& here = topology.link(link);
  for (const auto id : topology.out_links(here.to)) {
    if (topology.link(id).to == here.from && served_[id.index()] > 0) all.push_back(out_.stands_for[id.index()]);
  }
  std::ranges::sort(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

bool ResourceImages::directions_agree(const Topology& topology) const {
  for (std::size_t l = 0; loads_ && l < topology.links().size(); ++l) {
    if (served_[l] == 0 || out_.stands_for[l] == l) continue;
    const auto directions = [&](std::size_t link) { return other_directions(topology, LinkId{static_cast<std::int64_t>(link)}); };
    if (directions(l) != directions(out_.stands_for[l])) return false;
  }
  return true;
}

}  // namespace p2plab
