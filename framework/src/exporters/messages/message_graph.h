// SPDX-License-Identifier: Apache-2.0
// A program as two-sided messages: what formats of packet-level simulators can say.
#pragma once

#include <cstdint>
#include <vector>

#include "p2plab/machine/topology.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// One operation of a rank. Data messages carry a slice; a load is a request of one byte there and the data back; a wait that no data carries
/// is a signal of one byte.
struct MessageOp {
  enum class Kind : std::uint8_t { compute, send, receive };
  Kind kind = Kind::compute;
  bool data = false;  // of a message: it carries payload
  std::int32_t peer = -1;
  std::int32_t block = 0;                 // thread block of the rank, from 0
  std::uint32_t tag = 0;                  // unique between two ranks; even for data, odd for requests and signals
  std::int32_t nic = 0;                   // of a message: the port of the rank that it uses (message_ports.h)
  std::int64_t bytes = 0;                 // moved; of a compute: read and written locally
  std::int64_t additions = 0;             // of a compute: elements times sources beyond the first
  std::int64_t step = -1;                 // the plan's
  std::vector<std::uint32_t> after = {};  // operations of the same rank that must be complete, rising
};

/// By rank, in an order in which every operation follows what it needs.
struct MessageGraph {
  std::vector<std::vector<MessageOp>> ranks;
};

inline constexpr std::size_t most_message_ops = 20'000'000;

/// The graph of all slices of `program` on its machine, at most `most` operations. Data dependencies hold where the data lies: whoever reads a place
/// waits for what was received there. Errors: unsupported, for programs that use host memory or are larger.
Result<MessageGraph> message_graph(const Topology& topology, const Program& program, std::size_t most = most_message_ops);

/// Whether there is such a graph; errors: those of message_graph.
Status has_message_graph(const Program& program, std::size_t most = most_message_ops);

}  // namespace p2plab
