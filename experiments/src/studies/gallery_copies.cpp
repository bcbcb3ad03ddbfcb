// SPDX-License-Identifier: Apache-2.0
// What is predicted for published copies: those that run at once share links and ports in the simulator.
#include <algorithm>

#include "p2plab/program/check.h"
#include "p2plab/schedule/verify.h"
#include "p2plab/simulator/machine_change.h"
#include "p2plab/simulator/simulate.h"
#include "studies/gallery_parts.h"

namespace p2plab::gallery {

namespace {

using Mover = GalleryFigure::Mover;
using Unit = GalleryFigure::Unit;

constexpr std::int64_t least_slice = 1 << 20;
constexpr int slices = 64;  // of a larger copy: enough for those that share a way to take turns
// Enough thread blocks and loads in flight that links limit, as tools that measure links take.
constexpr Tuning many_blocks{.blocks_per_lane = 32, .slice = Bytes{64 << 10}};
// Of copies that a driver takes through host memory, several at once get this share of what each gets alone: both ways 57 of 86 GB/s (RTX 5090), 30
// of 43 (RTX 4090), 17 of 23 (RTX 3090) and of 21 (P100), 11 of 23 (TITAN RTX).
constexpr double staged_together = 0.68;

// Between which shares of the predicted rate published ones lie: PCIe copies reach 55 of the 48 GB/s that NCCL counts, and 10 % less on old hosts;
// what shares a way hangs on queues that nobody publishes; drivers and virtual machines stage as they like.
struct Ends {
  double low = 1;
  double high = 1;
};
constexpr Ends alone{0.85, 1.22};
constexpr Ends together{0.65, 1.35};
constexpr Ends by_host{0.45, 1.45};

const Ends& ends_of(const GalleryFigure& figure) {
  if (figure.staged) return by_host;
  return figure.copies.size() > 2 ? together : alone;
}

// What goes through host memory is no peer access: the link between sockets carries it as fast as any other, for which NCCL's counts do not speak.
Topology for_host_traffic(const Topology& topology) {
  double fastest = 0;
  for (const auto& link : topology.links()) fastest = std::max(fastest, link.kind == LinkKind::pcie ? link.bandwidth.gbps() : 0);
  std::vector<double> factors;
  for (const auto& link : topology.links()) factors.push_back(link.kind == LinkKind::upi ? std::max(1.0, 2 * fastest / link.bandwidth.gbps()) : 1);
  return scale_links(topology, factors);
}

bool by_engine(const GalleryFigure& figure) { return figure.mover == Mover::engine || figure.mover == Mover::pulls; }

// In the figure's unit.
double value_of(const GalleryFigure& figure, Seconds time) {
  if (figure.unit == Unit::time) return microseconds(time);
  const auto copies = figure.unit == Unit::sum ? static_cast<double>(figure.copies.size()) : 1.0;
  const auto rate = copies * static_cast<double>(figure.size.count()) / time.count() * 1e-9;
  return figure.unit == Unit::busbw ? rate * bus_factor(figure.collective, figure.gpus) : rate;
}

// Copy engines cost none of what a kernel does; kernels are timed without their launch.
Profile of_copies(const GalleryFigure& figure, Profile profile) {
  if (!by_engine(figure)) {
    profile.launch = Seconds{0};
    return profile;
  }
  return {.name = profile.name, .link_efficiency = profile.copy_efficiency > 0 ? profile.copy_efficiency : 1, .quirks = profile.quirks};
}

// The steps of published copies, and which of them were timed.
struct Copies {
  Schedule schedule;
  std::vector<std::size_t> timed = {};
};

Result<Copies> copies(const Topology& topology, const GalleryFigure& figure) {
  const auto other = [&](int gpu) { return gpu == 0 ? 1 : 0; };
  auto collective = make_collective(CollectiveKind::send_receive, topology.ranks());
  collective.pairs.clear();
  for (const auto& [from, to] : figure.copies) {
    // What goes to host memory goes on to another GPU, and what comes from it was put there: untimed.
    const bool ends = to == GalleryFigure::host_memory;
    const bool begins = from == GalleryFigure::host_memory;
    collective.pairs.emplace_back(Rank{begins ? other(to) : from}, Rank{ends ? other(from) : to});
  }
  auto builder = Schedule::Builder::create(collective, topology.ranks());
  if (!builder) return std::move(builder).error();
  std::vector<std::size_t> timed;
  std::size_t steps = 0;
  for (std::size_t p = 0; p < figure.copies.size(); ++p) {
    const auto [from, to] = collective.pairs[p];
    const auto slot = static_cast<std::int64_t>(p);
    const auto chunk = builder->add_chunk({.block = static_cast<std::int32_t>(p)});
    const bool begins = figure.copies[p].first == GalleryFigure::host_memory;
    if (begins || figure.staged || figure.copies[p].second == GalleryFigure::host_memory) {
      const auto memory = host(begins ? to : from, slot);
      builder->copy(from, input(from, chunk), memory);
      builder->copy(to, memory, output(to, chunk));
      timed.push_back(figure.staged || begins ? steps + 1 : steps);
      steps += 2;
    } else {
      const bool by_receiver = figure.mover == Mover::pulls || figure.mover == Mover::loads;
      builder->copy(by_receiver ? to : from, input(from, chunk), output(to, chunk));
      timed.push_back(steps++);
    }
  }
  auto schedule = std::move(*builder).build();
  if (!schedule) return std::move(schedule).error();
  return Copies{*std::move(schedule), std::move(timed)};
}

// All bytes over the whole time; of copies each, by their own ends.
Seconds copy_time(const GalleryFigure& figure, const Copies& copies, const SimResult& result) {
  auto begin = SimTime::max();
  SimTime end{0};
  for (const auto step : copies.timed) begin = std::min(begin, result.steps[step].begin);
  if (figure.staged) begin = SimTime{0};
  double rates = 0;
  for (const auto step : copies.timed) {
    end = std::max(end, result.steps[step].end);
    rates += 1 / to_seconds(result.steps[step].end - begin).count();
  }
  return figure.unit == Unit::each ? Seconds{static_cast<double>(copies.timed.size()) / rates} : to_seconds(end - begin);
}

}  // namespace

GalleryPrediction prediction_of(const GalleryFigure& figure, Seconds time, Seconds fast, Seconds slow) {
  const auto ends = std::minmax({value_of(figure, fast), value_of(figure, slow)});
  return {.value = value_of(figure, time), .low = ends.first, .high = ends.second};
}

Result<Program> lowered(const Topology& topology, const Routes& routes, const Schedule& schedule, const Tuning& tuning, Bytes size) {
  const auto proof = verify(topology, routes, schedule);
  if (!proof) return proof.error();
  return lower_checked(topology, routes, schedule, *proof, {.elements = size.count() / 4, .type = DataType::float32}, tuning);
}

Result<std::array<Seconds, 3>> at_ends(const Profile& profile, const std::function<Result<Seconds>(const Profile&)>& time) {
  std::array<Seconds, 3> times{};
  const std::array profiles{profile, fastest(profile), slowest(profile)};
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    const auto one = time(profiles[i]);
    if (!one) return one.error();
    times[i] = *one;
  }
  return times;
}

