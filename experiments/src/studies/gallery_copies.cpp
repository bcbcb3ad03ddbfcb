// SPDX-License-Identifier: Apache-2.0
// What is predicted for published copies: those that run at once share links and ports in the simulator.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "p2plab/machine/routes.h"
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
// A copy that a driver takes through host memory gets this share of its narrower crossing, piece by piece, filling and emptying: the middle one of
// eight machines, 0.97 (TITAN RTX), 0.94 (H100), 0.93 (P100), 0.83 (A100), 0.8 and 0.71 (RTX 5090), 0.5 and 0.48 (RTX 3090).
constexpr double staged_alone = 0.82;
// Of copies that a driver takes through host memory, several at once get this share of what each gets alone: both ways 57 of 86 GB/s (RTX 5090), 30
// of 43 (RTX 4090), 17 of 23 (RTX 3090) and of 21 (P100), 11 of 23 (TITAN RTX).
constexpr double staged_together = 0.68;

// Between which shares of the predicted rate published ones lie: PCIe copies reach 55 of the 48 GB/s that NCCL counts, and 10 % less on old hosts;
// what shares a way hangs on queues that nobody publishes, and both ways of one link on how the ends turn round (A100 behind NVSwitch: 410 to 520
// GB/s among the GPUs of one server); between two sockets boards with the same EPYCs carry 38 to 57 GB/s; drivers and virtual machines stage as they
// like.
struct Ends {
  double low = 1;
  double high = 1;
};
constexpr Ends alone{0.85, 1.22};
constexpr Ends both_ways{0.74, 1.22};
constexpr Ends across_sockets{0.65, 1.22};
constexpr Ends together{0.65, 1.35};
constexpr Ends by_host{0.45, 1.45};

constexpr bool is_host(int end) { return end == GalleryFigure::host_memory; }

const Ends& ends_of(const GalleryFigure& figure, const Topology& topology) {
  if (figure.staged) return by_host;
  if (figure.copies.size() > 2) return together;
  const bool across = std::ranges::any_of(figure.copies, [&](const auto& copy) {
    if (is_host(copy.first) || is_host(copy.second)) return false;
    const auto way = topology.routes().between(Rank{copy.first}, Rank{copy.second});
    return std::ranges::any_of(way, [&](LinkId id) { return topology.link(id).kind == LinkKind::upi; });
  });
  if (across) return across_sockets;
  return figure.copies.size() == 2 ? both_ways : alone;
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

// With a GPU more beside each rank's host: what it puts into host memory and takes from there is not timed, and takes no link of others.
Result<Topology> with_hands(const Topology& topology, std::vector<Rank>& hands) {
  Topology::Builder builder(topology.name());
  for (const auto& node : topology.nodes()) builder.add_node(node);
  for (const auto& link : topology.links()) builder.add_link(link);
  for (const auto& group : topology.groups()) builder.add_group(group);
  std::map<NodeId, Rank> of_host;
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto host = topology.routes().host_of(Rank{r});
    if (!host) return Error{ErrorCode::unsupported, fmt::format("rank {} reaches no host", r)};
    const auto [hand, added] = of_host.try_emplace(*host, Rank{topology.ranks() + static_cast<std::int64_t>(of_host.size())});
    hands.push_back(hand->second);
    if (!added) continue;
    const auto node = builder.add_node({.name = fmt::format("beside {}", topology.node(*host).name)});
    builder.add_duplex(node, *host, LinkKind::other, GBps(1e5), Seconds{0});
  }
  return std::move(builder).build();
}

// The steps of published copies, and which of them were timed.
struct Copies {
  Topology topology;
  Schedule schedule;
  std::vector<std::size_t> timed;
  std::vector<std::size_t> before;  // untimed ones, at whose end the timed ones begin
};

