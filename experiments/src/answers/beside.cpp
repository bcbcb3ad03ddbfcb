// SPDX-License-Identifier: Apache-2.0
// Answers about ours beside something else: NCCL, another machine, what was measured.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "answers/kinds.h"
#include "answers/ratio.h"
#include "answers/spans.h"
#include "p2plab/base/quantity.h"

namespace p2plab::answers {

namespace {

struct AtSize {
  Bytes size{0};
  Ratio ratio;  // of the first over the second
};

std::vector<AtSize> ratios(const BySize& a, const BySize& b) {
  std::vector<AtSize> all;
  for (const auto& [size, row] : a) {
    const auto other = b.find(size);
    if (other == b.end()) continue;
    if (const auto ratio = ratio_of(*row, *other->second)) all.push_back({size, *ratio});
  }
  return all;
}

std::string at_text(const AtSize& each) { return fmt::format("{} at {}", times_text(each.ratio), to_string(each.size)); }

// "2.41x as fast as NCCL at 1 KiB, 1.05x at 512 MiB, least 0.98x at 4 MiB", where the least is not at an end.
std::string profile_text(const std::vector<AtSize>& all, const std::string& what) {
  auto text = fmt::format("{} {} at {}", times_text(all.front().ratio), what, to_string(all.front().size));
  if (all.size() > 1) text += ", " + at_text(all.back());
  const auto least = std::ranges::min_element(all, {}, [](const AtSize& each) { return each.ratio.value; });
  if (least != all.begin() && std::next(least) != all.end()) text += ", least " + at_text(*least);
  return text;
}

// A cost below this is not worth a word: no machine repeats itself so well.
constexpr double nothing = 1.01;

// What each algorithm costs at the largest size that it has in both.
std::string each_algorithm(const Evidence& evidence, CollectiveKind kind) {
  std::vector<std::string> names;
  for (const auto& row : evidence.rows) {
    if (row.collective == kind && is_ours(row) && std::ranges::find(names, row.algorithm) == names.end()) names.push_back(row.algorithm);
  }
  std::vector<std::string> texts;
  for (const auto& name : names) {
    const auto mine = [&](const Row& row) { return is_ours(row) && row.algorithm == name; };
    const auto all = ratios(least_by_size(evidence.rows, kind, mine), least_by_size(evidence.other_rows, kind, mine));
    if (!all.empty()) texts.push_back(fmt::format("{} {}", name, percent_text(all.back().ratio.value)));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

// Is another planner best now?
std::string change_of_best(const BySize& now, const BySize& whole) {
  std::vector<Bytes> tried;
  std::vector<Bytes> changed;
  const Row* example = nullptr;
  for (const auto& [size, row] : now) {
    const auto other = whole.find(size);
    if (other == whole.end()) continue;
    tried.push_back(size);
    if (planner_of(*row) == planner_of(*other->second)) continue;
    changed.push_back(size);
    example = row;
  }
  if (changed.empty()) return "the best algorithm of each size is the same";
  return fmt::format("another algorithm is best {} (at {} {}, without the loss {})", spans_text(changed, tried), to_string(example->size),
                     name_of(*example), name_of(*whole.at(example->size)));
}

}  // namespace

Sentences against_nccl(const Evidence& evidence, CollectiveKind kind) {
  const auto device = [](const Row& row) { return row.clock() == Clock::device; };
  const auto nccl = least_by_size(evidence.rows, kind, [&](const Row& row) { return device(row) && row.executor().starts_with("nccl"); });
  const auto ours = least_by_size(evidence.rows, kind, [&](const Row& row) { return device(row) && !row.executor().starts_with("nccl"); });
  if (const auto measured = ratios(nccl, ours); !measured.empty()) {
    return {fmt::format("{}: measured on GPUs, the best plan is {}.", to_string(kind), profile_text(measured, "as fast as NCCL"))};
  }
  const auto formula = least_by_size(evidence.rows, kind, [](const Row& row) { return row.algorithm == "nccl_model"; });
  const auto best = least_by_size(evidence.rows, kind, is_ours);
  const auto predicted = ratios(formula, best);
  if (predicted.empty()) return {};
  return {fmt::format("{}: the best plan is predicted to be {} (NCCL itself did not run).", to_string(kind),
                      profile_text(predicted, "as fast as NCCL's own formula says of NCCL"))};
}

Sentences cost(const Evidence& evidence, CollectiveKind kind) {
  const auto now = least_by_size(evidence.rows, kind, is_ours);
  const auto whole = least_by_size(evidence.other_rows, kind, is_ours);
  const auto all = ratios(now, whole);
  if (all.empty()) return {};
  std::vector<Bytes> tried;
  std::vector<Bytes> free;
  for (const auto& each : all) {
    tried.push_back(each.size);
    if (each.ratio.value < nothing) free.push_back(each.size);
  }
  const auto most = std::ranges::max_element(all, {}, [](const AtSize& each) { return each.ratio.value; });
  auto text = fmt::format("{}: what is missing ({}) costs ", to_string(kind), fmt::join(evidence.masked, ", "));
  if (free.size() == all.size()) {
    text += "less than 1 % at every size";
  } else {
    const auto costs = std::ranges::find_if(all, [](const AtSize& each) { return each.ratio.value >= nothing; });
    text += fmt::format("{} at {}", percent_text(costs->ratio), to_string(costs->size));
    if (all.back().ratio.value >= nothing && costs->size != all.back().size) {
      text += fmt::format(", {} at {}", percent_text(all.back().ratio), to_string(all.back().size));
    }
    if (most->size != costs->size && most->size != all.back().size)
      text += fmt::format(", most {} at {}", percent_text(most->ratio), to_string(most->size));
    if (!free.empty()) text += fmt::format(", less than 1 % {}", spans_text(free, tried));
  }
  return {text + ".",
          fmt::format("{}: at the largest size it costs {}; {}.", to_string(kind), each_algorithm(evidence, kind), change_of_best(now, whole))};
}

Sentences machines(const RunQuestion& question, const Evidence& evidence, CollectiveKind kind) {
  const auto here = least_by_size(evidence.rows, kind, is_ours);
  const auto there = least_by_size(evidence.other_rows, kind, is_ours);
  const auto all = ratios(here, there);
  if (all.empty()) return {};
  const auto name = [](const std::string& machine, const Row& row) { return fmt::format("{} ({} GPUs)", machine, row.ranks); };
  return {fmt::format("{}: the best plan on {} takes {}.", to_string(kind), name(evidence.machine, *here.begin()->second),
                      profile_text(all, fmt::format("the time of the best on {}", name(question.other->name(), *there.begin()->second))))};
}

Sentences prediction_error(const Evidence& evidence, CollectiveKind kind) {
  double sum = 0;
  int count = 0;
  int inside = 0;
  int with_interval = 0;
  const Row* worst = nullptr;
  for (const auto& row : evidence.rows) {
    const auto error = row.error_pct();
    if (row.collective != kind || !error) continue;
    sum += std::abs(*error);
    ++count;
    if (worst == nullptr || std::abs(*error) > std::abs(*worst->error_pct())) worst = &row;
    const auto interval = row.interval();
    with_interval += interval ? 1 : 0;
    inside += interval && *row.time() >= interval->low && *row.time() <= interval->high ? 1 : 0;
  }
  if (count == 0) return {};
  auto text = fmt::format("{}: predictions are within {:.1f} % of what the GPUs measured in the mean of {} rows, worst {} at {} ({:+.1f} %)",
                          to_string(kind), sum / count, count, name_of(*worst), to_string(worst->size), *worst->error_pct());
  if (with_interval > 0) text += fmt::format("; {} of {} measurements lie within the prediction's interval", inside, with_interval);
  return {text + "."};
}

}  // namespace p2plab::answers
