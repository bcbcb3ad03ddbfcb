// SPDX-License-Identifier: Apache-2.0
// AMD servers: direct Infinity Fabric (xGMI) links, no switch.
// MI250X: 8 packages with two dies (GCDs) each, 16 GPUs to software; weights in units of 50 GB/s per direction as in the models of ForestColl
// (liangyuRain/ForestColl, mi250_topology) and TE-CCL, which agree. Others join every pair by one link, nominal (AMD's data sheets): MI100 four of a
// hive, 46 GB/s per direction; MI300X and MI325X eight, 64 GB/s (48 reached: ROCm blog on RCCL and xGMI); MI350X and MI355X eight, 76.8 GB/s.
// Latency: no published figure for one link; 500 ns.
#include <array>

#include <fmt/format.h>

#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "sources/presets/values.h"
#include "sources/tables/link_rates.h"

namespace p2plab::presets {

namespace {

struct Weight {
  int a;
  int b;
  int units;
};

constexpr std::array<Weight, 28> mi250_links{{{0, 1, 4},   {2, 3, 4},  {4, 5, 4},  {6, 7, 4},   {8, 9, 4},   {10, 11, 4}, {12, 13, 4},
                                              {14, 15, 4}, {0, 4, 2},  {3, 7, 2},  {8, 12, 2},  {11, 15, 2}, {0, 8, 1},   {1, 5, 1},
                                              {1, 9, 1},   {1, 10, 1}, {2, 6, 1},  {2, 9, 1},   {2, 10, 1},  {3, 11, 1},  {4, 6, 1},
                                              {5, 6, 1},   {5, 7, 1},  {9, 13, 1}, {10, 14, 1}, {12, 14, 1}, {13, 14, 1}, {13, 15, 1}}};

Result<Topology> selected(Result<Topology> whole, const std::vector<int>& gpus) {
  if (!whole) return whole;
  std::vector<Rank> kept;
  for (const auto gpu : gpus) kept.emplace_back(gpu);
  return keep_gpus(*whole, kept);
}

Result<Topology> make_mi250x(const Parameters& parameters) {
  Values values(parameters);
  const auto gpus = values.selection("gpus", 16);
  const auto latency = values.latency("latency");
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  Topology::Builder builder("mi250x");
  const auto dies = add_gpus(builder, 16);
  for (const auto& [a, b, units] : mi250_links) {
    builder.add_duplex(dies[static_cast<std::size_t>(a)], dies[static_cast<std::size_t>(b)], LinkKind::other, GBps(50.0 * units), latency);
  }
  return selected(std::move(builder).build(), gpus);
}

// Every pair joined by one link.
struct Mesh {
  std::string name;
  int gpus = 8;
  std::string title;
  std::string_view target;  // AMD's name, which tells the link
};

Result<Topology> make_mesh(const Mesh& mesh, const Parameters& parameters) {
  Values values(parameters);
  const auto gpus = values.selection("gpus", mesh.gpus);
  const auto bandwidth = values.bandwidth("bandwidth");
  const auto latency = values.latency("latency");
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  Topology::Builder builder(mesh.name);
  const auto nodes = add_gpus(builder, mesh.gpus);
  for (std::size_t a = 0; a < nodes.size(); ++a) {
    for (std::size_t b = a + 1; b < nodes.size(); ++b) builder.add_duplex(nodes[a], nodes[b], LinkKind::other, bandwidth, latency);
  }
  return selected(std::move(builder).build(), gpus);
}

Preset mesh_preset(const Mesh& mesh) {
  const auto rate = fmt::format("{:g} GB/s", xgmi_link(mesh.target).gbps());
  return {mesh.name,
          fmt::format("{} {}, every pair joined by xGMI of {}", mesh.gpus, mesh.title, rate),
          {{"gpus", fmt::format("how many of the {}, or which", mesh.gpus), std::to_string(mesh.gpus)},
           {"bandwidth", "of each link, in each direction", rate},
           {"latency", "of each link", "500 ns"}},
          [=](const Parameters& parameters) { return make_mesh(mesh, parameters); }};
}

}  // namespace

std::vector<Preset> amd() {
  return {{"mi250x",
           "16 dies of 8 MI250X, xGMI of 50, 100 and 200 GB/s",
           {{"gpus", "how many of the 16 dies, or which", "16"}, {"latency", "of each link", "500 ns"}},
           make_mi250x},
          mesh_preset({"mi100", 4, "MI100 of one hive", "gfx908"}),
          mesh_preset({"mi300x", 8, "MI300X", "gfx942"}),
          mesh_preset({"mi325x", 8, "MI325X", "gfx942"}),
          mesh_preset({"mi350x", 8, "MI350X", "gfx950"}),
          mesh_preset({"mi355x", 8, "MI355X", "gfx950"})};
}

}  // namespace p2plab::presets
