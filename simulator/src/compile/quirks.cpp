// SPDX-License-Identifier: Apache-2.0
// Named deviations of a machine, applied to a compiled program once: which apply depends on which links the program uses, and how.
#include <algorithm>
#include <optional>

#include "compile/compiled.h"

namespace p2plab {

namespace {

class QuirkWork {
 public:
  QuirkWork(Compiled& compiled, const Topology& topology, const Quirks& quirks) : c_(compiled), topology_(topology), quirks_(quirks) {}

  void run() {
    find_uses();
    for (std::size_t p = 0; p < c_.paths.size(); ++p) {
      if (read_[p]) c_.paths[p].scale = read_scale(c_.paths[p]);
    }
    for_each_work([&](const LaneInfo& lane, const Work& work) { slow_fans(lane, work); });
    if (quirks_.posted_writes < 1) slow_posted_writes();
    if (quirks_.exchange < 1) slow_exchanges();
  }

 private:
  bool is_link(std::uint32_t resource) const { return resource < topology_.links().size(); }

  template <class Body>
  void for_each_work(Body&& body) {
    for (const auto& lane : c_.lanes) {
      for (auto w = lane.first; w < lane.first + lane.count; ++w) body(lane, c_.works[w]);
    }
  }

  void find_uses() {
    used_.assign(topology_.links().size(), false);
    writers_.assign(topology_.links().size(), {});
    written_.assign(topology_.links().size(), {});
    read_.assign(c_.paths.size(), false);
    for_each_work([&](const LaneInfo& lane, const Work& work) {
      if (work.bytes == 0) return;
      for (std::uint32_t o = 0; o < std::uint32_t{work.sources} + work.destinations; ++o) {
        const bool writes = o >= work.sources;
        const auto path = lane.paths + c_.path_refs[work.paths + o];
        if (!writes) read_[path] = true;  // each path is read or written, never both
        use(lane.rank, c_.paths[path], writes);
      }
    });
  }

  void use(Rank executor, const Path& path, bool writes) {
    std::optional<std::uint32_t> first;
    std::uint32_t last = 0;
    for (auto s = path.first; s < path.end; ++s) {
      const auto resource = c_.stages[s].resource;
      if (!is_link(resource)) continue;
      used_[resource] = true;
      if (writes && !first) first = resource;
      last = resource;
      auto& writers = writers_[resource];
      if (writes && std::ranges::find(writers, executor) == writers.end()) writers.push_back(executor);
    }
    if (first && std::ranges::find(written_[*first], last) == written_[*first].end()) written_[*first].push_back(last);
  }

  bool other_direction_used(const Link& link) const {
    return std::ranges::any_of(topology_.out_links(link.to), [&](LinkId id) { return topology_.link(id).to == link.from && used_[id.index()]; });
  }

  void slow_fans(const LaneInfo& lane, const Work& work) {
    const auto share = [&](std::uint32_t first, std::uint32_t count, double fan) {
      for (auto o = first; o < first + count && count > 1; ++o) {
        auto& path = c_.paths[lane.paths + c_.path_refs[o]];
        path.scale = std::max(path.scale, 1 / fan);
      }
    };
    share(work.paths, work.sources, quirks_.fan_in);
    share(work.paths + work.sources, work.destinations, quirks_.fan_out);
  }

  double read_scale(const Path& path) const {
    double share = 1;
    for (auto s = path.first; s < path.end; ++s) {
      const auto resource = c_.stages[s].resource;
      if (!is_link(resource)) continue;
      const auto& link = topology_.link(LinkId{static_cast<std::int64_t>(resource)});
      double here = link.kind == LinkKind::pcie ? quirks_.pcie_read : 1;
      if (other_direction_used(link)) here *= quirks_.duplex_read;
      share = std::min(share, here);
    }
    return 1 / share;
  }

  void slow(std::size_t link, double share) {
    auto& rate = c_.resources[link].pace.rate;
    rate = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(rate) * share));
  }

  // What a switch with queues at its inputs loses where their heads wait for outputs that others hold.
  void slow_exchanges() {
    for (std::size_t l = 0; l < written_.size(); ++l) {
      const auto& link = topology_.links()[l];
      const auto shared = [&](std::uint32_t last) { return writers_[last].size() > 1; };
      if (link.kind != LinkKind::pcie || topology_.node(link.from).kind != NodeKind::gpu || std::ranges::count_if(written_[l], shared) < 2) continue;
      slow(l, quirks_.exchange);
    }
  }

  void slow_posted_writes() {
    for (std::size_t l = 0; l < writers_.size(); ++l) {
      const auto& link = topology_.links()[l];
      if (writers_[l].size() < 2 || link.kind != LinkKind::pcie || topology_.node(link.from).kind != NodeKind::host) continue;
      slow(l, quirks_.posted_writes);
    }
  }

  Compiled& c_;
  const Topology& topology_;
  const Quirks& quirks_;
  std::vector<bool> used_;                           // by link
  std::vector<bool> read_;                           // by path
  std::vector<std::vector<Rank>> writers_;           // by link: ranks that store through it
  std::vector<std::vector<std::uint32_t>> written_;  // by link out of a GPU: the last links of ways by which it stores
};

}  // namespace

void apply_quirks(Compiled& compiled, const Topology& topology, const Quirks& quirks) {
  if (quirks != Quirks{}) QuirkWork{compiled, topology, quirks}.run();
}

}  // namespace p2plab
