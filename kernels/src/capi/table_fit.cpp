// SPDX-License-Identifier: Apache-2.0
#include "capi/table_fit.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/routes.h"

namespace p2plab::capi {

namespace {

using runtime::RunningMachine;
using runtime::device::Reach;

enum class PathKind { nvlink, pcie, other, host, network };

PathKind path_kind(const Topology& topology, Rank from, Rank to) {
  const auto links = topology.routes().between(from, to);
  const auto is = [&](LinkKind kind) { return [&topology, kind](LinkId link) { return topology.link(link).kind == kind; }; };
  if (std::ranges::any_of(links, is(LinkKind::network))) return PathKind::network;
  const auto by_host = [&](LinkId link) { return topology.node(topology.link(link).to).kind == NodeKind::host; };
  if (links.empty() || std::ranges::any_of(links, by_host)) return PathKind::host;
  if (std::ranges::all_of(links, is(LinkKind::nvlink))) return PathKind::nvlink;
  return std::ranges::any_of(links, is(LinkKind::pcie)) ? PathKind::pcie : PathKind::other;
}

bool agree(PathKind kind, Reach reach) {
  if (reach == Reach::unseen) return true;
  switch (kind) {
    case PathKind::nvlink: return reach == Reach::nvlink;
    case PathKind::pcie: return reach == Reach::peer;
    case PathKind::other: return reach != Reach::none;  // links without a kind
    case PathKind::host: return reach == Reach::none;
    case PathKind::network: return false;
  }
  return false;
}

const char* text_of(PathKind kind) {
  switch (kind) {
    case PathKind::nvlink: return "NVLink";
    case PathKind::pcie: return "peer access over PCIe";
    case PathKind::other: return "peer access";
    case PathKind::host: return "no peer access";
    case PathKind::network: return "a network";
  }
  return "";
}

const char* text_of(Reach reach) {
  switch (reach) {
    case Reach::unseen: return "something that is not seen";
    case Reach::none: return "no peer access";
    case Reach::peer: return "peer access over PCIe";
    case Reach::nvlink: return "NVLink";
  }
  return "";
}

// "NVIDIA H200" and "H200 SXM" are one model; what no table knows is told apart by its text.
std::string model(const std::string& name) {
  const auto known = gpu_source(name, Origin::read, {});
  return known ? known->value : name;
}

// The name of a rank's GPU as the table has it; empty: it names none.
std::string named(const TunedTable& table, std::size_t rank) {
  if (table.measured && rank < table.measured->gpus.size()) return table.measured->gpus[rank];
  const auto kind = gpu_kind(table.topology);
  return kind ? kind->title : std::string{};
}

}  // namespace

std::string difference(const TunedTable& table, const RunningMachine& machine) {
  for (std::size_t r = 0; r < machine.gpus.size(); ++r) {
    const auto wanted = named(table, r);
    if (!wanted.empty() && model(wanted) != model(machine.gpus[r]))
      return fmt::format("the GPU of its rank {} is {}, here it is {}", r, wanted, machine.gpus[r]);
  }
  for (std::size_t a = 0; a < machine.gpus.size(); ++a) {
    for (std::size_t b = 0; b < machine.gpus.size(); ++b) {
      if (a == b) continue;
      const Rank from{static_cast<std::int64_t>(a)};
      const Rank to{static_cast<std::int64_t>(b)};
      const auto its = path_kind(table.topology, from, to);
      const bool apart = !machine.servers.together(from, to);
      if (apart ? its != PathKind::network : !agree(its, machine.reach[a][b]))
        return fmt::format("between its ranks {} and {} there is {}, here {}", a, b, text_of(its),
                           apart ? text_of(PathKind::network) : text_of(machine.reach[a][b]));
    }
  }
  return {};
}

std::string not_compared(const TunedTable& table, const RunningMachine& machine) {
  const auto blind = [](const auto& row) { return std::ranges::find(row, Reach::unseen) != row.end(); };
  std::string text;
  if (std::ranges::any_of(machine.reach, blind)) text = "how the GPUs are joined, since no process sees another's (CUDA_VISIBLE_DEVICES)";
  if (named(table, 0).empty()) text += std::string{text.empty() ? "" : "; "} + "which GPUs it is for, since it names none";
  return text;
}

bool all_by_host(const Topology& topology) {
  for (int a = 0; a < topology.ranks(); ++a) {
    for (int b = 0; b < topology.ranks(); ++b) {
      if (a != b && path_kind(topology, Rank{a}, Rank{b}) != PathKind::host) return false;
    }
  }
  return true;
}

}  // namespace p2plab::capi
