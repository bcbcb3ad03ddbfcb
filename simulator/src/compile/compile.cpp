// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "compile/check_program.h"
#include "compile/compiled.h"
#include "compile/lane_dedup.h"
#include "compile/resource_images.h"
#include "compile/resource_paths.h"
#include "p2plab/machine/routes.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

// Arrival needs no flag, and a lane is all thread blocks of its GPU, whose rates together exceed the links'.
void by_packets(ProgramCosts& costs) {
  costs.signal_peer = costs.signal_local = 0;
  costs.read_request = 0;
  costs.store.rate = costs.load.rate = costs.reduce.rate = 0;
}

// Streams of copies, each with kernels between them; a GPU's engines together are a resource of its own (resource_paths).
void by_copies(ProgramCosts& costs, const Profile& profile) {
  costs.signal_peer = to_sim_time(profile.signal_peer).count();
  costs.read_request = 0;
  costs.store.rate = costs.load.rate = costs.reduce.rate = 0;
}

bool costs_packets(const Program& program, const Profile& profile) { return program.packets != nullptr && says_what_packets_cost(profile); }

ProgramCosts program_costs_of(const Program& program, const Profile& profile) {
  const auto rate = [](const std::optional<Bandwidth>& value) { return value ? value->bytes_per_second() : 0; };
  const bool flags = program.packets == nullptr && in_slices(program.tuning.protocol);
  ProgramCosts costs{
      .protocol = program.tuning.protocol,
      .signal_peer = to_sim_time(flags ? profile.fence + profile.signal_peer : profile.poll).count(),
      .signal_local = to_sim_time(profile.signal_local).count(),
      .read_request = profile.read_request,
      .outstanding = program.packets != nullptr ? 0 : static_cast<std::uint32_t>(profile.outstanding)};  // each packet has a slot of its own
  costs.store.rate = rate(profile.store_rate);
  costs.load.rate = rate(profile.load_rate);
  costs.reduce.rate = rate(profile.reduce_rate);
  if (costs_packets(program, profile)) by_packets(costs);
  if (program.tuning.protocol == Protocol::copy) by_copies(costs, profile);
  return costs;
}

WorkCosts costs_of(const Program& program, const Profile& profile) {
  constexpr double picoseconds = 1e12;
  if (program.tuning.protocol == Protocol::copy) return {.slice = to_sim_time(profile.copy_start).count()};
  if (!costs_packets(program, profile)) return {.slice = to_sim_time(profile.slice_cost).count()};
  return {.slice = 0, .packets = true, .item = profile.packet_item.count() * picoseconds, .tail = profile.packet_tail.count() * picoseconds};
}

void take_profile(Compiled& out, const Program& program, const Profile& profile) {
  out.program_costs = {program_costs_of(program, profile)};
  out.blocks_per_lane = static_cast<std::uint32_t>(program.tuning.blocks_per_lane);
  out.minimum_transfer = profile.quirks.minimum_transfer.count();
  const bool packets = costs_packets(program, profile);
  const bool lines = packets && program.packets->wire == PacketWire::ll128;
  const auto launch = packets ? profile.packet_start + (lines ? profile.ll128_start : Seconds{0}) : profile.launch;
  const auto ranks = program.ranks();
  for (int r = 0; r < ranks; ++r) {
    const auto share = ranks > 1 ? static_cast<double>(r) / (ranks - 1) : 0.0;
    out.starts.push_back(to_sim_time(launch + share * profile.start_skew).count());
  }
}

Error no_path(const Topology& topology, Rank executor, const Peer& peer) {
  return {ErrorCode::invalid_input,
          fmt::format("rank {} cannot {} rank {}{} on '{}' (step {}): there is no path", executor.value, peer.reads ? "read from" : "write to",
                      peer.operand.rank.value, peer.operand.buffer == Buffer::host ? "'s host memory" : "", topology.name(), peer.step.value)};
}

