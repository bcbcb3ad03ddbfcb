// SPDX-License-Identifier: Apache-2.0
#include "stages/workspace.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/program/packet_program.h"

namespace p2plab::stages {

namespace {

constexpr std::int64_t unit = 256;  // so that every buffer is aligned as one of its own would be

std::int64_t round_up(std::int64_t bytes) { return (bytes + unit - 1) / unit * unit; }

// In place: the shift, as BufferLayout::output_within_input gives it, of two buffers of which one lies within the other.
Workspace in_one(const RankMemory& memory, std::int64_t shift) {
  const bool input_is_smaller = memory.input <= memory.output;
  Workspace made;
  made.begins = {input_is_smaller ? -shift : 0, input_is_smaller ? 0 : shift, round_up(std::max(memory.input, memory.output).count())};
  return made;
}

Workspace apart(const RankMemory& memory) {
  Workspace made;
  made.begins = {0, round_up(memory.input.count()), round_up(memory.input.count()) + round_up(memory.output.count())};
  return made;
}

}  // namespace

Result<std::vector<Workspace>> workspaces_of(const SegmentedProgram& cut, const BufferLayout& layout, bool in_place) {
  std::vector<Workspace> all;
  for (std::size_t r = 0; r < cut.memory.size(); ++r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    const auto& memory = cut.memory[r];
    if (memory.host > Bytes{0})
      return Error{ErrorCode::unsupported, fmt::format("rank {} needs pinned host memory, which stages between servers do not have", r)};
    all.push_back(in_place && layout.shares(rank) ? in_one(memory, layout.output_within_input(rank)) : apart(memory));
    all.back().size = Bytes{all.back().at(Buffer::scratch, round_up(std::max<std::int64_t>(memory.scratch.count(), 1)))};
  }
  return all;
}

Program for_server(const Program& segment, const std::vector<Rank>& ranks, const std::vector<Workspace>& workspaces, Protocol protocol,
                   const PeerAccess& peer_access) {
  auto program = segment;
  const auto number = [&](Rank rank) { return Rank{std::ranges::lower_bound(ranks, rank) - ranks.begin()}; };
  for (auto& operand : program.operands) {
    operand.offset = workspaces[operand.rank.index()].at(operand.buffer, operand.offset);
    operand.buffer = Buffer::output;
    operand.rank = number(operand.rank);
    operand.route = default_route;
  }
  for (auto& lane : program.lanes) lane.rank = number(lane.rank);
  program.memory.clear();
  for (const auto rank : ranks) program.memory.push_back({.output = workspaces[rank.index()].size});
  program.route_offsets = {0};
  program.route_links.clear();
  program.in_place = false;
  program.tuning.protocol = protocol;
  program.packets = choose_packets(program, peer_access);
  return program;
}

}  // namespace p2plab::stages
