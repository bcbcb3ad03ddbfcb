// SPDX-License-Identifier: Apache-2.0
// The lower bound of one collective on one machine, found once and asked for many payloads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "p2plab/bounds/bounds.h"
#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

struct Limit {
  std::optional<double> algbw_gbps = std::nullopt;             // no schedule reaches more; none if no bound is known
  std::function<std::optional<Seconds>(const Payload&)> time;  // no schedule needs less
  std::string missing = {};                                    // why no bound is known
  std::string argument = {};                                   // its proof in one sentence
  std::vector<std::string> cut = {};                           // the nodes whose links prove it, where one cut does
  std::shared_ptr<const Bound> bound = nullptr;                // itself, if it is known
};

/// The limit of `collective` on `topology`; once `stop` (empty: never) says so, and after 30 s, what is proved
/// until then: on few machines, with rates far apart, the exact bound takes minutes (`p2plab bound` waits for it).
Limit limit_of(const Topology& topology, const Collective& collective, const std::function<bool()>& stop = {});

/// What no plan takes less than where calls follow each other without a pause, which is the figure that decides between plans. Where every rank hears
/// from every other one in each call, no packets need a token, so all ranks begin and end a call together and one call's bound holds; it does of
/// plans by slices, too, whose calls are counted one after another. Else calls by packets may overlap, as a broadcast's: then each still sends its
/// bytes, with what the protocol adds, but latencies are hidden. `ranks` are those that may take part, as members or relays.
Seconds least_in_a_row(const Bound& bound, const Collective& collective, int ranks, const Payload& payload);

}  // namespace p2plab
