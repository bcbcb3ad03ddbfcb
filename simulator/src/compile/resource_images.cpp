// SPDX-License-Identifier: Apache-2.0
#include "compile/resource_images.h"

namespace p2plab {

bool ResourceImages::take(Rank executor, const Peer& peer) {
  const auto& operand = peer.operand;
  const bool in_host = operand.buffer == Buffer::host;
  if (!known_.emplace(executor, operand.rank, operand.route, peer.reads, in_host).second) return true;
  const auto base = out_.paths.back();
  const auto first = positions_.size();
  for (auto s = base.first; s < base.end; ++s) positions_.push_back(out_.stages[s].resource);
  for (int i = 0; i < images_.images(); ++i) {
    auto there = peer;
    there.operand.rank = images_.moved(i, operand.rank);
    there.operand.route = images_.moved(i, operand.route);
    const auto links = links_of_(images_.moved(i, executor), there);
    if (links.empty()) return false;
    machine_.add(links, images_.moved(i, executor), {.loads = peer.reads, .host_memory = in_host});
    const auto path = out_.paths.back();
    bool alike = path.end - path.first == base.end - base.first;
    for (std::uint32_t s = 0; alike && s < base.end - base.first; ++s) {
      const auto& mine = out_.stages[base.first + s];
      const auto& its = out_.stages[path.first + s];
      const auto position = static_cast<std::uint32_t>(first + s);
      alike = mine.latency == its.latency && out_.resources[mine.resource].pace.rate == out_.resources[its.resource].pace.rate &&
              seen_[its.resource] != position + 1;
      seen_[its.resource] = position + 1;
      ++served_[its.resource];
      parent_[root(its.resource)] = root(mine.resource);
    }
    out_.stages.resize(path.first);
    out_.paths.pop_back();
    if (!alike) return false;
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

}  // namespace p2plab
