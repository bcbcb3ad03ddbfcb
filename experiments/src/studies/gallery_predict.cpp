// SPDX-License-Identifier: Apache-2.0
// What is predicted for one published figure: NCCL's collectives by its model and the way they were run, rings of other libraries and copies by the
// simulator.
#include <algorithm>
#include <array>
#include <functional>

#include <fmt/format.h>

#include "p2plab/experiment/gallery.h"
#include "p2plab/machine/mask.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/check.h"
#include "p2plab/schedule/verify.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

namespace {

using Unit = GalleryFigure::Unit;

constexpr Bytes copy_slice{1 << 20};
constexpr Bytes ring_slice{512 << 10};
// Copies of one kind of machine and another, by publication: NCCL's rates are 9 to 13 % low, traffic of others and both ways cost up to a fifth.
constexpr double copies_low = 0.8;
constexpr double copies_high = 1.15;
constexpr Seconds staged_start{18.7e-6};  // a least copy through host memory: 18.7 us on a DGX-1 with P100 (Tartan), whatever lies between

// In the figure's unit.
double value_of(const GalleryFigure& figure, Seconds time) {
  if (figure.unit == Unit::time) return microseconds(time);
  const auto copies = figure.unit == Unit::sum ? static_cast<double>(figure.copies.size()) : 1.0;
  const auto rate = copies * static_cast<double>(figure.size.count()) / time.count() * 1e-9;
  return figure.unit == Unit::busbw ? rate * bus_factor(figure.collective, figure.gpus) : rate;
}

GalleryPrediction prediction_of(const GalleryFigure& figure, Seconds time, Seconds fast, Seconds slow) {
  const auto ends = std::minmax({value_of(figure, fast), value_of(figure, slow)});
  return {.value = value_of(figure, time), .low = ends.first, .high = ends.second};
}

// Proved and lowered once for all profiles.
Result<Program> lowered(const Topology& topology, const Routes& routes, const Schedule& schedule, const Tuning& tuning, Bytes size) {
  const auto proof = verify(topology, routes, schedule);
  if (!proof) return proof.error();
  return lower_checked(topology, routes, schedule, *proof, {.elements = size.count() / 4, .type = DataType::float32}, tuning);
}

// By the profile as it is, and by its fastest and slowest ends.
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

// Copies by copy engines: none of what a kernel costs.
Profile of_copies(const Profile& profile) {
  return {.name = profile.name, .link_efficiency = profile.copy_efficiency > 0 ? profile.copy_efficiency : 1, .quirks = profile.quirks};
}

Result<Schedule> copies(const Topology& topology, const GalleryFigure& figure) {
  auto collective = make_collective(CollectiveKind::send_receive, topology.ranks());
  collective.pairs.clear();
  for (const auto& [from, to] : figure.copies) collective.pairs.emplace_back(Rank{from}, Rank{to});
  auto builder = Schedule::Builder::create(collective, topology.ranks());
  if (!builder) return std::move(builder).error();
  for (std::size_t p = 0; p < figure.copies.size(); ++p) {
    const auto [from, to] = collective.pairs[p];
    const auto chunk = builder->add_chunk({.block = static_cast<std::int32_t>(p)});
    if (figure.staged) {
      builder->copy(from, input(from, chunk), host(from, static_cast<std::int64_t>(p)));
      builder->copy(to, host(from, static_cast<std::int64_t>(p)), output(to, chunk));
    } else {
      builder->copy(from, input(from, chunk), output(to, chunk));
    }
  }
  return std::move(*builder).build();
}

// All bytes over the whole time; of copies each, by their own ends.
Seconds copy_time(const GalleryFigure& figure, const SimResult& result) {
  if (figure.unit != Unit::each) return to_seconds(result.makespan);
  const auto per_copy = figure.staged ? 2U : 1U;
  double rates = 0;
  for (std::size_t p = 0; p < figure.copies.size(); ++p) rates += 1 / to_seconds(result.steps[(p + 1) * per_copy - 1].end).count();
  return Seconds{static_cast<double>(figure.copies.size()) / rates};
}

Result<GalleryPrediction> predicted_copies(const GalleryCase& one, const GalleryFigure& figure) {
  const Routes routes(one.topology);
  const auto schedule = copies(one.topology, figure);
  if (!schedule) return schedule.error();
  const auto program = lowered(one.topology, routes, *schedule, {.slice = copy_slice}, figure.size);
  if (!program) return program.error();
  const auto times = at_ends(one.profile, [&](const Profile& profile) -> Result<Seconds> {
    const auto result = simulate(one.topology, routes, *program, of_copies(profile), {.steps = true});
    if (!result) return result.error();
    return copy_time(figure, *result);
  });
  if (!times) return times.error();
  return prediction_of(figure, (*times)[0], (*times)[1] / copies_high, (*times)[2] / copies_low);
}

// The way there, and the copy engine's start.
Result<GalleryPrediction> predicted_latency(const GalleryCase& one, const GalleryFigure& figure) {
  const Routes routes(one.topology);
  const auto [from, to] = figure.copies.front();
  const Rank a{from};
  const Rank b{to};
  std::vector<LinkId> way;
  const auto go = [&](std::span<const LinkId> links) { way.insert(way.end(), links.begin(), links.end()); };
  if (figure.staged) {
    go(routes.to_host(a, a));
    go(routes.from_host(a, b));
  } else {
    go(routes.between(a, b));
  }
  if (way.empty()) return Error{ErrorCode::unsupported, fmt::format("there is no way from rank {} to rank {}", from, to)};
  Seconds travel{0};
  for (const auto link : way) travel += one.topology.link(link).latency;
  const auto with = [&](const Profile& profile, double share) {
    return travel * share + (figure.staged ? staged_start * share : profile.copy_start);
  };
  return prediction_of(figure, with(one.profile, 1), with(fastest(one.profile), 0.7), with(slowest(one.profile), 1.5));
}

Result<GalleryPrediction> rings(const GalleryFigure& figure, const Topology& machine, const Routes& routes, const Profile& profile) {
  const auto planners = builtin_planners();
  auto plan = planners.find("ring")->make()->plan(machine, make_collective(figure.collective, machine.ranks()), {.routes = &routes});
  if (!plan) return std::move(plan).error();
  const auto program = lowered(machine, routes, plan->schedule, {.blocks_per_lane = 4, .slice = ring_slice}, figure.size);
  if (!program) return program.error();
  const auto times = at_ends(profile, [&](const Profile& costs) -> Result<Seconds> {
    const auto result = simulate(machine, routes, *program, costs, {.in_a_row = true});
    if (!result) return result.error();
    return to_seconds(result->period) + Seconds{nccl::launch_us(figure.way, figure.gpus) * 1e-6};
  });
  if (!times) return times.error();
  auto prediction = prediction_of(figure, (*times)[0], (*times)[1], (*times)[2]);
  prediction.by = "ring at our costs";
  return prediction;
}

Result<GalleryPrediction> predicted_collective(const GalleryCase& one, const GalleryFigure& figure) {
  std::vector<Rank> first;
  for (int r = 0; r < figure.gpus; ++r) first.push_back(Rank{r});
  const auto machine = keep_gpus(one.topology, first);
  if (!machine) return machine.error();
  const Routes routes(*machine);
  if (figure.rings_at_our_costs) return rings(figure, *machine, routes, one.profile);
  const auto communicator = nccl::search(*machine, routes, {.multicast = figure.multicast, .peers_over_hosts = figure.peers_over_hosts});
  if (!communicator) return communicator.error();
  const auto found = nccl::estimate(*machine, *communicator, figure.collective, figure.size, figure.way);
  if (!found) return found.error();
  auto prediction = prediction_of(figure, found->time, found->low, found->high);
  prediction.by = fmt::format("{} {}", to_string(found->choice.algorithm), to_string(found->choice.proto));
  if (figure.collective == CollectiveKind::all_to_all) prediction.by = fmt::format("all pairs {}", to_string(found->choice.proto));
  return prediction;
}

}  // namespace

Result<GalleryPrediction> predict(const GalleryCase& one, const GalleryFigure& figure) {
  switch (figure.kind) {
    case GalleryFigure::Kind::collective: return predicted_collective(one, figure);
    case GalleryFigure::Kind::copies: return predicted_copies(one, figure);
    case GalleryFigure::Kind::latency: break;
  }
  return predicted_latency(one, figure);
}

}  // namespace p2plab
