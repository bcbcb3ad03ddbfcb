// SPDX-License-Identifier: Apache-2.0
// A machine: two pairs of GPUs joined by NVLink, over one PCIe root. Where is it narrow, and how fast can an all-reduce be?
#include <cstdio>

#include <p2plab/bounds/bounds.h>
#include <p2plab/machine/islands.h>
#include <p2plab/machine/topology.h>

using namespace p2plab;

namespace {

int fail(const Error& error) {
  std::fputs(describe(error).c_str(), stderr);
  return exit_code(error);
}

Result<Topology> two_pairs() {
  Topology::Builder machine("two-pairs");
  const auto root = machine.add_node({.name = "root", .kind = NodeKind::host});
  NodeId last{0};
  for (int gpu = 0; gpu < 4; ++gpu) {
    const auto node = machine.add_node({.name = "gpu" + std::to_string(gpu), .kind = NodeKind::gpu});
    machine.add_duplex(node, root, LinkKind::pcie, GBps(25), Seconds{500e-9});
    if (gpu % 2 == 1) machine.add_duplex(last, node, LinkKind::nvlink, GBps(200), Seconds{350e-9});
    last = node;
  }
  return std::move(machine).build();
}

}  // namespace

int main() {
  const auto machine = two_pairs();
  if (!machine) return fail(machine.error());
  for (const auto& level : find_islands(*machine)) {
    std::printf("%zu islands: %s\n", level.islands.size(), level.reason.c_str());
  }
  const auto best = bound(*machine, make_collective(CollectiveKind::all_reduce, machine->ranks()));
  if (!best) return fail(best.error());
  std::printf("an all-reduce reaches at most %.1f GB/s, because %s\n", best->algbw_gbps(), best->argument.c_str());
}
