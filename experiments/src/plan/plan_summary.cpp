// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/plan_summary.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/quantity.h"
#include "p2plab/program/alike.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/segments/segments.h"
#include "plan/collective_bound.h"
#include "plan/floors_json.h"
#include "plan/grain.h"
#include "report/assumed_json.h"

namespace p2plab {

namespace {

int most_chunks_of_a_block(const Schedule& schedule) {
  std::vector<int> counts(schedule.blocks().size());
  for (const auto& chunk : schedule.chunks()) ++counts[static_cast<std::size_t>(chunk.block)];
  return counts.empty() ? 0 : *std::ranges::max_element(counts);
}

std::string or_dash(std::optional<double> value, const std::string& unit) { return value ? fmt::format("{:.2f}{}", *value, unit) : "-"; }

// "56.0 MiB": to a tenth, where `to_string` would be exact and long.
std::string about(Bytes size) {
  constexpr double unit = 1024;
  const auto count = static_cast<double>(size.count());
  if (count < unit) return to_string(size);
  return count < unit * unit ? fmt::format("{:.1f} KiB", count / unit) : fmt::format("{:.1f} MiB", count / unit / unit);
}

double efficiency_of(const Profile& profile, Protocol protocol) {
  return protocol == Protocol::copy && profile.copy_efficiency > 0 ? profile.copy_efficiency : profile.link_efficiency;
}

// All bytes of the bound's cut pass links, so they take longer by what is no data there.
std::optional<Seconds> at_link_rates(const Evaluator& evaluator, const Limit& least, const Evaluation& evaluation) {
  const auto efficiency = efficiency_of(evaluator.profile(), evaluation.program.tuning.protocol);
  const auto& collective = evaluation.plan().schedule.collective();
  auto payload = evaluation.program.payload;
  const bool only_links =
      std::ranges::all_of(evaluator.topology().limits(), [](const auto& limit) { return limit.kind == MachineLimit::Kind::link; });
  if (efficiency >= 1 || !only_links || !collective.shares.empty()) return std::nullopt;
  const auto whole = payload.elements - payload.elements % std::ssize(collective.members);  // blocks are whole elements
  payload.elements = static_cast<std::int64_t>(static_cast<double>(whole) / efficiency);
  return least.time(payload);
}

std::vector<KindFloor> floors_of(const Evaluator& evaluator, const Limit& least, const Evaluation& evaluation) {
  if (!least.bound || evaluation.program.epilogue) return {};
  return collective_floors(evaluator.topology(), evaluation.plan().schedule.collective(), *least.bound, evaluation.program.payload,
                           evaluator.profile());
}

}  // namespace

std::optional<double> PlanSummary::optimality() const {
  if (!bound_gbps || *bound_gbps <= 0) return std::nullopt;
  return algbw_gbps / *bound_gbps;
}

std::optional<double> PlanSummary::gap_pct() const {
  if (!bound || bound->count() <= 0) return std::nullopt;
  return (alone.value_or(predicted) / *bound - 1) * 100;
}

namespace {

// Cut at servers and played; what cannot be cut runs otherwise, and large plans take too long, whether of many steps or of many slices.
std::optional<PlanSummary::OverServers> over_servers(const Evaluator& evaluator, const Evaluation& evaluation) {
  constexpr std::size_t most_steps = 20'000;
  constexpr int most_servers = 512;              // a program for each is much memory
  constexpr std::int64_t most_played = 200'000;  // slices
  const auto& program = evaluation.program;
  if (steps_as_copies(evaluation.plan().schedule) > most_steps || program.epilogue) return std::nullopt;
  const auto& topology = evaluator.topology();
  if (std::ranges::none_of(topology.links(), [](const Link& link) { return link.kind == LinkKind::network; })) return std::nullopt;
  if (servers_of(topology).count() > most_servers) return std::nullopt;
  const auto cut = cut_at_servers(topology, evaluation.plan().schedule, program.payload, program.tuning, program.in_place);
  if (!cut || cut->servers.count() < 2 || slices_of(cut->joined) > most_played) return std::nullopt;
  const auto played = evaluator.simulate(cut->joined, {.in_a_row = true});
  if (!played) return std::nullopt;
  return PlanSummary::OverServers{cut->servers.count(), cut->stages.size(), to_seconds(played->period)};
}

}  // namespace

namespace {

// What `find` finds of the program; of the whole one where a folded one is not the same for all images on the machine or by the profile at hand.
template <class Find>
auto in_either_form(const Evaluator& evaluator, const Evaluation& evaluation, const Find& find) {
  auto found = find(evaluation.program);
  if (found || !evaluation.program.folded) return found;
  const auto whole = evaluator.whole(evaluation);
  return whole ? find(whole->program) : found;
}

// Bounds count latencies, which calls in a row may hide behind each other where not all ranks wait for all others.
std::optional<Seconds> alone_below(std::optional<Seconds> bound, const std::vector<KindFloor>& floors, const Evaluator& evaluator,
                                   const Evaluation& evaluation) {
  auto least = bound.value_or(Seconds{0});
  if (const auto* floor = floor_of(floors, kind_of(evaluator.topology(), evaluation.program))) least = std::max(least, floor->time);
  if (evaluation.prediction.time >= least) return std::nullopt;
  const auto played = in_either_form(evaluator, evaluation, [&](const Program& program) { return evaluator.simulate(program, {}); });
  if (!played || to_seconds(played->makespan) <= evaluation.prediction.time) return std::nullopt;
  return to_seconds(played->makespan);
}

}  // namespace

PlanSummary summarize(const Evaluator& evaluator, const Evaluation& evaluation, Seconds synthesis, const Limit& least) {
  const auto& schedule = evaluation.plan().schedule;
  const auto limit = bottleneck(evaluator.topology(), link_loads(evaluator.topology(), schedule));
  auto range = rests_on(evaluator.topology(), [&](const Topology& other) -> std::optional<double> {
    const Evaluator there(other, evaluator.profile());
    const auto time = in_either_form(evaluator, evaluation, [&](const Program& program) { return there.time(program); });
    return time ? std::optional{microseconds(*time)} : std::nullopt;
  });
  auto floors = floors_of(evaluator, least, evaluation);
  const auto alone = alone_below(least.time(evaluation.program.payload), floors, evaluator, evaluation);
  const auto prediction = range.on.empty()
                              ? Result{Prediction{}}
                              : in_either_form(evaluator, evaluation, [&](const Program& program) { return evaluator.predict(program); });
  return PlanSummary{.algorithm = evaluation.plan().planner,
                     .collective = std::string{to_string(schedule.collective().kind)},
                     .ranks = static_cast<int>(schedule.collective().members.size()),
                     .size = evaluation.program.payload.size(),
                     .steps = schedule.step_count(),
                     .chunks = schedule.chunks().size(),
                     .trees_per_root = most_chunks_of_a_block(schedule),
                     .height = rounds(schedule),
                     .verified = true,  // an evaluation holds a proof
                     .algbw_gbps = limit.algbw_gbps(),
                     .bound_gbps = least.algbw_gbps,
                     .predicted = evaluation.prediction.time,
                     .profile = evaluator.profile().name,
                     .interval = prediction ? prediction->interval : std::nullopt,
                     .rests_on = std::move(range),
                     .bound = least.time(evaluation.program.payload),
                     .alone = alone,
                     .at_link_rates = at_link_rates(evaluator, least, evaluation),
                     .link_efficiency = efficiency_of(evaluator.profile(), evaluation.program.tuning.protocol),
                     .floors = std::move(floors),
                     .kind = kind_of(evaluator.topology(), evaluation.program),
                     .argument = least.argument,
                     .cut = least.cut,
                     .over_servers = over_servers(evaluator, evaluation),
                     .synthesis = synthesis,
                     .thread_blocks = evaluation.program.blocks(),
                     .columns = evaluation.program.packets ? evaluation.program.packets->columns : 1,
                     .scratch = std::ranges::max(evaluation.program.memory, {}, &RankMemory::scratch).scratch,
                     .host = std::ranges::max(evaluation.program.memory, {}, &RankMemory::host).host,
                     .bottleneck = limit.name,
                     .reason = evaluation.reason(),
                     .parameters = evaluation.plan().parameters,
                     .tuning = evaluation.program.tuning};
}

std::string slicing(const Tuning& tuning) {
  auto text = tuning.slices > 0 ? fmt::format("{} slices a chunk", tuning.slices)
                                : fmt::format("slices of {}", tuning.slice.count() > 0 ? to_string(tuning.slice) : "a whole chunk");
  return tuning.lane_per_step ? text + ", steps apart" : text;
}

namespace {

std::string latency_text(const PlanSummary& plan) {
  const auto& least = *least_floor(plan.floors);
  auto text = fmt::format("  counting latency no plan takes less than {:.2f} us", microseconds(least.time));
  const auto* mine = floor_of(plan.floors, plan.kind);
  if (mine != nullptr && mine->time > least.time)
    text += fmt::format("; none by {} less than {:.2f} us", what_is(mine->kind), microseconds(mine->time));
  return text + "\n";
}

}  // namespace

std::string to_text(const PlanSummary& plan) {
  std::string parameters;
  for (const auto& [name, value] : plan.parameters) parameters += fmt::format(" {}={}", name, value);
  std::string text =
      fmt::format("{} of {} among {} ranks with {}{}\n", plan.collective, to_string(plan.size), plan.ranks, plan.algorithm, parameters);
  if (!plan.reason.empty()) text += fmt::format("  {}\n", plan.reason);
  text += fmt::format("  steps            {} on {} chunks, {} rounds\n", plan.steps, plan.chunks, plan.height);
  text += fmt::format("  proved           {}\n", plan.verified ? "yes" : "no");
  text += fmt::format("  algbw            {:.2f} GB/s by link loads (bound {})\n", plan.algbw_gbps, or_dash(plan.bound_gbps, " GB/s"));
  if (!plan.bottleneck.empty()) text += fmt::format("  limited by       {}\n", plan.bottleneck);
  text += fmt::format("  predicted        {:.2f} us (bound {})\n", microseconds(plan.predicted), or_dash(in_us(plan.bound), " us"));
  if (plan.alone) text += fmt::format("  alone            {:.2f} us: calls in a row overlap, the bound is of one call\n", microseconds(*plan.alone));
  text += fmt::format("  times            by profile {}\n", plan.profile);
  if (plan.over_servers)
    text += fmt::format("  over {:<12}{:.2f} us in {} stage{}, without what launches and sends cost on their own\n",
                        fmt::format("{} servers", plan.over_servers->servers), microseconds(plan.over_servers->predicted), plan.over_servers->stages,
                        plan.over_servers->stages == 1 ? "" : "s");
  if (plan.multiprocessors > 0) {
    text += fmt::format("  with {:<12}{:.2f} us, {:+.1f} %: the rest of each GPU is free\n",
                        fmt::format("{} SM{}", plan.multiprocessors, plan.multiprocessors == 1 ? "" : "s"), microseconds(plan.with_them),
                        (plan.with_them / plan.predicted - 1) * 100);
  }
  if (plan.interval)
    text += fmt::format("  interval         {:.2f} to {:.2f} us, with what is assumed of the machine at its ends\n", microseconds(plan.interval->low),
                        microseconds(plan.interval->high));
  text += rests_on_text(plan.rests_on, "us");
  text += fmt::format("  gap to bounds    {} of the time, {} of the bandwidth\n", or_dash(plan.gap_pct(), " %"),
                      or_dash(plan.optimality() ? std::optional{std::max(0.0, (1 - *plan.optimality()) * 100)} : std::nullopt, " %"));
  if (plan.at_link_rates && !(plan.bound && *plan.at_link_rates < *plan.bound)) {  // else the bound says more
    const double more = plan.bound ? (*plan.at_link_rates / *plan.bound - 1) * 100 : 0;
    text += fmt::format("  by link rates    no plan by {} takes less than {:.2f} us{}: they get {:.0f} % of a link's bandwidth, says the profile\n",
                        plan.tuning.protocol == Protocol::copy ? "copy engines" : "thread blocks", microseconds(*plan.at_link_rates),
                        more >= 1 ? fmt::format(", {:.0f} % above the bound", more) : std::string{}, 100 * plan.link_efficiency);
  }
  if (!plan.floors.empty()) text += latency_text(plan);
  if (!plan.argument.empty()) text += fmt::format("  proof of bound   {}\n", plan.argument);
  text += plan.columns > 1 ? fmt::format("  runs as          packets in {} columns of each GPU's threads\n", plan.columns)
                           : fmt::format("  runs as          {} thread blocks a GPU, {}\n", plan.thread_blocks, slicing(plan.tuning));
  text += fmt::format("  memory           {} of scratch a GPU{}\n", about(plan.scratch),
                      plan.host > Bytes{0} ? fmt::format(", {} in its host", about(plan.host)) : "");
  text += fmt::format("  planned in       {:.3f} s\n", plan.synthesis.count());
  return text;
}

std::string to_json(const PlanSummary& plan) {
  const auto end = [&](Seconds Interval::*which) { return plan.interval ? number(microseconds((*plan.interval).*which)) : nullptr; };
  nlohmann::ordered_json json{{"algorithm", plan.algorithm},
                              {"collective", plan.collective},
                              {"ranks", plan.ranks},
                              {"size_bytes", plan.size.count()},
                              {"steps", plan.steps},
                              {"chunks", plan.chunks},
                              {"trees_per_root", plan.trees_per_root},
                              {"height", plan.height},
                              {"verified", plan.verified},
                              {"algbw_gbps", number(plan.algbw_gbps)},
                              {"bound_gbps", number(plan.bound_gbps)},
                              {"optimality", number(plan.optimality())},
                              {"predicted_us", number(microseconds(plan.predicted))},
                              {"profile", plan.profile},
                              {"bound_us", number(in_us(plan.bound))},
                              {"alone_us", number(in_us(plan.alone))},
                              {"synthesis_s", number(plan.synthesis.count())},
                              {"thread_blocks", plan.thread_blocks},
                              {"scratch_bytes", plan.scratch.count()},
                              {"host_bytes", plan.host.count()},
                              {"bottleneck", plan.bottleneck},
                              {"parameters", plan.parameters},
                              {"slice_bytes", plan.tuning.slice.count()},
                              {"slices", plan.tuning.slices},
                              {"blocks_per_lane", plan.tuning.blocks_per_lane},
                              {"protocol", to_string(plan.tuning.protocol)},
                              {"gap_pct", number(plan.gap_pct())},
                              {"bound_at_link_rates_us", number(in_us(plan.at_link_rates))},
                              {"latency_bounds", floors_json(plan.floors)},
                              {"kind", to_string(plan.kind)},
                              {"argument", plan.argument},
                              {"cut", plan.cut},
                              {"reason", plan.reason},
                              {"predicted_low_us", end(&Interval::low)},
                              {"predicted_high_us", end(&Interval::high)},
                              {"rests_on", rests_on_json(plan.rests_on, "predicted_us")},
                              {"also_assumed", also_assumed_json(plan.rests_on)}};
  if (plan.columns > 1) json["columns"] = plan.columns;
  if (plan.over_servers)
    json["over_servers"] = {{"servers", plan.over_servers->servers},
                            {"stages", plan.over_servers->stages},
                            {"predicted_us", number(microseconds(plan.over_servers->predicted))}};
  if (plan.multiprocessors > 0) {
    json["multiprocessors"] = plan.multiprocessors;
    json["predicted_with_them_us"] = number(microseconds(plan.with_them));
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace p2plab
