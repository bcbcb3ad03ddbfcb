// SPDX-License-Identifier: Apache-2.0
// Are two topologies equal in everything: names, kinds, limits, links and groups, and the order of each?
#pragma once

#include <gtest/gtest.h>

#include "p2plab/machine/topology.h"

namespace p2plab::test {

inline ::testing::AssertionResult same_topology(const Topology& a, const Topology& b) {
  const auto differs = [](const std::string& what) { return ::testing::AssertionFailure() << "they differ in " << what; };
  if (a.name() != b.name()) return differs("name: " + a.name() + " and " + b.name());
  if (a.nodes().size() != b.nodes().size()) return differs("the number of nodes");
  if (a.links().size() != b.links().size()) return differs("the number of links");
  if (a.groups().size() != b.groups().size()) return differs("the number of groups");
  for (std::size_t i = 0; i < a.nodes().size(); ++i) {
    const auto& x = a.nodes()[i];
    const auto& y = b.nodes()[i];
    if (x.name != y.name || x.kind != y.kind || x.ingress != y.ingress || x.egress != y.egress || x.forwards_peers != y.forwards_peers ||
        x.memory != y.memory || x.root_complex != y.root_complex || x.switching != y.switching)
      return differs("node " + std::to_string(i) + ", " + x.name);
  }
  for (std::size_t i = 0; i < a.links().size(); ++i) {
    const auto& x = a.links()[i];
    const auto& y = b.links()[i];
    if (x.from != y.from || x.to != y.to || x.kind != y.kind || x.bandwidth != y.bandwidth || x.latency != y.latency)
      return differs("link " + std::to_string(i));
  }
  for (std::size_t i = 0; i < a.groups().size(); ++i) {
    const auto& x = a.groups()[i];
    const auto& y = b.groups()[i];
    if (x.name != y.name || x.bandwidth != y.bandwidth || x.links != y.links || x.of != y.of) return differs("group " + x.name);
  }
  return ::testing::AssertionSuccess();
}

}  // namespace p2plab::test
