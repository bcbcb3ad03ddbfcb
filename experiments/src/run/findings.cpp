// SPDX-License-Identifier: Apache-2.0
#include "run/findings.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "answers/spans.h"
#include "p2plab/base/quantity.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/simulator/critical_path.h"

namespace p2plab {

namespace {

// The evaluation behind a row.
const Evaluation* evaluation_of(const Row& row, std::span<const PlannedCase> cases) {
  for (const auto& each : cases) {
    if (each.kind == row.collective && each.size == row.size && each.choice->label() == row.algorithm && each.evaluation) return &*each.evaluation;
  }
  return nullptr;
}

const PlannedCase* planned_by(const std::string& planner, std::span<const PlannedCase> cases) {
  const auto found = std::ranges::find_if(cases, [&](const PlannedCase& o) {
    return o.kind == CollectiveKind::all_reduce && o.evaluation && o.choice->name == planner && o.choice->parameters.empty();
  });
  return found == cases.end() ? nullptr : &*found;
}

// The winner of a kind at its largest size.
const Row* largest_winner(std::span<const Row> rows, CollectiveKind kind) {
  const Row* largest = nullptr;
  for (const auto& row : rows) {
    if (row.winner && row.collective == kind && (largest == nullptr || row.size > largest->size)) largest = &row;
  }
  return largest;
}

}  // namespace

std::vector<std::string> bottleneck_sentences(const Evaluator& evaluator, std::span<const PlannedCase> cases, std::span<const Row> rows) {
  std::vector<std::string> sentences;
  for (const auto kind : answers::collectives_of(rows)) {
    const auto* largest = largest_winner(rows, kind);
    const auto* evaluation = largest != nullptr ? evaluation_of(*largest, cases) : nullptr;
    if (evaluation == nullptr || largest->size.count() == 0) continue;
    const auto limit = bottleneck(evaluator.topology(), link_loads(evaluator.topology(), evaluation->plan().schedule));
    if (limit.seconds_per_byte <= 0) continue;
    sentences.push_back(fmt::format("{}: what limits {} at {} is {}; its load allows an algbw of {:.2f} GB/s, predicted are {:.2f} GB/s.",
                                    to_string(kind), answers::name_of(*largest), to_string(largest->size), limit.name, limit.algbw_gbps(),
                                    largest->algbw_gbps().value_or(0)));
  }
  return sentences;
}

std::vector<std::string> critical_path_sentences(const Evaluator& evaluator, std::span<const WinnerRecording> recordings, std::span<const Row> rows) {
  std::vector<std::string> sentences;
  for (const auto kind : answers::collectives_of(rows)) {
    const auto* largest = largest_winner(rows, kind);
    const auto found = std::ranges::find_if(
        recordings, [&](const WinnerRecording& r) { return largest != nullptr && r.winner->kind == kind && r.winner->size == largest->size; });
    if (found == recordings.end() || found->result.makespan.count() == 0) continue;
    const auto& winner = found->winner;
    const auto& result = found->result;
    const auto path = critical_path(evaluator.topology(), winner->evaluation->program, evaluator.profile(), result);
    auto text = fmt::format("{}: the critical path of {} at {} is {}", to_string(kind), answers::name_of(*largest), to_string(largest->size),
                            shares_of(path));
    if (const auto most = busiest_on(path); most.resource >= 0) {
      const auto share = [&](SimTime part) { return 100.0 * static_cast<double>(part.count()) / static_cast<double>(result.makespan.count()); };
      const auto queueing = share(most.queued) < 0.05 ? std::string{} : fmt::format(", of it {:.1f} % queueing", share(most.queued));
      text += fmt::format("; most of it on {} ({:.1f} %{})", result.uses[static_cast<std::size_t>(most.resource)].name, share(most.time), queueing);
    }
    sentences.push_back(text + ".");
  }
  return sentences;
}

namespace {

// "that is explained if serialisation (68.3 % of its critical path) takes 1.27x as long": the parts, at most two, that can explain `ratio` times the
// path's time alone, and a second one only where it need not change beyond belief.
std::string explained_by(const CriticalPath& path, double makespan, double ratio) {
  constexpr double beyond_belief = 3;
  std::vector<std::pair<double, PathCause>> parts;
  for (std::size_t c = 0; c < path_causes; ++c) parts.emplace_back(static_cast<double>(path.by_cause[c].count()) / makespan, PathCause(c));
  std::ranges::sort(parts, std::greater<>{}, &std::pair<double, PathCause>::first);
  std::string text;
  for (const auto& [share, cause] : parts) {
    const double factor = share > 0 ? 1 + (ratio - 1) / share : 0;
    if (factor <= 0) continue;
    if (text.empty()) {
      text = fmt::format("that is explained if {} ({:.1f} % of its critical path) takes {:.2f}x as long", to_string(cause), 100 * share, factor);
    } else if (factor < beyond_belief && factor > 1 / beyond_belief) {
      return text + fmt::format(", or {} ({:.1f} %) {:.2f}x", to_string(cause), 100 * share, factor);
    }
  }
  return text.empty() ? "no part of its critical path alone explains that" : text;
}

bool is_outlier(const Row& row) {
  constexpr double far = 10;  // percent
  if (row.clock() != Clock::device || !row.error_pct() || std::abs(*row.error_pct()) < far) return false;
  return !row.interval() || *row.time() < row.interval()->low || *row.time() > row.interval()->high;
}

}  // namespace

std::vector<std::string> outlier_sentences(const Evaluator& evaluator, std::span<const PlannedCase> cases, std::span<const Row> rows) {
  std::vector<std::string> sentences;
  for (const auto kind : answers::collectives_of(rows)) {
    const Row* worst = nullptr;
    for (const auto& row : rows) {
      if (row.collective == kind && is_outlier(row) && (worst == nullptr || std::abs(*row.error_pct()) > std::abs(*worst->error_pct()))) worst = &row;
    }
    const auto* evaluation = worst != nullptr ? evaluation_of(*worst, cases) : nullptr;
    if (evaluation == nullptr || slices_of(evaluation->program) > most_recorded_slices) continue;
    const auto result = evaluator.simulate(evaluation->program, {.record = true});
    if (!result || result->makespan.count() == 0) continue;
    const auto path = critical_path(evaluator.topology(), evaluation->program, evaluator.profile(), *result);
    const double ratio = *worst->time() / *worst->predicted();
    sentences.push_back(fmt::format("{}: farthest from its prediction is {} at {}, {:.2f} us on {} where {:.2f} us were predicted ({:+.1f} %); {}.",
                                    to_string(kind), answers::name_of(*worst), to_string(worst->size), microseconds(*worst->time()),
                                    worst->executor(), microseconds(*worst->predicted()), 100 * (ratio - 1),
                                    explained_by(path, static_cast<double>(result->makespan.count()), ratio)));
  }
  return sentences;
}

std::vector<std::string> disturbed_sentences(std::span<const Row> rows) {
  std::map<std::string, std::vector<std::string>> rows_by_reason;
  for (const auto& row : rows) {
    for (const auto& reason : row.disturbed) {
      auto& places = rows_by_reason[reason];
      auto place = fmt::format("{} at {}", to_string(row.collective), to_string(row.size));
      if (std::ranges::find(places, place) == places.end()) places.push_back(std::move(place));
    }
  }
  std::vector<std::string> sentences;
  for (const auto& [reason, places] : rows_by_reason) {
    sentences.push_back(fmt::format("Disturbed, though timed again: {} ({}).", fmt::join(places, ", "), reason));
  }
  return sentences;
}

std::vector<std::string> trace_sentences(std::span<const WinnerRecording> recordings) {
  std::vector<std::string> sentences;
  for (const auto& [winner, result, measured] : recordings) {
    const auto slices = slices_of(winner->evaluation->program);
    if (slices <= most_traced_slices) continue;
    sentences.push_back(fmt::format("{}: {} has no trace at {}, where it has {} slices; traces hold up to {}.", to_string(winner->kind),
                                    winner->choice->label(), to_string(winner->size), slices, most_traced_slices));
  }
  return sentences;
}

std::vector<std::string> interval_sentences(std::span<const Row> rows) {
  double sum = 0;
  int count = 0;
  const Row* widest = nullptr;
  const auto width = [](const Row& row) { return (row.interval()->high - row.interval()->low) / row.prediction->time; };
  for (const auto& row : rows) {
    if (!row.interval() || row.prediction->time.count() <= 0) continue;
    sum += width(row);
    ++count;
    if (widest == nullptr || width(row) > width(*widest)) widest = &row;
  }
  if (count == 0) return {};
  return {fmt::format("The predictions' intervals are {:.0f} % wide on average; the widest is {} at {}, {:.2f} us ({:.2f} to {:.2f} us).",
                      100 * sum / count, widest->algorithm, to_string(widest->size), microseconds(widest->prediction->time),
                      microseconds(widest->interval()->low), microseconds(widest->interval()->high))};
}

double pcie_port_load(const Topology& topology, const Schedule& schedule) {
  const auto loads = link_loads(topology, schedule);
  const auto sum = [&](std::span<const LinkId> links) {
    double load = 0;
    for (const auto id : links) load += topology.link(id).kind == LinkKind::pcie ? loads.per_link[id.index()] : 0;
    return load;
  };
  double most = 0;
  for (int r = 0; r < topology.ranks(); ++r) {
    const auto gpu = topology.node_of(Rank{r});
    most = std::max({most, sum(topology.out_links(gpu)), sum(topology.in_links(gpu))});
  }
  return most;
}

std::vector<std::string> pcie_sentences(const Evaluator& evaluator, std::span<const PlannedCase> cases) {
  const auto* ring = planned_by("ring", cases);
  const auto* hierarchical = planned_by("hierarchical", cases);
  if (ring == nullptr || hierarchical == nullptr) return {};
  const auto load = [&](const PlannedCase& o) { return pcie_port_load(evaluator.topology(), o.evaluation->plan().schedule); };
  const auto flat = load(*ring);
  const auto layered = load(*hierarchical);
  if (flat <= 0 || layered <= 0) return {};
  const auto ratio = flat >= layered ? flat / layered : layered / flat;
  return {fmt::format(
      "all_reduce: hierarchical moves {:.1f}x {} bytes over the busiest GPU's PCIe port than the flat ring ({:.3f} against {:.3f} of the payload).",
      ratio, flat >= layered ? "fewer" : "more", layered, flat)};
}

std::vector<std::string> data_sentences(std::span<const Row> rows) {
  std::size_t checked = 0;
  std::size_t wrong = 0;
  Bytes largest{0};
  for (const auto& row : rows) {
    if (!row.data()) continue;
    ++checked;
    wrong += row.data()->passed ? 0 : 1;
    largest = std::max(largest, row.size);
  }
  if (checked == 0) return {};
  if (wrong > 0) return {fmt::format("Real data came out WRONG in {} of {} rows.", wrong, checked)};
  return {fmt::format("Real data, run and compared with a float64 reference, came out right in all {} rows tried (up to {}).", checked,
                      to_string(largest))};
}

}  // namespace p2plab