Result<GalleryPrediction> predicted_copies(const GalleryCase& one, const GalleryFigure& figure) {
  const auto machine = figure.staged ? for_host_traffic(one.topology) : one.topology;
  const Routes routes(machine);
  const auto made = copies(machine, figure);
  if (!made) return made.error();
  // What is timed from host memory begins when all of it is there.
  const bool whole = std::ranges::any_of(figure.copies, [](const auto& copy) { return copy.first == GalleryFigure::host_memory; });
  const auto slice = whole ? 0 : std::max(least_slice, figure.size.count() / slices);
  const auto tuning = by_engine(figure) ? Tuning{.slice = Bytes{slice}} : many_blocks;
  const auto program = lowered(machine, routes, made->schedule, tuning, figure.size);
  if (!program) return program.error();
  const auto time = [&](const Profile& profile) -> Result<Seconds> {
    const auto result = simulate(machine, routes, *program, of_copies(figure, profile), {.steps = true});
    if (!result) return result.error();
    return copy_time(figure, *made, *result);
  };
  std::array<Seconds, 3> times{};
  if (by_engine(figure)) {
    // Of a copy engine a profile knows what it reaches of links, nothing else.
    const auto once = time(one.profile);
    if (!once) return once.error();
    const auto reached = [&](const Profile& profile) { return of_copies(figure, profile).link_efficiency; };
    const auto here = reached(one.profile);
    times = {*once, *once * (here / reached(fastest(one.profile))), *once * (here / reached(slowest(one.profile)))};
  } else {
    const auto found = at_ends(one.profile, time);
    if (!found) return found.error();
    times = *found;
  }
  const auto share = figure.staged && figure.copies.size() > 1 ? staged_together : 1;
  const auto& ends = ends_of(figure);
  return prediction_of(figure, times[0] / share, times[1] / (share * ends.high), times[2] / (share * ends.low));
}

}  // namespace p2plab::gallery
