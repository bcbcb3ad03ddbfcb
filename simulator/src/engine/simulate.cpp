// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/simulate.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "compile/check_program.h"
#include "compile/compiled.h"
#include "compile/fold.h"
#include "compile/lower_bound.h"
#include "compile/packet_waves.h"
#include "engine/calls_in_a_row.h"
#include "engine/engine.h"
#include "p2plab/detail/named.h"
#include "p2plab/detail/row_sharing.h"
#include "p2plab/program/epilogue.h"
#include "p2plab/program/packet_wire.h"

namespace p2plab {

namespace {

// Steps from the times of their slices.
std::vector<StepTiming> step_timings(const Program& program, const Compiled& compiled, const Engine& engine,
                                     const std::vector<std::int64_t>& begins) {
  std::int64_t steps = 0;
  for (const auto& i : program.instructions) steps = std::max(steps, std::int64_t{i.step.value} + 1);
  std::vector<StepTiming> timings(static_cast<std::size_t>(steps), {SimTime::max(), SimTime{0}});
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    for (std::size_t p = 0; p < compiled.blocks_per_lane; ++p) {
      auto at = engine.blocks().first_of(l * compiled.blocks_per_lane + p);
      const auto& lane = program.lanes[l];
      for (std::uint32_t index = 0; index < lane.count; ++index) {
        const auto step = program.instructions[lane.first + index].step;
        for (auto s = p; s < compiled.works[compiled.lanes[l].first + index].slices; s += compiled.blocks_per_lane, ++at) {
          if (step.value < 0) continue;
          auto& timing = timings[step.index()];
          timing.begin = std::min(timing.begin, SimTime{begins[at]});
          timing.end = std::max(timing.end, SimTime{engine.blocks().completions()[at]});
        }
      }
    }
  }
  for (auto& timing : timings) timing.begin = std::min(timing.begin, timing.end);
  return timings;
}

std::size_t told_by(const Compiled& compiled, std::size_t resource) { return compiled.stands_for.empty() ? resource : compiled.stands_for[resource]; }

void collect(SimResult& result, const Compiled& compiled, const Engine& engine) {
  for (const auto start : compiled.starts) result.rank_finish.emplace_back(start);
  result.rank_free.resize(compiled.starts.size());
  for (std::size_t b = 0; b < compiled.totals.size(); ++b) {
    if (compiled.totals[b] == 0) continue;
    const auto rank = compiled.lanes[b / compiled.blocks_per_lane].rank.index();
    auto& finish = result.rank_finish[rank];
    result.rank_free[rank] = std::max(result.rank_free[rank], SimTime{engine.blocks().free_at(b)});
    finish = std::max(finish, SimTime{engine.blocks().completions()[engine.blocks().first_of(b) + compiled.totals[b] - 1]});
  }
  for (std::size_t r = 0; r < compiled.resources.size(); ++r) {
    const auto& resource = compiled.resources[told_by(compiled, r)];
    result.uses.push_back({compiled.names[r], Bytes{resource.bytes}, SimTime{resource.busy}});
  }
  result.transfers = engine.transfers() * compiled.images;
  result.events = engine.events() * compiled.images;
}

// What representatives do all ranks do.
void tell_all(SimResult& result, const Program& program) {
  if (!program.folded) return;
  for (std::size_t r = 0; r < result.rank_finish.size(); ++r) {
    const auto of = program.images->representative(Rank{static_cast<std::int64_t>(r)}).index();
    result.rank_finish[r] = result.rank_finish[of];
    if (!result.rank_free.empty()) result.rank_free[r] = result.rank_free[of];
  }
}

// The makespan, checked against the lower bound.
Status conclude(SimResult& result, const Compiled& compiled, const LongestPath& path) {
  result.makespan = result.rank_finish.empty() ? SimTime{0} : *std::ranges::max_element(result.rank_finish);
  result.slices = compiled.slices;
  result.bound = SimTime{path.bound};
  // Fair shares are floating numbers, whose last digit may be short by a picosecond.
  constexpr SimTime last_digit{1000};
  if (compiled.fair && result.makespan < result.bound && result.makespan + last_digit >= result.bound) result.makespan = result.bound;
  if (result.makespan >= result.bound) return {};
  return Error{.code = ErrorCode::verification_failed,
               .message = fmt::format("the simulator's result ({} ps) is below its own lower bound ({} ps)", result.makespan.count(), path.bound),
               .notes = {"this is a bug of p2plab, not of your input; please report it with the program and the topology"}};
}

SimTime busiest(const Compiled& compiled, const LongestPath& path) {
  std::int64_t most = 0;
  for (std::size_t r = 0; r < compiled.resources.size(); ++r) {
    auto transfer_time = compiled.resources[r].transfer_time;
    most = std::max(most, transfer_time.of(path.loads[r]));
  }
  return SimTime{most};
}

// A contention-free estimate: the longest chain of waits, or the busiest resource's work.
SimResult estimate(const Compiled& compiled, const LongestPath& path) {
  SimResult result;
  for (const auto finish : path.rank_finish) result.rank_finish.emplace_back(finish);
  for (std::size_t r = 0; r < compiled.resources.size(); ++r) {
    auto transfer_time = compiled.resources[r].transfer_time;
    const auto load = path.loads[told_by(compiled, r)];
    result.uses.push_back({compiled.names[r], Bytes{load}, SimTime{transfer_time.of(load)}});
  }
  for (const auto& lane : compiled.lanes) {
    for (auto w = lane.first; w < lane.first + lane.count; ++w) {
      const auto& work = compiled.works[w];
      result.transfers += std::int64_t{work.slices} * (work.sources + work.destinations) * compiled.images;
    }
  }
  result.slices = compiled.slices;
  result.busiest = busiest(compiled, path);
  result.makespan = result.bound = SimTime{path.bound};
  return result;
}

// What is not played to its end.
struct InVain {
  SimTime ends_after = SimTime::max();    // certainly
  SimTime none_free_by = SimTime::max();  // of the ranks that do anything
};

Result<SimResult> play(Compiled& compiled, const Program* program, const SimOptions& options, const InVain& in_vain) {
  expects(options.late.empty() || options.late.size() == compiled.starts.size());
  for (std::size_t r = 0; r < options.late.size(); ++r) compiled.starts[r] += options.late[r].count();
  SimResult result;
  const auto path = longest_path(compiled);
  if (path.bound >= latest) return Error{ErrorCode::unsupported, "the simulated time exceeds 26 days; check bandwidths and sizes"};
  const auto estimated = [&] {
    auto told = estimate(compiled, path);
    if (program != nullptr) tell_all(told, *program);
    return told;
  };
  if (options.engine == SimEngine::path || SimTime{path.bound} > options.useful) {
    result = estimated();
    result.played = SimTime{path.bound} <= options.useful;
    return result;
  }
  compiled.fair = options.engine == SimEngine::max_min;
  std::vector<std::int64_t> begins;
  Engine engine(compiled, {options.steps ? &begins : nullptr, options.record ? &result.recording : nullptr, program, !options.skip});
  if (in_vain.ends_after < SimTime{latest}) engine.give_up_beyond(in_vain.ends_after.count(), path.loads);
  if (in_vain.none_free_by < SimTime{latest}) engine.give_up_if_none_is_free_by(in_vain.none_free_by.count());
  if (auto ok = engine.run(); !ok) return std::move(ok).error();
  if (engine.given_up()) {
    result = estimated();
    result.played = false;
    return result;
  }
  collect(result, compiled, engine);
  if (program != nullptr) tell_all(result, *program);
  result.busiest = busiest(compiled, path);
  if (auto ok = conclude(result, compiled, path); !ok) return std::move(ok).error();
  if (options.steps) result.steps = step_timings(*program, compiled, engine, begins);
  return result;
}

// What one rank's part says about all; none if it says nothing.
Result<std::optional<SimResult>> play_folded(const Compiled& whole, std::size_t lanes, const SimOptions& options) {
  auto folded = fold(whole, lanes);
  if (!folded) return std::optional<SimResult>{};
  auto& one = folded->compiled;
  const auto path = longest_path(one);
  Engine engine(one, {.every_slice = !options.skip});
  if (auto ok = engine.run(); !ok) return std::move(ok).error();
  if (engine.ambiguous()) return std::optional<SimResult>{};
  SimResult result;
  collect(result, one, engine);
  const auto ranks = static_cast<std::int64_t>(whole.starts.size());
  result.rank_finish.assign(whole.starts.size(), result.rank_finish.front());
  for (std::size_t r = 0; r < whole.resources.size(); ++r) {
    const auto of = folded->stands_for[r];
    const auto& resource = one.resources[static_cast<std::size_t>(std::max(of, 0))];
    result.uses[r] = {whole.names[r], of < 0 ? Bytes{0} : Bytes{resource.bytes}, of < 0 ? SimTime{0} : SimTime{resource.busy}};
  }
  result.busiest = busiest(one, path);
  result.transfers *= ranks;
  result.events *= ranks;
  if (auto ok = conclude(result, whole, path); !ok) return std::move(ok).error();
  return std::optional{std::move(result)};
}

Result<SimResult> simulate_as_it_is(const Topology& topology, const Program& program, const Profile& profile, const SimOptions& options) {
  if (options.engine != SimEngine::events && (options.record || (options.steps && options.engine == SimEngine::path)))
    return Error{ErrorCode::unsupported, "recordings and the times of steps need the engine 'events'"};
  if (options.in_a_row && !options.late.empty()) return Error{ErrorCode::unsupported, "ranks that are late and calls in a row are two questions"};
  if (program.folded && (options.record || options.steps || options.engine == SimEngine::max_min || !options.late.empty()))
    return Error{ErrorCode::unsupported,
                 "recordings, the times of steps, fair shares and ranks that are late need a whole program; this one is folded"};
  auto compiled =
      compile(topology, (options.routes_of != nullptr ? *options.routes_of : topology).routes(), program, profile, options.resources.get());
  if (!compiled) return std::move(compiled).error();
  if (!options.in_a_row || !has_tokens(program)) return play(*compiled, &program, options, {.ends_after = options.useful});
  auto alone = options;
  const auto at_once = most_calls_at_once(program);
  alone.useful = options.useful < SimTime::max() / at_once ? options.useful * at_once : SimTime::max();
  const CallsInARow calls(*compiled);
  // The first call may take longer than those that follow it: its bound holds for all, its play does not, but for what each rank advances by.
  auto result = play(*compiled, &program, alone, {.none_free_by = options.useful});
  if (!result || result->rank_free.empty()) return result;
  const SimOptions following{.engine = options.engine, .skip = options.skip};
  const auto period = calls.period(*result, options.useful, [&](Compiled& again) { return play(again, &program, following, {}); });
  if (!period) return period.error();
  result->played = period->at_least <= options.useful;
  result->period = period->is_settled() ? period->at_least : period->at_most;
  result->period_at_least = period->at_least;
  return result;
}

// What the epilogue adds on each rank that has the sums: blocks meet (by packets) or another kernel is launched (by slices), then up to 128 blocks
// read and write its rows, no faster than memory. Rows whose packets are normed as they arrive only have their outputs left to write.
Seconds epilogue_time(const Program& program, const Profile& profile) {
  if (!program.epilogue || program.payload.elements == 0) return Seconds{0};
  constexpr std::int64_t most_blocks = packet_threads / packet_threads_of_multiprocessor;
  // Where rows are few, blocks share them.
  const auto of_row = row_sharing(program.epilogue->hidden * size_of(program.payload.type) / 16).blocks;
  const auto blocks = std::clamp<std::int64_t>(rows_of(*program.epilogue, program.payload) * of_row, 1, most_blocks);
  const bool taken = packets_of_row(program) > 0 && ends_in_sums(program);
  const auto traffic = (taken ? written_by : traffic_of)(*program.epilogue, program.payload);
  Seconds rows{0};
  if (profile.reduce_rate) rows = Seconds{(traffic / *profile.reduce_rate).count() / static_cast<double>(blocks)};
  if (profile.memory_rate) rows = std::max(rows, traffic / *profile.memory_rate);
  return rows + (program.packets ? profile.signal_local : profile.launch);
}

std::int64_t threads_for(const SimOptions& options) {
  const auto threads = options.multiprocessors * packet_threads_of_multiprocessor;
  return options.multiprocessors > 0 ? std::min(threads, packet_threads) : packet_threads;
}

// Ranks that have the sums go on by themselves.
void add_epilogue(SimResult& result, const Program& program, const Profile& profile) {
  const auto time = to_sim_time(epilogue_time(program, profile));
  const auto without = result.makespan;
  for (std::size_t r = 0; r < result.rank_finish.size(); ++r) {
    if (program.memory[r].output != program.payload.size()) continue;
    result.rank_finish[r] += time;
    result.makespan = std::max(result.makespan, result.rank_finish[r]);
  }
  result.period += result.makespan - without;
  result.period_at_least += result.makespan - without;
}

// Where every rank hears from those it writes to, all begin and end their calls together.
Result<SimResult> with_period(Result<SimResult> result) {
  if (result && result->period == SimTime{0}) result->period = result->period_at_least = result->makespan;
  return result;
}

constexpr std::array engines{Named{"events", SimEngine::events}, Named{"max-min", SimEngine::max_min}, Named{"path", SimEngine::path}};

}  // namespace