std::span<const LinkId> links_of(const Routes& routes, const Program& program, Rank executor, const Peer& peer) {
  const auto& operand = peer.operand;
  if (operand.route != default_route) return program.route(operand.route);
  if (operand.buffer == Buffer::host) return peer.reads ? routes.from_host(operand.rank, executor) : routes.to_host(executor, operand.rank);
  return peer.reads ? routes.between(operand.rank, executor) : routes.between(executor, operand.rank);
}

// A lane whose works lie at `first`; its paths and awaited lanes follow.
void add_lane(Compiled& out, Rank rank, std::uint32_t first, std::size_t count) {
  out.lanes.push_back({rank, first, static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(out.paths.size()),
                       static_cast<std::uint32_t>(out.lane_table.size())});
  for (std::uint32_t p = 0; p < out.blocks_per_lane; ++p) {
    const auto last = first + count - 1;
    out.totals.push_back(count == 0 ? 0 : out.before[last * out.blocks_per_lane + p] + out.slices_of(out.works[last], p));
    out.slices += out.totals.back();
  }
}

// With many lanes, growing step by step costs as much as filling.
void expect_lanes(Compiled& out, std::size_t lanes) {
  constexpr std::size_t stages = 2;  // of a path, most often
  out.lanes.reserve(lanes);
  out.totals.reserve(lanes * out.blocks_per_lane);
  out.paths.reserve(lanes);
  out.stages.reserve(lanes * stages);
}

// Where ranks do the same, their lanes in the order that all images have.
std::vector<LanePlace> places_of(const Program& program) {
  if (program.images == nullptr) return {};
  const auto& images = *program.images;
  std::vector<std::uint32_t> first(static_cast<std::size_t>(program.ranks()));  // by representative: where its lanes begin among theirs
  std::uint32_t next = 0;
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    const auto rank = program.lanes[l].rank;
    if (l == 0 || program.lanes[l - 1].rank != rank) first[rank.index()] = next;
    if (images.representative(rank) == rank) ++next;
  }
  std::vector<LanePlace> places;
  std::uint32_t within = 0;
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    const auto rank = program.lanes[l].rank;
    within = l == 0 || program.lanes[l - 1].rank != rank ? 0 : within + 1;
    places.push_back({first[images.representative(rank).index()] + within, static_cast<std::uint32_t>(images.to(rank))});
  }
  return places;
}

// The lane that a wait names, of a folded program as the representatives have it; marked, if it is another rank's.
std::uint32_t awaited_lane(const Program& program, const Lane& waiting, std::uint32_t named) {
  if (!program.folded) return named | (program.lanes[named].rank == waiting.rank ? 0 : other_rank);
  const auto lanes = static_cast<std::uint32_t>(program.lanes.size());
  const auto rank = program.images->moved(static_cast<int>(named / lanes), program.lanes[named % lanes].rank);
  return named % lanes | (rank == waiting.rank ? 0 : other_rank);
}

// What every rank of a pattern shares.
struct Model {
  std::uint32_t first = 0;
  LaneStream stream;
};

}  // namespace

bool says_what_packets_cost(const Profile& profile) {
  return profile.packet_start.count() > 0 || profile.packet_item.count() > 0 || profile.packet_tail.count() > 0;
}

void TransferTime::compute(std::int64_t amount) {
  bytes = amount;
  if (rate <= 0) return;
  constexpr std::int64_t picoseconds = 1'000'000'000'000;
  if (amount < 9'000'000) {  // most: the product fits
    const auto product = amount * picoseconds;
    time = std::min(latest, product / rate + (product % rate != 0 ? 1 : 0));
    return;
  }
  __extension__ using Wide = __int128;
  const auto exact = (static_cast<Wide>(amount) * picoseconds + rate - 1) / rate;
  time = exact > latest ? latest : static_cast<std::int64_t>(exact);
}

