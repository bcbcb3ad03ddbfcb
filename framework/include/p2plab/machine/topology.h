// SPDX-License-Identifier: Apache-2.0
// A machine: its links as a directed multigraph, what limits them, and what follows from that. Fixed after building; copies share it all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/ids.h"
#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

class Routes;         // routes.h
struct Automorphism;  // detail/symmetry.h

/// What a vertex is. GPUs hold data and never forward; everything else forwards and holds none (a host holds pinned memory).
enum class NodeKind { gpu, nvswitch, pcie_switch, host, nic, network_switch };
enum class LinkKind { nvlink, pcie, upi, host_memory, network, other };

std::string_view to_string(NodeKind kind);  // "gpu", "nvswitch", "pcie_switch", "host", "nic", "switch"
std::string_view to_string(LinkKind kind);  // "nvlink", "pcie", "upi", "host_memory", "network", "other"
Result<NodeKind> node_kind(std::string_view name);
Result<LinkKind> link_kind(std::string_view name);

/// The latency of a link whose description gives none: a typical figure of its kind, assumed from published one-way times.
Seconds default_latency(LinkKind kind);

/// What a PCIe switch or a root complex makes of many transfers at once.
struct SwitchModel {
  double exchange = 1;        // a GPU's link below it keeps this share where it stores to several GPUs and they are stored to by several
  double exchange_loads = 1;  // the same where GPUs load from one another
  // What a switch's way up carries where several GPUs below it send through it to GPUs behind several root ports (posted writes collapse).
  std::optional<Bandwidth> posted_writes = std::nullopt;
  friend bool operator==(const SwitchModel&, const SwitchModel&) = default;
};

/// A vertex. `ingress` and `egress`, where given, bound the sum over all links into or out of it.
struct Node {
  std::string name;
  NodeKind kind = NodeKind::gpu;
  std::optional<Bandwidth> ingress = std::nullopt;
  std::optional<Bandwidth> egress = std::nullopt;
  bool forwards_peers = false;  // a host whose root complex passes peer accesses on; else data between GPUs takes two steps, by its memory
  std::optional<Bandwidth> memory = std::nullopt;        // a host's, reads and writes together: data by way of it costs it twice
  std::optional<Bandwidth> root_complex = std::nullopt;  // a host's, all that passes it: a peer access once, data by way of its memory twice
  SwitchModel switching = {};                            // of a PCIe switch or a host
};

/// One direction of one connection; the same pair may be linked more than once.
struct Link {
  NodeId from;
  NodeId to;
  LinkKind kind = LinkKind::other;
  Bandwidth bandwidth;
  Seconds latency{0};
};

/// Which transfers a budget counts: all; those between GPUs; of these, loads or stores; loads of host memory by kernels, which wait for answers
/// as copy engines do not.
enum class Traffic : std::uint8_t { all, peers, loads, stores, host_loads };

std::string_view to_string(Traffic traffic);  // "all", "peers", "loads", "stores", "host_loads"
Result<Traffic> traffic(std::string_view name);

/// Links that share one budget: a bus, a half-duplex root, read and write through one port.
struct LinkGroup {
  std::string name;
  Bandwidth bandwidth;
  std::vector<LinkId> links;
  Traffic of = Traffic::all;
};

/// What bounds a machine's links: some that carry no more than `bandwidth` together. `index` is that of the link, the group or the node (of host
/// memory, of the first host).
struct MachineLimit {
  enum class Kind : std::uint8_t { link, group, egress, ingress, root_complex, host_memory };
  Kind kind = Kind::link;
  std::size_t index = 0;
  Bandwidth bandwidth;
  std::span<const LinkId> links = {};  // of the topology that gave it
};

/// How a number of a machine came to be known: its description says it, a table does, or nothing does.
enum class Origin { read, known, assumed };

std::string_view to_string(Origin origin);  // "read", "known", "assumed"
Result<Origin> origin(std::string_view name);

/// A number of a machine with its source. Whatever rests on an assumed one is only as good as it.
struct SourcedValue {
  std::string what;   // "PCIe of gpu0-3"
  std::string value;  // "31.5 GB/s"
  Origin origin = Origin::read;
  std::string source = {};  // "topo.txt:3", "table of GPUs: RTX 4090", or why it had to be assumed
  std::string key = {};     // the name under which `--machine` takes the answer; empty where none is wanted
  Bandwidth least = {};     // an assumed bandwidth lies between these; zero: not known how much
  Bandwidth most = {};
  std::vector<LinkId> links = {};  // whose bandwidth it is
};

