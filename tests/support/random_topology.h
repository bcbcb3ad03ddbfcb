// SPDX-License-Identifier: Apache-2.0
// Random machines from a seed: 2 to 16 GPUs; direct links, switches, hosts; symmetric or not; dense, sparse, nearly disconnected or in two parts.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab::test {

/// Makes one machine; the same seed gives the same machine.
class RandomTopology {
 public:
  explicit RandomTopology(std::uint64_t seed) : random_(seed) {}

  Topology make() {
    Topology::Builder builder("random");
    gpus_ = between(2, 16);
    for (int i = 0; i < gpus_; ++i) builder.add_node(node("gpu" + std::to_string(i), NodeKind::gpu));
    const int style = between(0, 4);
    if (style != 1) add_direct_links(builder, style == 2 ? 15 : between(20, 90));
    if (style == 1 || style == 3) add_switches(builder);
    if (style >= 2 && chance(60)) add_hosts(builder);
    if (links_.empty()) join(builder, NodeId{0}, NodeId{1}, LinkKind::nvlink);
    if (chance(20)) builder.add_group({.name = "shared", .bandwidth = rate(), .links = {links_.front(), links_.back()}});
    auto topology = std::move(builder).build();
    // A group over a single link names it twice: make the machine again without chance of that.
    return topology ? *std::move(topology) : RandomTopology{random_()}.make();
  }

  /// A number from `least` to `most`.
  int between(int least, int most) { return least + static_cast<int>(random_() % static_cast<std::uint64_t>(most - least + 1)); }
  /// True in `percent` of 100 cases.
  bool chance(int percent) { return between(1, 100) <= percent; }

 private:
  Bandwidth rate() { return GBps(between(1, 40) * 12.5); }

  Node node(std::string name, NodeKind kind) {
    Node made{.name = std::move(name), .kind = kind};
    if (chance(10)) made.egress = rate();
    if (chance(10)) made.ingress = rate();
    return made;
  }

  void link(Topology::Builder& builder, NodeId from, NodeId to, LinkKind kind, Bandwidth bandwidth) {
    links_.push_back(builder.add_link({from, to, kind, bandwidth, Seconds{between(1, 30) * 100e-9}}));
  }

  // Mostly both ways alike; sometimes uneven, sometimes one way only.
  void join(Topology::Builder& builder, NodeId a, NodeId b, LinkKind kind) {
    const auto there = rate();
    const auto back = chance(80) ? there : rate();
    const bool only_there = chance(4);
    link(builder, a, b, kind, there);
    if (!only_there) link(builder, b, a, kind, back);
  }

  void add_direct_links(Topology::Builder& builder, int percent) {
    for (int a = 0; a < gpus_; ++a) {
      for (int b = a + 1; b < gpus_; ++b) {
        for (int lanes = chance(10) ? 2 : 1; lanes > 0 && chance(percent); --lanes) join(builder, NodeId{a}, NodeId{b}, LinkKind::nvlink);
      }
    }
  }

  void add_switches(Topology::Builder& builder) {
    std::vector<NodeId> switches;
    for (int s = between(1, 3); s > 0; --s) {
      switches.push_back(builder.add_node(node("sw" + std::to_string(s), NodeKind::nvswitch)));
      if (switches.size() > 1 && chance(90)) join(builder, switches.front(), switches.back(), LinkKind::nvlink);
    }
    for (int g = 0; g < gpus_; ++g) {
      for (const auto hub : switches) {
        if (switches.size() == 1 || chance(60)) join(builder, NodeId{g}, hub, LinkKind::nvlink);
      }
    }
  }

  void add_hosts(Topology::Builder& builder) {
    std::vector<NodeId> hosts;
    for (int h = between(1, 2); h > 0; --h) hosts.push_back(builder.add_node(node("host" + std::to_string(h), NodeKind::host)));
    if (hosts.size() == 2) join(builder, hosts[0], hosts[1], LinkKind::upi);
    for (int g = 0; g < gpus_; ++g) {
      if (chance(95)) join(builder, NodeId{g}, hosts[static_cast<std::size_t>(between(0, static_cast<int>(hosts.size()) - 1))], LinkKind::pcie);
    }
  }

  std::mt19937_64 random_;
  int gpus_ = 0;
  std::vector<LinkId> links_;
};

}  // namespace p2plab::test
