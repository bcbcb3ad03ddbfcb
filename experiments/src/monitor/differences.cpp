// SPDX-License-Identifier: Apache-2.0
#include "monitor/differences.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace p2plab::monitor {

namespace {

// What all ranks must name alike. What a rank gives to a gather of uneven parts, or to one other rank, may differ.
std::string signature(const LoggedCall& call) { return fmt::format("{}|{}|{}", call.kind, call.op, call.root); }
bool between_two(const LoggedCall& call) { return call.kind == "send" || call.kind == "receive"; }

// The rank that stands alone against the others, if there is one.
int odd_one(const std::map<std::string, std::vector<int>>& by_key) {
  const auto most = std::ranges::max_element(by_key, {}, [](const auto& each) { return each.second.size(); });
  int odd = -1;
  for (const auto& [key, who] : by_key) {
    if (key == most->first) continue;
    if (who.size() != 1 || odd >= 0 || most->second.size() < 2) return -1;
    odd = who.front();
  }
  return odd;
}

}  // namespace

std::string text_of(const LoggedCall& call) {
  auto text = fmt::format("{} of {} {}", call.kind, call.size, call.type);
  if (!call.op.empty()) text += ", " + call.op;
  if (call.root >= 0) text += fmt::format(", root {}", call.root);
  return text;
}

const LoggedCall* at(const RankLog& log, std::uint64_t sequence) {
  const auto found = std::ranges::lower_bound(log.calls, sequence, {}, &LoggedCall::sequence);
  return found != log.calls.end() && found->sequence == sequence ? &*found : nullptr;
}

namespace {

std::map<std::string, std::vector<int>> ranks_by_call(const Ranks& ranks, std::uint64_t sequence) {
  std::map<std::string, std::vector<int>> all;
  for (const auto* log : ranks) {
    if (const auto* call = at(*log, sequence)) all[text_of(*call)].push_back(log->rank);
  }
  return all;
}

}  // namespace

Verdict verdict(Cause cause, const Ranks& ranks, int rank) { return {.cause = cause, .communicator = ranks.front()->name, .rank = rank}; }

// The calls by rank, those that are alike in one line.
std::vector<std::string> who_called(const Ranks& ranks, std::uint64_t sequence) {
  std::vector<std::string> lines;
  for (const auto& [call, who] : ranks_by_call(ranks, sequence))
    lines.push_back(fmt::format("rank{} {}: {}", who.size() > 1 ? "s" : "", fmt::join(who, ", "), call));
  return lines;
}

namespace {

// The first call in the ranks' records that they do not name alike.
std::optional<std::uint64_t> first_difference(const Ranks& ranks, bool sizes) {
  std::uint64_t first = 0;
  std::uint64_t last = UINT64_MAX;
  for (const auto* log : ranks) {
    if (log->calls.empty()) return std::nullopt;
    first = std::max(first, log->calls.front().sequence);
    last = std::min(last, log->calls.back().sequence);
  }
  for (auto sequence = first; sequence <= last && first <= last; ++sequence) {
    std::set<std::string> seen;
    for (const auto* log : ranks) {
      const auto* call = at(*log, sequence);
      if (call == nullptr || between_two(*call)) continue;
      seen.insert(sizes ? call->size + call->type : signature(*call));
    }
    if (seen.size() > 1) return sequence;
  }
  return std::nullopt;
}

// Do the ranks make the same calls from there on, in another order? Two calls of each are enough to tell.
bool same_in_another_order(const Ranks& ranks, std::uint64_t from) {
  std::set<std::multiset<std::string>> all;
  for (const auto* log : ranks) {
    std::multiset<std::string> next;
    for (auto sequence = from; sequence < from + 2; ++sequence) {
      const auto* call = at(*log, sequence);
      if (call == nullptr) return false;
      next.insert(text_of(*call));
    }
    all.insert(std::move(next));
  }
  return all.size() == 1;
}

}  // namespace

std::optional<Verdict> differ(const Ranks& ranks) {
  const auto kinds = first_difference(ranks, false);
  const auto sizes = first_difference(ranks, true);
  const auto where = kinds && sizes ? std::min(*kinds, *sizes) : kinds ? *kinds : sizes.value_or(0);
  if (!kinds && !sizes) return std::nullopt;
  const bool swapped = same_in_another_order(ranks, where);
  const bool other = kinds && *kinds == where;
  auto found = verdict(swapped ? Cause::order_differs
                       : other ? Cause::different_collectives
                               : Cause::sizes_differ,
                       ranks, odd_one(ranks_by_call(ranks, where)));
  const auto who = found.rank >= 0 ? fmt::format(": rank {} differs", found.rank) : std::string{};
  if (swapped)
    found.what = fmt::format("ranks make the same calls in different orders, from call {} on{}", where, who);
  else if (other)
    found.what = fmt::format("ranks called different collectives at call {}{}", where, who);
  else
    found.what = fmt::format("ranks called the same collective with different sizes at call {}{}", where, who);
  found.evidence = who_called(ranks, where);
  found.advice = swapped ? "make all ranks issue their calls in one order; of several streams or threads only one may issue a communicator's calls"
                         : "compare what these ranks computed before this call: a branch on data that differs, uneven last batches, a wrong root";
  return found;
}

}  // namespace p2plab::monitor