/// Where a machine's numbers come from. They are no part of what the machine is: machines that differ in them alone are equal.
struct MachineSources {
  std::vector<SourcedValue> values = {};
  std::vector<std::string> words = {};  // as its description joins two ranks, row by row ("NODE", "NV12"); empty if it has no words
};

/// An immutable machine. Ranks are its gpu nodes in order of appearance. What takes long to find out of it (routes, symmetries, fingerprint) is made
/// when it is first asked for, by any thread, once for all copies.
class Topology {
 public:
  class Builder;

  const std::string& name() const&;
  std::span<const Node> nodes() const&;
  std::span<const Link> links() const&;
  std::span<const LinkGroup> groups() const&;
  const MachineSources& sources() const&;
  /// All that bounds it whatever is sent, in this order: each link by id, each group, then for each limited node its egress, ingress and root
  /// complex, then host memory. Bounds, planners, analysis and simulator count with these. Left out are groups that count a part of the transfers
  /// only, as a plan may do without those; those of peer accesses are there where no host keeps any from taking place.
  std::span<const MachineLimit> limits() const&;
  std::span<const MachineLimit> limits() && = delete;
  /// "gpu0 -> sw0", "group root0", "egress of gpu3", "ingress of gpu3", "root complex of host0", "host memory".
  std::string name_of(const MachineLimit& limit) const;

  /// The paths that data takes where a schedule names none.
  const Routes& routes() const&;
  const Routes& routes() && = delete;
  /// How it maps onto itself: automorphisms that join GPUs into few orbits, as symmetry_generators finds them.
  const std::vector<Automorphism>& symmetries() const&;
  const std::vector<Automorphism>& symmetries() && = delete;
  /// A hash of all that `same_machine` compares: 16 hexadecimal digits, for messages and to find damaged files. Different machines may share one, so
  /// whether a plan is for a machine is for `same_machine` to say.
  const std::string& fingerprint() const&;
  const std::string& fingerprint() && = delete;

  const std::string& name() && = delete;
  const MachineSources& sources() && = delete;
  std::span<const Node> nodes() && = delete;
  std::span<const Link> links() && = delete;
  std::span<const LinkGroup> groups() && = delete;

  const Node& node(NodeId id) const& { return nodes()[id.index()]; }
  const Link& link(LinkId id) const& { return links()[id.index()]; }
  const Node& node(NodeId id) && = delete;
  const Link& link(LinkId id) && = delete;

  /// Links that leave or enter a node, by rising id.
  std::span<const LinkId> out_links(NodeId node) const&;
  std::span<const LinkId> in_links(NodeId node) const&;
  std::span<const LinkId> out_links(NodeId node) && = delete;
  std::span<const LinkId> in_links(NodeId node) && = delete;

  int ranks() const;
  NodeId node_of(Rank rank) const;
  /// The rank of a gpu node; none for other nodes.
  std::optional<Rank> rank_of(NodeId node) const;
  std::optional<NodeId> find_node(std::string_view name) const;

 private:
  struct Data;
  struct OnDemand;
  OnDemand& on_demand() const;
  // For what the machine holds itself, which would else keep it alive for ever.
  Topology unowned() const;
  explicit Topology(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

/// Collects a machine; `build` checks it and ends the building.
class Topology::Builder {
 public:
  explicit Builder(std::string name);
  NodeId add_node(Node node);
  LinkId add_link(Link link);
  /// Two links, one each way, each with the full bandwidth.
  void add_duplex(NodeId a, NodeId b, LinkKind kind, Bandwidth bandwidth, Seconds latency);
  void add_group(LinkGroup group);
  void set_sources(MachineSources sources);
  /// Errors: a repeated or empty node name, a link to itself or to a node that is not there, zero or negative bandwidth or limit,
  /// a latency that is negative or not finite, an empty group or one that names no link, no gpu at all, sources that name no link or have words
  /// for another number of ranks; memory or a root complex of what is no host, a switch's model of what is no PCIe switch or host, its shares out
  /// of (0, 1].
  Result<Topology> build() &&;

 private:
  std::shared_ptr<Data> data_;
};

/// Has the machine groups or node limits, which a cut of links does not see?
bool has_budgets(const Topology& topology);

}  // namespace p2plab
