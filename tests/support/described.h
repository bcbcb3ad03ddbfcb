// SPDX-License-Identifier: Apache-2.0
// Machines out of public descriptions (tests/data/field), and what a test asks of a machine.
#pragma once

#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "p2plab/bounds/bounds.h"
#include "p2plab/bounds/place.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_view.h"
#include "p2plab/program/peer_access.h"

namespace p2plab::test {

inline Result<Imported> import_field(const std::string& name, const MachineAnswers& answers = {}) {
  const auto path = P2PLAB_SOURCE_DIR "/tests/data/field/" + name;
  return name.ends_with(".xml") ? load_nccl_xml(path, answers) : load_smi(path, answers);
}

inline Topology field(const std::string& name, const MachineAnswers& answers = {}) {
  auto imported = import_field(name, answers);
  EXPECT_TRUE(imported) << describe(imported.error());
  return imported->topology;
}

/// GB/s of the way that a peer access takes.
inline double width(const Topology& topology, int from, int to) {
  const auto& routes = topology.routes();
  return routes.bottleneck(routes.between(Rank{from}, Rank{to})).gbps();
}

/// What no schedule beats, in GB/s.
inline double algbw(const Topology& topology, CollectiveKind kind) {
  const auto found = bound(topology, make_collective(kind, topology.ranks()));
  EXPECT_TRUE(found) << describe(found.error());
  return found->algbw_gbps();
}

/// The same for all-reduce, as busbw.
inline double busbw(const Topology& topology) {
  return algbw(topology, CollectiveKind::all_reduce) * bus_factor(CollectiveKind::all_reduce, topology.ranks());
}

inline bool reaches(const Topology& topology, int from, int to) { return PeerAccess(topology).connected(Rank{from}, Rank{to}); }

inline std::string word(const Topology& topology, int from, int to) { return route_word(topology, Rank{from}, Rank{to}); }

inline long count(const Topology& topology, NodeKind kind) { return std::ranges::count(topology.nodes(), kind, &Node::kind); }

/// The first source of a number whose name begins so; null if there is none.
inline const SourcedValue* source(const Topology& topology, const std::string& what) {
  const auto& values = topology.sources().values;
  const auto found = std::ranges::find_if(values, [&](const SourcedValue& value) { return value.what.starts_with(what); });
  return found == values.end() ? nullptr : &*found;
}

/// The GPUs that `place` takes for so many ranks.
inline std::set<int> best_gpus(const Topology& topology, int count) {
  const auto placements = place(topology, count);
  EXPECT_TRUE(placements) << describe(placements.error());
  std::set<int> gpus;
  for (const auto rank : placements->front().gpus) gpus.insert(rank.value);
  return gpus;
}

}  // namespace p2plab::test
