// SPDX-License-Identifier: Apache-2.0
// Named deviations of a profile, and what the machine's switches make of many transfers at once, applied to a compiled program once: which apply
// depends on which links the program uses, and how.
#include <algorithm>
#include <optional>

#include "compile/compiled.h"

namespace p2plab {

namespace {

template <class T>
void add_once(std::vector<T>& all, const T& one) {
  if (std::ranges::find(all, one) == all.end()) all.push_back(one);
}

// What passes a link.
struct LinkUse {
  bool used = false;
  std::vector<Rank> writers = {};           // ranks that store through it
  std::vector<std::uint32_t> ports = {};    // the links by which stores come to it
  std::vector<std::uint32_t> senders = {};  // the first links of all that is stored or loaded through it
  std::vector<std::uint32_t> roots = {};    // the links by which that leaves the last host
};

// Of loads, or of stores: the ends of the ways that data takes, by links, each pair once.
struct Flows {
  std::vector<std::vector<std::uint32_t>> to = {};    // by the first link: the last ones
  std::vector<std::vector<std::uint32_t>> from = {};  // by the last link: the first ones
};

class QuirkWork {
 public:
  QuirkWork(Compiled& compiled, const Topology& topology, const Quirks& quirks)
      : c_(compiled), topology_(topology), quirks_(quirks), uses_(topology.links().size()), read_(compiled.paths.size(), false) {
    for (auto* flows : {&stores_, &loads_}) flows->to = flows->from = std::vector<std::vector<std::uint32_t>>(uses_.size());
  }

  void run() {
    find_uses();
    for (std::size_t p = 0; p < c_.paths.size(); ++p) {
      if (read_[p]) c_.paths[p].scale = read_scale(c_.paths[p]);
    }
    for_each_work([&](const LaneInfo& lane, const Work& work) { slow_fans(lane, work); });
    for (std::uint32_t l = 0; l < uses_.size(); ++l) {
      slow_exchange(l);
      slow_posted_writes(l);
    }
  }

 private:
  bool is_link(std::uint32_t resource) const { return resource < uses_.size(); }
  const Link& link(std::uint32_t id) const { return topology_.links()[id]; }
  const Node& node(NodeId id) const { return topology_.node(id); }

  template <class Body>
  void for_each_work(Body&& body) {
    for (const auto& lane : c_.lanes) {
      for (auto w = lane.first; w < lane.first + lane.count; ++w) body(lane, c_.works[w]);
    }
  }

  void find_uses() {
    std::vector<bool> seen(c_.paths.size());
    for_each_work([&](const LaneInfo& lane, const Work& work) {
      if (work.bytes == 0) return;
      for (std::uint32_t o = 0; o < std::uint32_t{work.sources} + work.destinations; ++o) {
        const auto path = lane.paths + c_.path_refs[work.paths + o];
        if (seen[path]) continue;
        seen[path] = true;
        read_[path] = o < work.sources;  // each path is read or written, never both
        use(lane.rank, c_.paths[path], !read_[path]);
      }
    });
  }

  void use(Rank executor, const Path& path, bool writes) {
    std::vector<std::uint32_t> links;
    for (auto s = path.first; s < path.end; ++s) {
      if (is_link(c_.stages[s].resource)) links.push_back(c_.stages[s].resource);
    }
    if (links.empty()) return;
    const auto is_pcie = [&](std::uint32_t l) { return link(l).kind == LinkKind::pcie; };
    auto& flows = writes ? stores_ : loads_;
    if (is_pcie(links.front())) add_once(flows.to[links.front()], links.back());
    if (is_pcie(links.front())) add_once(flows.from[links.back()], links.front());
    const auto leaves_host = [&](std::uint32_t l) { return node(link(l).from).kind == NodeKind::host && node(link(l).to).kind != NodeKind::host; };
    const auto root = std::find_if(links.rbegin(), links.rend(), leaves_host);
    for (std::size_t i = 0; i < links.size(); ++i) {
      auto& use = uses_[links[i]];
      use.used = true;
      if (!is_pcie(links[i])) continue;
      add_once(use.senders, links.front());
      if (root != links.rend()) add_once(use.roots, *root);
      if (!writes) continue;
      add_once(use.writers, executor);
      if (i > 0) add_once(use.ports, links[i - 1]);
    }
  }

  bool other_direction_used(const Link& link) const {
    const auto used = [&](LinkId id) { return uses_[c_.stands_for.empty() ? id.index() : c_.stands_for[id.index()]].used; };
    return std::ranges::any_of(topology_.out_links(link.to), [&](LinkId id) { return topology_.link(id).to == link.from && used(id); });
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
      double here = link(resource).kind == LinkKind::pcie ? quirks_.pcie_read : 1;
      if (other_direction_used(link(resource))) here *= quirks_.duplex_read;
      share = std::min(share, here);
    }
    return 1 / share;
  }

  void slow_to(std::uint32_t l, double most) {
    auto& rate = c_.resources[l].transfer_time.rate;
    rate = std::max<std::int64_t>(1, std::min(rate, static_cast<std::int64_t>(most)));
  }
  void slow(std::uint32_t l, double share) { slow_to(l, static_cast<double>(c_.resources[l].transfer_time.rate) * share); }

  // What a switch with queues at its inputs loses where their heads wait for outputs that others hold.
  void slow_exchange(std::uint32_t l) {
    if (link(l).kind != LinkKind::pcie || node(link(l).from).kind != NodeKind::gpu) return;
    const auto exchanges = [&](const Flows& flows) {
      return std::ranges::count_if(flows.to[l], [&](std::uint32_t last) { return flows.from[last].size() > 1; }) > 1;
    };
    const auto& model = node(link(l).to).switching;
    const auto kept = [&](double said) { return said < 1 ? said : quirks_.exchange; };
    double share = 1;
    if (exchanges(stores_)) share = kept(model.exchange);
    if (exchanges(loads_)) share = std::min(share, kept(model.exchange_loads));
    slow(l, share);
  }

  // Out of a root complex where stores come from several of its ports; and up from a switch whose model says so, where several GPUs below it send to
  // several ports of root complexes, be it that they store or that others load from them: answers to loads queue as stores do. Several that send by
  // way of one port to one other are well.
  void slow_posted_writes(std::uint32_t l) {
    if (link(l).kind != LinkKind::pcie) return;
    const auto& from = node(link(l).from);
    const auto& use = uses_[l];
    if (from.kind == NodeKind::host && use.writers.size() > 1 && use.ports.size() > 1) slow(l, quirks_.posted_writes);
    const bool up = from.kind == NodeKind::pcie_switch && node(link(l).to).kind == NodeKind::host;
    if (up && from.switching.posted_writes && use.senders.size() > 1 && use.roots.size() > 1)
      slow_to(l, static_cast<double>(from.switching.posted_writes->bytes_per_second()));
  }

  Compiled& c_;
  const Topology& topology_;
  const Quirks& quirks_;
  std::vector<LinkUse> uses_;  // by link
  Flows stores_;
  Flows loads_;
  std::vector<bool> read_;  // by path
};

}  // namespace

void apply_quirks(Compiled& compiled, const Topology& topology, const Quirks& quirks) {
  const bool models = std::ranges::any_of(topology.nodes(), [](const Node& node) { return node.switching != SwitchModel{}; });
  if (models || quirks != Quirks{}) QuirkWork{compiled, topology, quirks}.run();
}

}  // namespace p2plab