Result<Copies> copies(const Topology& topology, const GalleryFigure& figure) {
  std::vector<Rank> hands;
  auto machine = topology;
  if (std::ranges::any_of(figure.copies, [](const auto& copy) { return is_host(copy.first) || is_host(copy.second); })) {
    auto more = with_hands(topology, hands);
    if (!more) return std::move(more).error();
    machine = *std::move(more);
  }
  const auto end = [&](int one, int other) { return is_host(one) ? hands[static_cast<std::size_t>(other)] : Rank{one}; };
  auto collective = make_collective(CollectiveKind::send_receive, machine.ranks());
  collective.pairs.clear();
  for (const auto& [from, to] : figure.copies) collective.pairs.emplace_back(end(from, to), end(to, from));
  auto builder = Schedule::Builder::create(collective, machine.ranks());
  if (!builder) return std::move(builder).error();
  std::vector<std::size_t> timed;
  std::vector<std::size_t> before;
  std::size_t steps = 0;
  for (std::size_t p = 0; p < figure.copies.size(); ++p) {
    const auto [from, to] = collective.pairs[p];
    const auto chunk = builder->add_chunk({.block = static_cast<std::int32_t>(p)});
    const bool begins = is_host(figure.copies[p].first);
    if (begins || figure.staged || is_host(figure.copies[p].second)) {
      const auto memory = host(begins ? to : from, static_cast<std::int64_t>(p));
      builder->copy(from, input(from, chunk), memory);
      builder->copy(to, memory, output(to, chunk));
      if (begins) before.push_back(steps);
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
  return Copies{std::move(machine), *std::move(schedule), std::move(timed), std::move(before)};
}

// A thread block for each rank does all of its copies, one after the other, as on one CUDA stream.
void queue_on_one_stream(Program& program) {
  std::vector<Lane> lanes;
  for (const auto& lane : program.lanes) {
    if (lanes.empty() || lanes.back().rank != lane.rank)
      lanes.push_back(lane);
    else
      lanes.back().count += lane.count;
  }
  program.lanes = std::move(lanes);
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

Result<Program> lowered(const Topology& topology, const Schedule& schedule, const Tuning& tuning, Bytes size) {
  const auto proof = verify(topology, schedule);
  if (!proof) return proof.error();
  return lower_checked(topology, schedule, *proof, {.elements = size.count() / 4, .type = DataType::float32}, tuning);
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

namespace {

// What the figure's copies take by this profile. All begin at once, when what goes out of host memory is there.
Result<Seconds> played(const GalleryFigure& figure, const Copies& copies, const Program& program, const Profile& profile) {
  SimOptions options{.steps = true};
  if (!copies.before.empty()) {
    const auto prepared = simulate(copies.topology, program, profile, options);
    if (!prepared) return prepared.error();
    SimTime begin{0};
    for (const auto step : copies.before) begin = std::max(begin, prepared->steps[step].end);
    options.late.assign(static_cast<std::size_t>(copies.topology.ranks()), SimTime{0});
    for (const auto step : copies.timed) options.late[copies.schedule.base_step(StepId{static_cast<std::int64_t>(step)}).executor.index()] = begin;
  }
  const auto result = simulate(copies.topology, program, profile, options);
  if (!result) return result.error();
  return copy_time(figure, copies, *result);
}

}  // namespace

Result<GalleryPrediction> predicted_copies(const GalleryCase& one, const GalleryFigure& figure) {
  const auto made = copies(figure.staged ? for_host_traffic(one.topology) : one.topology, figure);
  if (!made) return made.error();
  auto tuning = by_engine(figure) ? Tuning{.slice = Bytes{std::max(least_slice, figure.size.count() / slices)}} : many_blocks;
  tuning.lane_per_step = !made->before.empty();  // into host memory and out of it by two engines of one GPU
  auto program = lowered(made->topology, made->schedule, tuning, figure.size);
  if (!program) return program.error();
  if (figure.queued) queue_on_one_stream(*program);
  const auto time = [&](const Profile& profile) { return played(figure, *made, *program, of_copies(figure, profile)); };
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
  const auto share = figure.staged ? staged_alone * (figure.copies.size() > 1 ? staged_together : 1) : 1;
  const auto& ends = ends_of(figure, made->topology);
  return prediction_of(figure, times[0] / share, times[1] / (share * ends.high), times[2] / (share * ends.low));
}

}  // namespace p2plab::gallery
