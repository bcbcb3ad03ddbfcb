// SPDX-License-Identifier: Apache-2.0
// Regular graphs of GPUs joined directly: ring, mesh, torus, hypercube, full mesh. Bandwidth and latency are parameters, so there are no constants to
// cite but the defaults: 50 GB/s and 500 ns, as in the studies of such graphs (astra-sim/tacos: 50 GiB/s and 0.5 us).
#include <fmt/format.h>

#include "p2plab/machine/presets.h"
#include "sources/presets/values.h"

namespace p2plab::presets {

namespace {

struct Uniform {
  Bandwidth bandwidth;
  Seconds latency{0};
};

Uniform read_uniform(Values& values) { return {values.bandwidth("bandwidth"), values.latency("latency")}; }

void join(Topology::Builder& builder, NodeId a, NodeId b, const Uniform& link) {
  builder.add_duplex(a, b, LinkKind::other, link.bandwidth, link.latency);
}

Result<Topology> make_ring(const Parameters& parameters) {
  Values values(parameters);
  const int count = values.integer("gpus", 2, 4096);
  const bool both = values.word("directions", {"both", "one"}) == "both";
  const auto link = read_uniform(values);
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  Topology::Builder builder("ring");
  const auto gpus = add_gpus(builder, count);
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    const auto next = gpus[(i + 1) % gpus.size()];
    builder.add_link({gpus[i], next, LinkKind::other, link.bandwidth, link.latency});
    if (both && gpus.size() > 2) builder.add_link({next, gpus[i], LinkKind::other, link.bandwidth, link.latency});
  }
  return std::move(builder).build();
}

// GPU number = x + size_x * (y + size_y * z): the first extent runs fastest. A dimension of two has one link, wrapped or not.
Result<Topology> make_grid(const std::string& name, bool wrapped, const Parameters& parameters) {
  Values values(parameters);
  const auto extents = values.extents("dims", 1, 4096);
  const auto link = read_uniform(values);
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  std::size_t count = 1;
  for (const auto size : extents) count *= static_cast<std::size_t>(size);
  Topology::Builder builder(name);
  const auto gpus = add_gpus(builder, static_cast<int>(count));
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t stride = 1;
    for (const auto extent : extents) {
      const auto size = static_cast<std::size_t>(extent);
      const auto place = i / stride % size;
      if (place + 1 < size) join(builder, gpus[i], gpus[i + stride], link);
      if (wrapped && size > 2 && place + 1 == size) join(builder, gpus[i], gpus[i - place * stride], link);
      stride *= size;
    }
  }
  return std::move(builder).build();
}

Result<Topology> make_hypercube(const Parameters& parameters) {
  Values values(parameters);
  const int dimensions = values.integer("dimensions", 1, 12);
  const auto link = read_uniform(values);
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  Topology::Builder builder("hypercube");
  const auto gpus = add_gpus(builder, 1 << dimensions);
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    for (std::size_t bit = 1; bit < gpus.size(); bit <<= 1) {
      if ((i & bit) == 0) join(builder, gpus[i], gpus[i | bit], link);
    }
  }
  return std::move(builder).build();
}

Result<Topology> make_full_mesh(const Parameters& parameters) {
  Values values(parameters);
  const int count = values.integer("gpus", 1, 1024);
  const auto link = read_uniform(values);
  if (auto ok = values.status(); !ok) return std::move(ok).error();
  Topology::Builder builder("full-mesh");
  const auto gpus = add_gpus(builder, count);
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    for (std::size_t j = i + 1; j < gpus.size(); ++j) join(builder, gpus[i], gpus[j], link);
  }
  return std::move(builder).build();
}

std::vector<ParameterInfo> with_uniform(ParameterInfo first) {
  auto all = uniform_parameters("50 GB/s");
  all.insert(all.begin(), std::move(first));
  return all;
}

}  // namespace

std::vector<Preset> grids() {
  const auto mesh = [](const Parameters& parameters) { return make_grid("mesh", false, parameters); };
  const auto torus = [](const Parameters& parameters) { return make_grid("torus", true, parameters); };
  auto ring = with_uniform({"gpus", "how many", "8"});
  ring.push_back({"directions", "both, or one: GPU i only sends to GPU i + 1", "both"});
  return {{"ring", "GPUs in a circle", std::move(ring), make_ring},
          {"mesh", "GPUs in a line, grid or cube", with_uniform({"dims", "extents, as in 4x4 or 4x4x2", "4x4"}), mesh},
          {"torus", "the same with the ends of each dimension joined", with_uniform({"dims", "extents, as in 4x4 or 4x4x4", "4x4"}), torus},
          {"hypercube", "2^d GPUs, joined where their numbers differ in one bit", with_uniform({"dimensions", "d", "3"}), make_hypercube},
          {"full-mesh", "every pair of GPUs joined", with_uniform({"gpus", "how many", "8"}), make_full_mesh}};
}

}  // namespace p2plab::presets