std::string_view to_string(SimEngine engine) { return to_name(engine, std::span<const Named<SimEngine>>{engines}); }

Result<SimEngine> sim_engine(std::string_view name) { return from_name("engine", name, std::span<const Named<SimEngine>>{engines}); }

Result<SimResult> simulate(const Topology& topology, const Program& program, const Profile& profile, const SimOptions& options) {
  if (program.epilogue) {
    if (options.record) return Error{ErrorCode::unsupported, "recordings are of what moves data; this program has an epilogue"};
    auto plain = program;
    plain.epilogue = nullptr;
    auto result = simulate(topology, plain, profile, options);
    if (result) add_epilogue(*result, program, profile);
    return with_period(std::move(result));
  }
  if (!program.packets) return with_period(simulate_as_it_is(topology, program, profile, options));
  if (auto ok = check_program(topology, program); !ok) return std::move(ok).error();
  const auto packets = std::make_shared<const Program>(packet_waves(program, threads_for(options)));
  auto result = simulate_as_it_is(topology, *packets, profile, options);
  if (result && options.record) result->recording.packets = packets;
  return with_period(std::move(result));
}

Result<SimResult> simulate(const Topology& topology, const PathOf& path_of, const Pattern& pattern, const Profile& profile,
                           const SimOptions& options) {
  if (options.steps || options.record) {
    return Error{ErrorCode::unsupported, "a pattern gives no steps and no recording; unfold it into a program"};
  }
  auto compiled = compile(topology, path_of, pattern, profile);
  if (!compiled) return std::move(compiled).error();
  // Ranks that start apart, and profiles with quirks, are played one by one.
  if (options.fold && options.engine == SimEngine::events && options.late.empty() && profile.quirks == Quirks{}) {
    auto folded = play_folded(*compiled, pattern.program.lanes.size(), options);
    if (!folded) return std::move(folded).error();
    if (*folded) return **std::move(folded);
  }
  return play(*compiled, nullptr, options, {.ends_after = options.useful});
}

}  // namespace p2plab
