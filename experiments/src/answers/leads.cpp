// SPDX-License-Identifier: Apache-2.0
// Answers about algorithms of one machine beside each other.
#include <algorithm>

#include <fmt/format.h>

#include "answers/kinds.h"
#include "answers/ratio.h"
#include "answers/spans.h"
#include "p2plab/base/quantity.h"

namespace p2plab::answers {

namespace {

std::vector<Bytes> sizes_of(const BySize& rows) {
  std::vector<Bytes> sizes;
  for (const auto& [size, row] : rows) sizes.push_back(size);
  return sizes;
}

// Is the order left open: may what is behind be ahead, if the profile's numbers lie elsewhere in their intervals?
bool open_order(const Row& behind, const Row& ahead) {
  const auto lead = ratio_of(behind, ahead);
  return lead && lead->low && *lead->low < 1;
}

// Sizes in a row that one planner wins: "one_shot from 1 KiB to 64 KiB".
std::vector<std::string> reigns(const BySize& winners) {
  std::vector<std::string> texts;
  for (auto first = winners.begin(); first != winners.end();) {
    auto last = first;
    auto next = std::next(first);
    for (; next != winners.end() && name_of(*next->second) == name_of(*first->second); ++next) last = next;
    texts.push_back(first == last ? fmt::format("{} at {}", name_of(*first->second), to_string(first->first))
                                  : fmt::format("{} from {} to {}", name_of(*first->second), to_string(first->first), to_string(last->first)));
    first = next;
  }
  return texts;
}

// "64 % of the least time that any algorithm needs" is a riddle; what is said is how many times the bound it takes.
std::string bound_text(const Row& smallest, const Row& largest) {
  const auto over = [](const Row& row) { return row.bound && row.bound->count() > 0 ? std::optional(*row.predicted() / *row.bound) : std::nullopt; };
  if (!over(smallest) || !over(largest)) return {};
  if (smallest.size == largest.size) return fmt::format(", {} the least time that any algorithm needs", times_text(*over(largest)));
  return fmt::format("; it takes {} the least time that any algorithm needs at {}, {} at {}", times_text(*over(smallest)), to_string(smallest.size),
                     times_text(*over(largest)), to_string(largest.size));
}

// Where the next planner is so near that the intervals leave the order open.
Sentences close_leads(const Evidence& evidence, CollectiveKind kind, const BySize& winners) {
  std::vector<Bytes> close;
  std::string example;
  for (const auto& [size, winner] : winners) {
    const auto others = least_by_size(evidence.rows, kind, [&, at = size, best = winner](const Row& row) {
      return is_ours(row) && row.size == at && planner_of(row) != planner_of(*best);
    });
    if (others.empty() || !open_order(*others.begin()->second, *winner)) continue;
    close.push_back(size);
    const auto& next = *others.begin()->second;
    if (example.empty()) example = fmt::format("{} is {} behind at {}", name_of(next), percent_text(*ratio_of(next, *winner)), to_string(size));
  }
  if (close.empty()) return {};
  const auto where = spans_text(close, sizes_of(winners));
  return {fmt::format("{}: the lead is smaller than the prediction's interval {}: {}.", to_string(kind), where, example)};
}

}  // namespace

Sentences fastest(const Evidence& evidence, CollectiveKind kind) {
  const auto winners = least_by_size(evidence.rows, kind, [](const Row& row) { return is_ours(row) && row.winner; });
  if (winners.empty()) return {};
  const auto& smallest = *winners.begin()->second;
  const auto& largest = *winners.rbegin()->second;
  auto text = fmt::format("{}: predicted fastest is {}, {} at {}", to_string(kind), fmt::join(reigns(winners), ", "), time_text(smallest),
                          to_string(smallest.size));
  if (winners.size() > 1) text += fmt::format(" and {} at {}", time_text(largest), to_string(largest.size));
  Sentences sentences{text + bound_text(smallest, largest) + "."};
  std::ranges::move(close_leads(evidence, kind, winners), std::back_inserter(sentences));
  return sentences;
}

Sentences crossover(const RunQuestion& question, const Evidence& evidence, CollectiveKind kind) {
  const auto of = least_by_size(evidence.rows, kind, [&](const Row& row) { return is_ours(row) && row.algorithm == question.of; });
  const auto over = least_by_size(evidence.rows, kind, [&](const Row& row) { return is_ours(row) && row.algorithm == question.over; });
  std::vector<Bytes> tried;
  std::vector<Bytes> faster;
  std::vector<Bytes> unsure;
  for (const auto& [size, row] : of) {
    const auto other = over.find(size);
    if (other == over.end()) continue;
    tried.push_back(size);
    const bool ahead = *time_of(*row) < *time_of(*other->second);
    if (ahead) faster.push_back(size);
    if (ahead ? open_order(*other->second, *row) : open_order(*row, *other->second)) unsure.push_back(size);
  }
  if (tried.empty()) return {};
  const auto gain = [&](Bytes size) { return fmt::format("{} at {}", times_text(*ratio_of(*over.at(size), *of.at(size))), to_string(size)); };
  std::string text = fmt::format("{}: {} ", to_string(kind), question.of);
  if (faster.empty()) {
    text += fmt::format("is nowhere faster than {}: {}", question.over, gain(tried.front()));
    if (tried.size() > 1) text += ", " + gain(tried.back());
  } else {
    const bool to_the_end = faster.front() == tried[tried.size() - faster.size()];  // both rise
    const auto where = to_the_end ? fmt::format("from {} on", to_string(faster.front())) : spans_text(faster, tried);
    text += fmt::format("is faster than {} {}: {}", question.over, where, gain(faster.front()));
    if (faster.size() > 1) text += ", " + gain(faster.back());
  }
  Sentences sentences{text + "."};
  if (!unsure.empty()) {
    sentences.push_back(
        fmt::format("{}: between the two the lead is smaller than the prediction's interval {}.", to_string(kind), spans_text(unsure, tried)));
  }
  return sentences;
}

}  // namespace p2plab::answers
