// SPDX-License-Identifier: Apache-2.0
// One memory for all buffers of a rank, which its server's communicator and the transport both name; and segments as that communicator runs them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "p2plab/program/peer_access.h"
#include "p2plab/schedule/layout.h"
#include "p2plab/segments/segments.h"

namespace p2plab::stages {

/// Where input, output and scratch begin in a rank's workspace; in place, the smaller of input and output lies within the larger.
struct Workspace {
  std::array<std::int64_t, 3> begins{};
  Bytes size{0};

  std::int64_t at(Buffer buffer, std::int64_t offset) const { return begins[static_cast<std::size_t>(buffer)] + offset; }
};

/// Errors: unsupported, for a plan that passes through pinned host memory.
Result<std::vector<Workspace>> workspaces_of(const SegmentedProgram& cut, const BufferLayout& layout, bool in_place);

/// The segment of a server as a program of its ranks alone, numbered from 0, whose only buffer is the output: the workspace. Runs by this protocol,
/// with the packets that it needs for this peer access.
Program for_server(const Program& segment, const std::vector<Rank>& ranks, const std::vector<Workspace>& workspaces, Protocol protocol,
                   const PeerAccess& peer_access);

}  // namespace p2plab::stages
