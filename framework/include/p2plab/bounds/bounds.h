// SPDX-License-Identifier: Apache-2.0
// How fast a collective can be at best on a machine, with the reason. Exact where `attained` says so; always a true lower bound on time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "p2plab/detail/rational.h"
#include "p2plab/machine/topology.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

/// The best that a machine allows.
struct Bound {
  CollectiveKind kind = CollectiveKind::all_reduce;
  int members = 0;
  /// Seconds per byte of each GPU, at bandwidths in GB/s. The bytes of a GPU are its block (the payload divided by the members) in all-gather,
  /// reduce-scatter, gather, scatter and all-to-all, and the payload in the others. Zero if nothing must move.
  Rational inverse_rate;
  /// The nodes whose links out (or in, see `argument`) prove it; by rising id, empty where one cut alone is no proof.
  std::vector<NodeId> cut;
  /// By node, the part that it lies in, where what must enter the parts of a partition is the proof; else empty.
  std::vector<int> part = {};
  /// By Topology::limits(), the prices that are the proof: what all limits let through costs so much, what one byte needs at least so much; else
  /// empty.
  std::vector<std::int64_t> prices = {};
  /// The proof in one sentence.
  std::string argument;
  /// Is the bandwidth reached by some schedule, in the limit of large payloads?
  bool attained = false;
  /// The least number of transfers, one after another, from some sender to some receiver; a step that reads and writes remotely makes two.
  int latency_steps = 0;
  /// The least delay of links between the sender and the receiver that are farthest apart.
  Seconds latency{0};
  /// The least delay of a link that crosses the cut: nothing that crosses arrives sooner.
  Seconds cut_latency{0};
  /// Payload bytes that rounding may take from the smallest block: bounds for a payload count that many fewer.
  std::vector<std::int64_t> shares = {};

  /// Payload bytes per second, in GB/s (nccl-tests' algbw); zero if nothing must move.
  double algbw_gbps() const;
};

/// Switches declared as in-network multicast or reduction (never GPUs): what a multicasting one receives may leave it on several links; what a
/// reducing one receives may leave it as a sum. One that does both may send a sum to all at once, so that all-reduce passes it once (NVLink SHARP;
/// the GPUs send their data up and get the sum). By default there are none.
struct InNetwork {
  std::vector<NodeId> multicast = {};
  std::vector<NodeId> reduce = {};
  bool empty() const { return multicast.empty() && reduce.empty(); }
};

/// Every NVSwitch, PCIe switch and network switch, able to do both.
InNetwork all_switches(const Topology& topology);

/// The nodes that a list such as "nvswitch0,switch" names, able to do both: names of nodes, kinds of nodes (all of that kind), "all" for
/// `all_switches`. Errors: words that are neither, with the nearest one; a kind that the machine lacks; GPUs.
Result<InNetwork> switches_named(const Topology& topology, const std::string& list);

/// Is there data that several GPUs get or that is added up? Not in gather, scatter, all-to-all and send_receive: there switches can only pass it on.
bool in_network_can_help(CollectiveKind kind);

/// The bound of `collective` on `topology`. Other GPUs may relay; a host may keep what passes and send it on more than once, other switches may
/// not. Node limits and groups count. All-gather, reduce-scatter, broadcast, reduce, gather and scatter: the worst cut, by Newton's iteration over
/// minimum cuts (Zhao et al., ForestColl), or the best share of links by linear program where groups, limits or switches with more links
/// out than in make cuts alone too weak. All-reduce: a linear program over pairs of an in-tree and an out-tree with one root each, roots as
/// unequal as it likes. All-to-all and send_receive: maximum concurrent flow. With nodes `able` to do more, trees branch there too, and pairs of
/// trees may have their root there: cuts, and on small machines the exact linear program over trees, whose prices are the proof. It never is a lower
/// rate than without them; transfers and delays stay the same.
/// Once `stop` (empty: never), asked again and again, says so, what cuts have proved until then is the bound, and it is not known to be reached; what
/// takes less than 50 ms is done in any case.
/// Errors: those of `contract`; a receiver that a sender cannot reach (names the cut); a GPU among the nodes `able`.
Result<Bound> bound(const Topology& topology, const Collective& collective, const InNetwork& able = {}, const std::function<bool()>& stop = {});

/// No schedule moves `payload` in less time: the larger of the bandwidth's and the latency's bound.
Seconds lower_bound(const Bound& bound, const Payload& payload);

}  // namespace p2plab
