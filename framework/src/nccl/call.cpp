// SPDX-License-Identifier: Apache-2.0
// What NCCL's formula leaves out.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "nccl/counted.h"
#include "p2plab/detail/named.h"
#include "p2plab/nccl/nccl_call.h"

namespace p2plab::nccl {

namespace {

constexpr std::array all_modes{
    LaunchMode{.name = "graph",
               .meaning = "captured in a CUDA graph and replayed",
               .fixed_us = -1.5,
               .fixed_low_us = -2,
               .fixed_high_us = -1,
               .source = "kernels/measurements/all_reduce_2_3gpu.csv and all_reduce_4gpu.csv: NCCL 2.28.9 at 1 KiB in graphs"},
    LaunchMode{
        .name = "process",
        .meaning = "one process a GPU, not captured",
        .fixed_low_us = -1,
        .fixed_high_us = 12,
        .kernel_us = 2.2,
        .kernel_low_us = 1,
        .kernel_high_us = 3.5,
        .source = "what NCCL's base latencies were measured by; eight processes on A100 18 to 32 us up to 128 KiB, by the formula 15; a kernel as by "
                  "one thread"},
    LaunchMode{.name = "torch",
               .meaning = "one process a GPU, PyTorch's process group, not captured",
               .fixed_low_us = -1,
               .fixed_high_us = 12,
               .kernel_us = 2.2,
               .kernel_low_us = 1,
               .kernel_high_us = 10,
               .least_us = 32,
               .least_low_us = 15,
               .least_high_us = 50,
               .source =
                   "its calls take the CPU as long, whatever their size: 32.3, 32.2, 33.3, 35.2 us for 1, 16, 64, 128 KiB among four RTX PRO 6000 "
                   "(SGLang's tuning, voipmonitor/rtx6kpro, wrx90-cpayne-2switch-flat.md)"},
    LaunchMode{.name = "threads",
               .meaning = "one process, one thread a GPU, not captured",
               .fixed_us = 3,
               .fixed_high_us = 5,
               .kernel_us = 2.2,
               .kernel_low_us = 1,
               .kernel_high_us = 3.5,
               .source = "NCCL 2.28.9 on four H200s, nccl-tests -t 4: all-gather of 1 KiB 11.1 us, 6.8 in graphs; a kernel as by one thread"},
    LaunchMode{
        .name = "one-thread",
        .meaning = "one thread launches for all GPUs, not captured",
        .fixed_high_us = 4,
        .kernel_us = 2.2,
        .kernel_low_us = 1.8,
        .kernel_high_us = 3,
        .each_us = 4.6,
        .each_newer_us = 2.6,
        .each_low_us = 1.5,
        .each_high_us = 6,
        .one_thread = true,
        .source =
            "calls of a few KiB among eight GPUs, as long whatever their size: 39 and 44 us (A100), 42 (RTX 4090), 47 (P100), by RCCL 35 (MI355X), "
            "40 to 45 (MI300X), 50 (MI350X); on hosts with PCIe gen 5 25 (RTX 5090, EPYC 9575F), 26 (H100) and 30 (H200, both with NVLS); our "
            "kernels on two H200s 4.0 to 4.8 us more than in graphs (kernels/measurements/recording_2gpu.csv)"}};

constexpr double most_pipelined = 0.95;
constexpr double counted_gen4 = 24;

// What rings and pairs by simple reach of the bandwidth that NCCL counts. Over NVLink by size: each step waits for the one before, and messages up to
// hundreds of MiB have few steps for each channel: 0.87 up to 64 MiB (A100, H200, P100), 0.95 from 2 GiB (A100, B200). Over PCIe 45.5 of 48 GB/s (RTX
// 5090), and all of the 24 that NCCL counts of generation 4: 22 to 25.3 (RTX 4090), 25.5 (L40S). Through host memory the share is that of the
// transport.
double pipelined_share(const Graph& graph, Bytes size) {
  if (graph.by_host) return 1;
  constexpr double from = 0.87;
  if (!graph.nvlink) return graph.channels * graph.bw_intra > counted_gen4 ? most_pipelined : 1;
  const auto doublings = std::log2(std::max(1.0, static_cast<double>(size.count()) / (64 << 20)));
  return std::min(most_pipelined, from + (most_pipelined - from) * doublings / 5);
}

// One channel through host memory: 22 GB/s with two, 38 with eight (eight RTX PRO 6000, voipmonitor/rtx6kpro, hardware/pcie-bandwidth.md).
constexpr double host_channel_gbps = 11;

// NVLS has its efficiency in NCCL's formula, for large messages; smaller ones wait as rings do: 0.7 to 0.85 of it at 16 to 64 MiB, all from 1 GiB
// (H100 and H200, Azure/AI-benchmarking-guide).
double multicast_share(Bytes size) { return pipelined_share({.nvlink = true}, size) / most_pipelined; }

// With so many channels: each carries what the search gave it, through host memory what a thread block gets there; all together no more than the
// links.
Communicator with_channels(Communicator c, int channels) {
  for (auto* graph : {&c.ring, &c.tree}) {
    const auto each = graph->by_host ? host_channel_gbps : graph->bw_intra;
    graph->bw_intra = std::min(graph->channels * graph->bw_intra, channels * each) / channels;
    graph->bw_inter = std::min(graph->bw_inter, graph->bw_intra);
    graph->channels = channels;
  }
  return c;
}

// Published times of one kind of machine and size lie within these of what is predicted; through host memory, whose rates nobody publishes, within
// those of copies that go there (MI100, PCIe gen 4: 10 of 17 GB/s; H100: 40 of 28).
constexpr double fastest_share = 0.75;
constexpr double slowest_share = 1.35;
// In between NCCL changes protocols and drops channels by its version: 64 KiB to 16 MiB took 0.88 to 1.82 of it in nine of ten of 158 published rows.
constexpr double slowest_share_in_between = 1.8;
constexpr double fastest_by_host = 1 / 1.45;
constexpr double slowest_by_host = 1 / 0.45;

double egress_gbps(const Topology& topology, NodeId gpu, bool over_nvlink) {
  double nvlink = 0;
  double other = 0;
  for (const auto id : topology.out_links(gpu)) (topology.link(id).kind == LinkKind::nvlink ? nvlink : other) += counted_gbps(topology.link(id), 1);
  return over_nvlink && nvlink > 0 ? nvlink : other;
}

// Every pair at once, by LL or simple: what a rank sends to others leaves by its port. One hop of a ring is what it takes before.
Table::Choice all_to_all(const Topology& topology, const Communicator& c, Bytes size) {
  const auto port = egress_gbps(topology, topology.node_of(Rank{0}), c.ring.nvlink) * c.ring.share * c.ring.exchange;
  const auto bytes = static_cast<double>(size.count()) * (c.ranks - 1) / c.ranks;
  const double hops = c.ring.by_host ? 2 : 1;
  const auto ll = 6.6 + hops * (c.ring.nvlink ? 0.6 : 1.0) + bytes / (1000 * port * 0.5);
  const auto simple = 8.4 + hops * (c.ring.nvlink ? 3.4 : 5.7) + bytes / (1000 * port * pipelined_share(c.ring, size));
  return {.algorithm = Algorithm::ring, .proto = ll < simple ? Proto::ll : Proto::simple, .time = Seconds{std::min(ll, simple) * 1e-6}};
}

}  // namespace

std::span<const LaunchMode> launch_modes() { return all_modes; }

Result<LaunchMode> launch_mode(std::string_view name) {
  const auto* found = std::ranges::find(all_modes, name, &LaunchMode::name);
  if (found != all_modes.end()) return *found;
  std::vector<std::string> names;
  for (const auto& one : all_modes) names.emplace_back(one.name);
  return unknown_name("launch mode", std::string{name}, names);
}

Ends as_run(const LaunchMode& mode, int gpus, const Ends& alone, bool newer_host) {
  // Launches and GPUs work side by side; both vary, and the later of them counts.
  const auto later = [&](Seconds time, double fixed, double least, double each) {
    return std::max(Seconds{std::hypot(time.count() + fixed * 1e-6, each * gpus * 1e-6)}, Seconds{std::max(least, 1.0) * 1e-6});
  };
  const auto each = newer_host && mode.each_newer_us > 0 ? mode.each_newer_us : mode.each_us;
  const auto after = alone.high + Seconds{(mode.fixed_high_us + mode.each_high_us * gpus) * 1e-6};
  return {.time = later(alone.time, mode.fixed_us, mode.least_us, each),
          .low = later(alone.low, mode.fixed_low_us, mode.least_low_us, mode.each_low_us),
          .high = std::max(after, Seconds{mode.least_high_us * 1e-6})};
}

KernelLaunch kernel_launch(const LaunchMode& mode, int gpus) {
  const double launches = mode.one_thread ? gpus : 1;
  return {Seconds{mode.kernel_us * launches * 1e-6}, Seconds{mode.kernel_low_us * launches * 1e-6}, Seconds{mode.kernel_high_us * launches * 1e-6}};
}

Result<Estimate> estimate(const Topology& topology, const Communicator& communicator, CollectiveKind kind, Bytes size, const LaunchMode& mode,
                          const Asked& asked) {
  const auto told = asked.channels > 0 ? with_channels(communicator, asked.channels) : communicator;
  Table::Choice choice;
  if (kind == CollectiveKind::all_to_all) {
    choice = all_to_all(topology, told, size);
  } else {
    const auto best = Table(told, kind).best(size, asked.algorithm, asked.proto);
    if (!best) return Error{ErrorCode::unsupported, fmt::format("NCCL's formula has no {} by what it was told to use", to_string(kind))};
    choice = *best;
    const bool multicast = choice.algorithm == Algorithm::nvls;
    if (multicast || (choice.algorithm == Algorithm::ring && choice.proto == Proto::simple)) {
      const auto latency = Table(told, kind).at(choice.algorithm, choice.proto).latency_us * 1e-6;
      const auto share = multicast ? multicast_share(size) : pipelined_share(told.ring, size);
      choice.time = Seconds{latency + (choice.time.count() - latency) / share};
    }
  }
  const bool in_between = size.count() >= (64 << 10) && size.count() < (16 << 20);
  const auto slowest = told.ring.by_host ? slowest_by_host : in_between ? slowest_share_in_between : slowest_share;
  const Ends alone{choice.time, choice.time * (told.ring.by_host ? fastest_by_host : fastest_share), choice.time * slowest};
  // The CPUs that launch are as old as their GPUs.
  return Estimate{as_run(mode, communicator.ranks, alone, communicator.generation >= Generation::hopper), choice};
}

}  // namespace p2plab::nccl
