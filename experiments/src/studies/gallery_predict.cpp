// SPDX-License-Identifier: Apache-2.0
// What is predicted for one published figure: NCCL's collectives by its model and the way they were run, kernels and rings of others by the
// simulator.
#include <algorithm>

#include <fmt/format.h>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/routes.h"
#include "p2plab/plan/builtin_planners.h"
#include "studies/gallery_parts.h"

namespace p2plab {

namespace {

using gallery::at_ends;
using gallery::prediction_of;

// A least copy through host memory, whatever lies between: 13 us (RTX 4090, TITAN RTX), 14 (RTX 5090), 15 (RTX 3090), 19 (P100).
constexpr Seconds staged_start{14.5e-6};

// Kernels of others take between these shares of what one of ours is predicted to.
constexpr double fastest_kernel = 0.8;
constexpr double slowest_kernel = 1.3;

// Of a copy engine: how often it starts a least copy, or the way there where no profile says that; of a load: the way there and back.
Result<GalleryPrediction> predicted_latency(const GalleryCase& one, const GalleryFigure& figure) {
  const auto& routes = one.topology.routes();
  const auto [from, to] = figure.copies.front();
  const Rank a{from};
  const Rank b{to};
  const auto way = routes.between(a, b);
  if (way.empty() && !figure.staged) return Error{ErrorCode::unsupported, fmt::format("there is no way from rank {} to rank {}", from, to)};
  Seconds travel{0};
  for (const auto link : way) travel += one.topology.link(link).latency;
  const auto with = [&](const Profile& profile, double share) {
    if (figure.staged) return std::max(staged_start, profile.copy_start * 2) * share;
    if (figure.mover == GalleryFigure::Mover::loads) return travel * (1 + profile.read_request) * share;
    return profile.copy_start > Seconds{0} ? profile.copy_start : travel * share;
  };
  return prediction_of(figure, with(one.profile, 1), with(fastest(one.profile), 0.7), with(slowest(one.profile), 1.5));
}

// GPUs that load from each other meet before, so that all inputs are there, and after, so that nobody writes his anew too early: a flag to the
// farthest and a look at it, each time.
Seconds meetings(const GalleryFigure& figure, const Evaluator& evaluator, const Profile& profile) {
  const auto mode = figure.parameters.find("mode");
  if (mode == figure.parameters.end() || mode->second != "pull") return Seconds{0};
  const auto& topology = evaluator.topology();
  Seconds farthest{0};
  for (int other = 1; other < topology.ranks(); ++other) {
    Seconds travel{0};
    for (const auto link : evaluator.topology().routes().between(Rank{0}, Rank{other})) travel += topology.link(link).latency;
    farthest = std::max(farthest, travel);
  }
  return 2 * (profile.signal_peer + farthest + profile.poll);
}

// RCCL's rings go by slices from 2 MiB on, and wait a hop's latency each step beside their bytes: 2.1 us (RCCL's src/graph/tuning.cc, over xGMI), and
// NCCL's 8.4 us for the call. Our rings hide latencies behind bytes.
Seconds ring_of_rccl(const GalleryFigure& figure, const Topology& machine, Seconds bytes) {
  const auto kind = gpu_kind(machine);
  const bool of_amd = kind && kind->compute_capability == 0;
  if (figure.kernel != "ring" || !of_amd || figure.size < Bytes{2 << 20}) return Seconds{0};
  const auto rounds = figure.collective == CollectiveKind::all_reduce ? 2 : 1;
  return Seconds{8.4e-6} + Seconds{2.1e-6} * static_cast<double>(rounds * (machine.ranks() - 1)) + bytes;
}

// In the form that is predicted fastest; a call in a CUDA graph is what the simulator times.
Result<GalleryPrediction> kernel(const GalleryFigure& figure, const Topology& machine, const Profile& profile) {
  const Evaluator evaluator(machine, profile, {.forms = PlanForms::model});
  const auto planners = builtin_planners();
  const auto payload = payload_of(figure.size, DataType::float32, ReduceOp::sum);
  const PlanContext context{.payload = payload, .parameters = figure.parameters};
  auto plan = planners.find(figure.kernel)->make()->plan(machine, make_collective(figure.collective, machine.ranks()), context);
  if (!plan) return std::move(plan).error();
  const auto proved = evaluator.prove(*std::move(plan), false);
  if (!proved) return proved.error();
  const auto found = evaluator.evaluate(*proved, payload);
  if (!found) return found.error();
  const auto times = evaluator.predict(found->program);
  if (!times) return times.error();
  const auto bound = evaluator.time_below(times->time, found->program);
  if (!bound) return bound.error();
  const auto by_slices = ring_of_rccl(figure, machine, bound->busiest);
  const auto slower = std::max(1.0, by_slices / times->time);
  const auto ends = times->interval.value_or(Interval{times->time, times->time});
  // What is simulated is a call in a graph.
  const auto graph = *nccl::launch_mode("graph");
  const auto without = [](Seconds time, double us) { return time - Seconds{us * 1e-6}; };
  const auto met = meetings(figure, evaluator, profile);
  const auto run =
      nccl::as_run(figure.launch, figure.gpus,
                   {without(times->time * slower + met, graph.fixed_us),
                    without(ends.low * slower * fastest_kernel + meetings(figure, evaluator, fastest(profile)), graph.fixed_low_us),
                    without((ends.high * slower + meetings(figure, evaluator, slowest(profile))) * slowest_kernel, graph.fixed_high_us)});
  auto prediction = prediction_of(figure, run.time, run.low, run.high);
  prediction.by = figure.kernel;
  for (const auto& [name, value] : figure.parameters) prediction.by += fmt::format(" {} {}", name, value);
  return prediction;
}

Result<GalleryPrediction> predicted_collective(const GalleryCase& one, const GalleryFigure& figure) {
  std::vector<Rank> first;
  for (int r = 0; r < figure.gpus; ++r) first.emplace_back(r);
  const auto machine = keep_gpus(one.topology, first);
  if (!machine) return machine.error();
  if (!figure.kernel.empty()) return kernel(figure, *machine, one.profile);
  const auto communicator = nccl::search(*machine, {.multicast = figure.multicast, .peers_over_hosts = figure.peers_over_hosts});
  if (!communicator) return communicator.error();
  const auto found = nccl::estimate(*machine, *communicator, figure.collective, figure.size, figure.launch, figure.asked);
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
    case GalleryFigure::Kind::copies: return gallery::predicted_copies(one, figure);
    case GalleryFigure::Kind::latency: break;
  }
  return predicted_latency(one, figure);
}

}  // namespace p2plab