Result<Compiled> compile(const Topology& topology, const Routes& routes, const Program& program, const Profile& profile,
                         const FoldedResources* known) {
  if (auto ok = check(profile); !ok) return std::move(ok).error();
  if (auto ok = check_program(topology, program); !ok) return std::move(ok).error();
  if (program.folded && !treats_alike(topology, profile))
    return Error{ErrorCode::unsupported, "a folded program is not simulated where ranks start apart, nor with quirks of PCIe or models of switches"};
  Compiled out;
  take_profile(out, program, profile);
  ResourcePaths machine(topology, profile, out);
  std::optional<ResourceImages> images;
  const bool directions_matter = profile.quirks.duplex_read != 1;
  const auto serves = [&] { return known->are_of(program, out.resources.size()) && (known->directions_agree() || !directions_matter); };
  if (!program.folded || (known != nullptr && !serves())) known = nullptr;
  if (program.folded && known == nullptr)
    images.emplace(*program.images, machine, out, [&](Rank executor, const Peer& peer) { return links_of(routes, program, executor, peer); });
  const Error not_alike{ErrorCode::unsupported, "a folded program is not simulated where images share links, or differ in theirs"};
  LaneReader reader(program, costs_of(program, profile));
  StreamStore store(out);
  expect_lanes(out, program.lanes.size());
  for (const auto& lane : program.lanes) {
    const auto& stream = reader.read(lane);
    add_lane(out, lane.rank, store.place(stream), stream.works.size());
    for (const auto& peer : stream.peers) {
      const auto links = links_of(routes, program, lane.rank, peer);
      if (links.empty()) return no_path(topology, lane.rank, peer);
      if (known != nullptr && !known->know({lane.rank, peer.operand.rank, peer.operand.route, peer.reads}))
        return compile(topology, routes, program, profile);
      machine.add(links, lane.rank, {.loads = peer.reads, .host_memory = peer.operand.buffer == Buffer::host});
      if (images && !images->take(lane.rank, peer)) return not_alike;
    }
    for (const auto other : stream.lanes) out.lane_table.push_back(awaited_lane(program, lane, other));
  }
  if (images && (!images->join() || (directions_matter && !images->directions_agree(topology)))) return not_alike;
  if (known != nullptr) {
    out.stands_for = known->stands_for();
    for (auto& stage : out.stages) stage.resource = out.stands_for[stage.resource];
  }
  out.places = places_of(program);
  if (program.folded) out.images = program.images->images();
  out.slices *= out.images;
  apply_quirks(out, topology, profile.quirks);
  return out;
}

Result<Compiled> compile(const Topology& topology, const PathOf& path_of, const Pattern& pattern, const Profile& profile) {
  if (auto ok = check(profile); !ok) return std::move(ok).error();
  if (auto ok = check_pattern(topology, pattern); !ok) return std::move(ok).error();
  Compiled out;
  take_profile(out, pattern.program, profile);
  ResourcePaths machine(topology, profile, out);
  LaneReader reader(pattern.program, costs_of(pattern.program, profile));
  StreamStore store(out);
  std::vector<Model> models;
  for (const auto& lane : pattern.program.lanes) {
    const auto& stream = reader.read(lane);
    models.push_back({store.place(stream), stream});
  }
  const auto per_rank = static_cast<std::uint32_t>(models.size());
  expect_lanes(out, models.size() * static_cast<std::size_t>(pattern.ranks()));
  for (int r = 0; r < pattern.ranks(); ++r) {
    for (const auto& [first, stream] : models) {
      add_lane(out, Rank{r}, first, stream.works.size());
      for (auto peer : stream.peers) {
        peer.operand.rank = pattern.seen_from(Rank{r}, peer.operand.rank);
        const auto links = peer.reads ? path_of(peer.operand.rank, Rank{r}) : path_of(Rank{r}, peer.operand.rank);
        if (links.empty()) return no_path(topology, Rank{r}, peer);
        machine.add(links, Rank{r}, {.loads = peer.reads});
      }
      for (const auto lane : stream.lanes) {
        const auto rank = pattern.seen_from(Rank{r}, Rank{lane / per_rank});
        out.lane_table.push_back((static_cast<std::uint32_t>(rank.value) * per_rank + lane % per_rank) | (rank == Rank{r} ? 0 : other_rank));
      }
    }
  }
  apply_quirks(out, topology, profile.quirks);
  return out;
}

}  // namespace p2plab
