// SPDX-License-Identifier: Apache-2.0
// Networks of switches with GPUs at the leaves: star, fat tree, dragonfly. Bandwidth and latency are parameters; defaults 50 GB/s (a 400 Gb/s port)
// and 500 ns a link (aliyun/SimAI's default for a NIC), so no machine's constants are claimed here. Dragonfly: a routers in a group, all joined; p
// GPUs and h global links a router; a*h + 1 groups, each pair of them joined by one link (Kim, Dally, Scott and Abts, ISCA 2008), placed so that port
// k of group g leads to group g + k + 1.
#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "sources/presets/values.h"

namespace p2plab::presets {

namespace {

Result<Topology> make_star(const Parameters& parameters) {
  Values values(parameters);
  const int count = values.integer("gpus", 1, most_gpus);
  const auto bandwidth = values.bandwidth("bandwidth");
  const auto latency = values.latency("latency");
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  Topology::Builder builder("star");
  const auto gpus = add_gpus(builder, count);
  const auto hub = builder.add_node({"switch0", NodeKind::network_switch});
  for (const auto gpu : gpus) builder.add_duplex(gpu, hub, LinkKind::other, bandwidth, latency);
  return std::move(builder).build();
}

// Every leaf is joined to every spine.
Result<Topology> make_fat_tree(const Parameters& parameters) {
  Values values(parameters);
  const int leaves = values.integer("leaves", 1, 256);
  const int per_leaf = values.integer("gpus", 1, 256);
  const int spines = values.integer("spines", 1, 256);
  const auto bandwidth = values.bandwidth("bandwidth");
  const auto uplink = values.bandwidth_or("uplink", bandwidth);
  const auto latency = values.latency("latency");
  if (leaves * per_leaf > most_gpus) values.fail("leaves", fmt::format("{} leaves of {} GPUs are more than {}", leaves, per_leaf, most_gpus));
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  Topology::Builder builder("fat-tree");
  const auto gpus = add_gpus(builder, leaves * per_leaf);
  std::vector<NodeId> tops;
  for (int s = 0; s < spines; ++s) tops.push_back(builder.add_node({fmt::format("spine{}", s), NodeKind::network_switch}));
  std::size_t next = 0;
  for (int l = 0; l < leaves; ++l) {
    const auto leaf = builder.add_node({fmt::format("leaf{}", l), NodeKind::network_switch});
    for (int i = 0; i < per_leaf; ++i) builder.add_duplex(gpus[next++], leaf, LinkKind::network, bandwidth, latency);
    for (const auto top : tops) builder.add_duplex(leaf, top, LinkKind::network, uplink, latency);
  }
  return std::move(builder).build();
}

struct Dragonfly {
  int routers = 1;     // a
  int globals = 1;     // h
  int per_router = 1;  // p
  Bandwidth bandwidth;
  Bandwidth global;
  Seconds latency{0};
};

Result<Topology> build(const Dragonfly& shape) {
  Topology::Builder builder("dragonfly");
  const int groups = shape.routers * shape.globals + 1;
  const auto gpus = add_gpus(builder, groups * shape.routers * shape.per_router);
  std::vector<NodeId> routers;
  std::size_t next = 0;
  for (int i = 0; i < groups * shape.routers; ++i) {
    routers.push_back(builder.add_node({fmt::format("router{}", i), NodeKind::network_switch}));
    for (int p = 0; p < shape.per_router; ++p) {
      builder.add_duplex(gpus[next++], routers.back(), LinkKind::network, shape.bandwidth, shape.latency);
    }
  }
  const auto of_group = static_cast<std::size_t>(shape.routers);
  const auto router = [&](int group, int index) { return routers[static_cast<std::size_t>(group) * of_group + static_cast<std::size_t>(index)]; };
  for (int g = 0; g < groups; ++g) {
    for (int i = 0; i < shape.routers; ++i) {
      for (int j = i + 1; j < shape.routers; ++j) builder.add_duplex(router(g, i), router(g, j), LinkKind::network, shape.bandwidth, shape.latency);
    }
    // Port k of group g meets port groups - 2 - k of group g + k + 1; each link is added from its lower group.
    for (int k = 0; g + k + 1 < groups; ++k) {
      const int other = groups - 2 - k;
      builder.add_duplex(router(g, k / shape.globals), router(g + k + 1, other / shape.globals), LinkKind::network, shape.global, shape.latency);
    }
  }
  return std::move(builder).build();
}

Result<Topology> make_dragonfly(const Parameters& parameters) {
  Values values(parameters);
  Dragonfly shape;
  shape.routers = values.integer("a", 1, 32);
  shape.globals = values.integer("h", 1, 32);
  shape.per_router = values.integer("p", 1, 32);
  shape.bandwidth = values.bandwidth("bandwidth");
  shape.global = values.bandwidth_or("global", shape.bandwidth);
  shape.latency = values.latency("latency");
  const int count = (shape.routers * shape.globals + 1) * shape.routers * shape.per_router;
  if (count > most_gpus) values.fail("a", fmt::format("these make {} GPUs, more than {}", count, most_gpus));
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  return build(shape);
}

std::vector<ParameterInfo> with_uniform(std::vector<ParameterInfo> first) {
  const auto last = uniform_parameters("50 GB/s");
  first.insert(first.end(), last.begin(), last.end());
  return first;
}

}  // namespace

std::vector<Preset> networks() {
  return {{"star", "GPUs on one switch", with_uniform({{"gpus", "how many", "8"}}), make_star},
          {"fat-tree", "GPUs on leaf switches, each joined to every spine",
           with_uniform({{"leaves", "how many leaf switches", "4"},
                         {"gpus", "on each leaf", "4"},
                         {"spines", "how many spine switches", "2"},
                         {"uplink", "from a leaf to a spine, in each direction; auto: like a GPU's", "auto"}}),
           make_fat_tree},
          {"dragonfly", "groups of routers, each pair of groups joined",
           with_uniform({{"a", "routers in a group", "4"},
                         {"h", "global links of a router", "2"},
                         {"p", "GPUs of a router", "2"},
                         {"global", "of a global link, in each direction; auto: like the others", "auto"}}),
           make_dragonfly}};
}

}  // namespace p2plab::presets
