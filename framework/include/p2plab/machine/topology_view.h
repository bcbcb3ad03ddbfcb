// SPDX-License-Identifier: Apache-2.0
// A machine for people and for other programs: text, JSON, Graphviz, and a drawing.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "p2plab/machine/topology.h"

namespace p2plab {

/// How `topology_text` writes.
struct TextOptions {
  int columns = 140;          // lines are broken at this width where they can be; the matrix is shown only if it fits
  int most_matrix_gpus = 16;  // larger machines get a table of the kinds of routes instead of the matrix
};

/// What `p2plab topo show` prints: the matrix of routes between GPUs (kind and GB/s), switches and hosts, what each GPU can send and receive, islands
/// by level, the bottleneck cut in words, links that differ by direction, and pairs without a route. Ends with a newline.
std::string topology_text(const Topology& topology, const TextOptions& options = {});

/// The same as JSON, for scripts. Keys: name, ranks, nodes, links, groups, matrix {gpus, kind, bandwidth_gbps, latency_us}, degrees, islands,
/// bottleneck_cut, asymmetries, unconnected. Bandwidths in GB/s (1e9 bytes per second), latencies in microseconds, nodes by name.
std::string topology_json(const Topology& topology);

/// Where the machine's numbers come from, one a line, and then the questions that its description leaves open, with the answer's key; empty for a
/// machine that says its own numbers.
std::string sources_text(const Topology& topology);

/// What the machine's links are, in words: "NVLink", "PCIe and the link between sockets".
std::string fabric_words(const Topology& topology);

/// Graphviz source: circles for GPUs, servers for the rest, one edge for the two directions of a connection where they are alike.
std::string topology_dot(const Topology& topology);

/// A drawing as an SVG document: circles for GPUs, servers for switches, sockets and NICs, width by bandwidth, colour by kind, with a legend.
std::string topology_svg(const Topology& topology);

/// Names in short: runs of numbers close up, as in "gpu0-3, gpu6, nic0".
std::string short_names(const std::vector<std::string>& names);

/// Names of nodes by rising id: each, up to twelve; of more, "all but gpu0" where few are left out, else as `short_names`.
std::string set_of_names(const Topology& topology, std::span<const NodeId> nodes);

/// The word for a route in the matrix, near to nvidia-smi's: NV (NVLink and NVSwitch only), DIR (other direct links and switches), PIX (one PCIe
/// switch), PXB (several), PHB (a host), SYS (the link between hosts), NET (a network), "-" (no route without relaying through a GPU). Where the
/// machine's description has words of its own ("NODE", "NV12", "XGMI"), they are printed.
std::string route_word(const Topology& topology, Rank from, Rank to);

}  // namespace p2plab
