// SPDX-License-Identifier: Apache-2.0
#include "monitor/explain.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "monitor/differences.h"
#include "p2plab/detail/named.h"

namespace p2plab::monitor {

namespace {

double seconds(std::uint64_t ns) { return static_cast<double>(ns) * 1e-9; }

std::string time_text(std::uint64_t ns) {
  const auto s = seconds(ns);
  return s >= 1 ? fmt::format("{:.1f} s", s) : s >= 1e-3 ? fmt::format("{:.1f} ms", s * 1e3) : fmt::format("{:.1f} us", s * 1e6);
}

std::uint64_t lasted(const RankLog& log, const LoggedCall& call) { return log.now - std::min(log.now, call.begun); }

bool waits(const RankLog& log) { return !log.calls.empty() && !log.calls.back().finished; }

std::optional<Verdict> gone(const Ranks& ranks) {
  for (const auto* log : ranks) {
    if (log->closed || log->state != ProcessState::gone) continue;
    auto found = verdict(Cause::rank_died, ranks, log->rank);
    found.what = fmt::format("rank {} is gone: its {} has ended without leaving the communicator", log->rank, log->where);
    found.evidence.push_back(fmt::format("it had begun {} calls", log->begun));
    if (!log->calls.empty()) {
      const auto& last = log->calls.back();
      found.evidence.push_back(fmt::format("its last, number {}, {}: {}", last.sequence, last.finished ? "ended" : "had not ended", text_of(last)));
    }
    found.advice = "look for what ended it: its own log, dmesg for the out-of-memory killer and Xid errors; the others cannot go on";
    return found;
  }
  return std::nullopt;
}

std::optional<Verdict> stopped(const Ranks& ranks) {
  for (const auto* log : ranks) {
    if (log->closed || log->state != ProcessState::stopped) continue;
    auto found = verdict(Cause::rank_stopped, ranks, log->rank);
    found.what = fmt::format("rank {} is stopped: {} was sent SIGSTOP, or a debugger holds it", log->rank, log->where);
    found.evidence.push_back(fmt::format("it has begun {} calls; state T in /proc/{}/stat", log->begun, log->pid));
    found.advice = fmt::format("kill -CONT {}, or end the debugger's session", log->pid);
    return found;
  }
  return std::nullopt;
}

// Who has begun fewer calls than the others while they wait.
std::optional<Verdict> late(const Ranks& ranks, const ExplainOptions& options) {
  const auto least = (*std::ranges::min_element(ranks, {}, &RankLog::begun))->begun;
  const auto most = (*std::ranges::max_element(ranks, {}, &RankLog::begun))->begun;
  if (least == most) return std::nullopt;
  std::vector<int> behind;
  std::uint64_t since = 0;
  const LoggedCall* waited = nullptr;
  for (const auto* log : ranks) {
    if (log->begun == least) behind.push_back(log->rank);
    const auto* call = at(*log, least);
    if (call == nullptr || call->finished || (waited != nullptr && lasted(*log, *call) <= since)) continue;
    waited = call;
    since = lasted(*log, *call);
  }
  if (waited == nullptr || seconds(since) < options.stuck.count()) return std::nullopt;
  auto found = verdict(Cause::rank_is_late, ranks, behind.size() == 1 ? behind.front() : -1);
  found.what =
      fmt::format("rank{} {} {} late: {} begun call {}, for which others have waited {}", behind.size() > 1 ? "s" : "", fmt::join(behind, ", "),
                  behind.size() > 1 ? "are" : "is", behind.size() > 1 ? "they have not" : "it has not", least, time_text(since));
  found.evidence.push_back(fmt::format("the others are in {}", text_of(*waited)));
  for (const auto* log : ranks) {
    if (log->begun != least) continue;
    found.evidence.push_back(fmt::format("rank {} ({}) has begun {} calls{}", log->rank, log->where, log->begun,
                                         log->calls.empty() ? "" : fmt::format("; its last was {}", text_of(log->calls.back()))));
  }
  found.advice = "ask what these ranks do: py-spy dump --pid PID, or gdb -p PID -batch -ex 'thread apply all bt'";
  return found;
}

std::optional<Verdict> blocked(const Ranks& ranks, const ExplainOptions& options) {
  for (const auto* log : ranks) {
    if (log->calls.empty() || !log->calls.back().blocking) continue;
    const bool streams = std::ranges::any_of(log->calls, [](const LoggedCall& call) { return !call.blocking && call.stream != 0; });
    const auto& last = log->calls.back();
    const auto since = lasted(*log, last);
    if (!streams || seconds(since) < options.stuck.count()) continue;
    auto found = verdict(Cause::launch_blocked, ranks, log->rank);
    found.what = fmt::format("rank {} stands in the launch of call {} since {}", log->rank, last.sequence, time_text(since));
    found.evidence.emplace_back("its earlier calls returned at once: they only put work on a stream");
    found.advice = "a stream holds about 1,000 launches: let none be more than 200 calls ahead; a capture on another thread blocks launches, too";
    return found;
  }
  return std::nullopt;
}

std::optional<Verdict> stuck(const Ranks& ranks, const ExplainOptions& options) {
  std::uint64_t since = UINT64_MAX;
  for (const auto* log : ranks) {
    if (!waits(*log) || !log->calls.back().blocking || log->begun != ranks.front()->begun) return std::nullopt;
    since = std::min(since, lasted(*log, log->calls.back()));
  }
  if (seconds(since) < options.stuck.count()) return std::nullopt;
  auto found = verdict(Cause::nobody_finishes, ranks, -1);
  found.what =
      fmt::format("all {} ranks are in call {} since {}, and none finishes", ranks.size(), ranks.front()->calls.back().sequence, time_text(since));
  found.evidence = who_called(ranks, ranks.front()->calls.back().sequence);
  found.advice = "the data does not arrive: p2plab doctor --probe cuda tries every pair; set P2PLAB_MONITOR=steps to see which step waits";
  return found;
}

// Which rank begins last, by how much more than the one before it: only by one clock.
std::optional<Verdict> straggler(const Ranks& ranks, const ExplainOptions& options) {
  if (std::ranges::any_of(ranks, &RankLog::own_clock)) return std::nullopt;
  std::map<int, std::vector<std::uint64_t>> gaps;
  std::size_t calls = 0;
  for (const auto& first : ranks.front()->calls) {
    std::vector<std::pair<std::uint64_t, int>> begun;
    for (const auto* log : ranks) {
      if (const auto* call = at(*log, first.sequence)) begun.emplace_back(call->begun, log->rank);
    }
    if (begun.size() < ranks.size() || begun.size() < 2) continue;
    std::ranges::sort(begun);
    if (options.recent.count() > 0 && seconds(ranks.front()->now - std::min(ranks.front()->now, begun.back().first)) > options.recent.count())
      continue;
    ++calls;
    const auto gap = begun.back().first - begun[begun.size() - 2].first;
    if (seconds(gap) >= options.straggles.count()) gaps[begun.back().second].push_back(gap);
  }
  if (gaps.empty()) return std::nullopt;
  constexpr std::size_t seldom = 50;
  auto& [rank, its] = *std::ranges::max_element(gaps, {}, [](const auto& each) { return each.second.size(); });
  if (its.size() < options.often || its.size() * seldom < calls) return std::nullopt;
  std::ranges::sort(its);
  auto found = verdict(Cause::straggler, ranks, rank);
  found.what = fmt::format("rank {} comes late: last in {} of {} calls, {} after the one before it (median), at most {}", rank, its.size(), calls,
                           time_text(its[its.size() / 2]), time_text(its.back()));
  found.evidence.emplace_back("measured where calls begin: those who wait have begun early and end late");
  if (!ranks.front()->calls.empty() && !ranks.front()->calls.back().blocking)
    found.evidence.emplace_back("these calls are put on streams: a late host matters only where its GPU has nothing left to do");
  found.advice = "look at what this rank does between calls: data loading, more tokens or experts than others, a throttled GPU (p2plab doctor)";
  return found;
}

// Of two communicators: some ranks wait in one for others that wait in the other for them.
std::optional<Verdict> crossed(const std::map<std::uint64_t, Ranks>& all) {
  const auto waiting_in = [](const Ranks& ranks) {
    std::map<int, const RankLog*> who;
    for (const auto* log : ranks) {
      if (waits(*log) && log->calls.back().blocking) who[log->pid] = log;
    }
    return who;
  };
  for (const auto& [number, ranks] : all) {
    const auto here = waiting_in(ranks);
    for (const auto& [other_number, others] : all) {
      if (other_number <= number || here.empty()) continue;
      const auto there = waiting_in(others);
      const auto missing = [](const Ranks& from, const auto& in_it, const auto& elsewhere) {
        return std::ranges::find_if(from, [&](const RankLog* log) { return !in_it.contains(log->pid) && elsewhere.contains(log->pid); });
      };
      const auto absent_here = missing(ranks, here, there);
      const auto absent_there = missing(others, there, here);
      if (absent_here == ranks.end() || absent_there == others.end()) continue;
      auto found = verdict(Cause::order_across_streams, ranks, -1);
      found.what =
          fmt::format("ranks take communicators {} and {} in different orders: each waits for the other", ranks.front()->name, others.front()->name);
      for (const auto& [pid, log] : here)
        found.evidence.push_back(fmt::format("rank {} waits in {}: {}", log->rank, log->name, text_of(log->calls.back())));
      for (const auto& [pid, log] : there)
        found.evidence.push_back(fmt::format("rank {} waits in {}: {}", log->rank, log->name, text_of(log->calls.back())));
      found.advice = "issue the calls of all communicators in one order on all ranks, or let both run at once (concurrent, at_once)";
      return found;
    }
  }
  return std::nullopt;
}

void add_errors(std::vector<Verdict>& verdicts, const Ranks& ranks) {
  for (const auto* log : ranks) {
    if (log->errors.empty()) continue;
    auto found = verdict(Cause::reported_error, ranks, log->rank);
    found.what = fmt::format("rank {} reported: {}", log->rank, log->errors.front());
    for (std::size_t i = 1; i < std::min<std::size_t>(log->errors.size(), 4); ++i) found.evidence.emplace_back("then: " + log->errors[i]);
    found.advice = "the rank that it names as missing is the one to look at";
    verdicts.push_back(std::move(found));
  }
}

// All ranks note the same: it is told once.
void add_losses(std::vector<Verdict>& verdicts, const Ranks& ranks) {
  for (const auto* log : ranks) {
    const bool is_lost = !log->losses.empty();
    if (!is_lost && log->weakenings.empty()) continue;
    auto found = verdict(is_lost ? Cause::link_lost : Cause::links_are_fewer, ranks, -1);
    found.what = is_lost ? log->losses.front() : log->weakenings.back();
    found.evidence.push_back(fmt::format("rank {} ({}) asked NVML", log->rank, log->where));
    found.advice = "dmesg names the link or GPU (Xid 74, 79, 149); p2plab doctor says what it costs";
    if (is_lost) found.advice += "; p2plab_comm_repair goes on with what is left";
    verdicts.push_back(std::move(found));
    return;
  }
}

constexpr std::array causes{Named{"link or GPU lost", Cause::link_lost},
                            Named{"links are down", Cause::links_are_fewer},
                            Named{"rank died", Cause::rank_died},
                            Named{"rank stopped", Cause::rank_stopped},
                            Named{"different collectives", Cause::different_collectives},
                            Named{"order differs", Cause::order_differs},
                            Named{"order across communicators differs", Cause::order_across_streams},
                            Named{"sizes differ", Cause::sizes_differ},
                            Named{"rank is late", Cause::rank_is_late},
                            Named{"launch blocked", Cause::launch_blocked},
                            Named{"reported error", Cause::reported_error},
                            Named{"nobody finishes", Cause::nobody_finishes},
                            Named{"straggler", Cause::straggler}};

}  // namespace

std::string_view to_string(Cause cause) { return to_name<Cause>(cause, causes); }

std::vector<Verdict> explain(const Logs& logs, const ExplainOptions& options) {
  std::map<std::uint64_t, Ranks> all;
  for (const auto& log : logs.ranks) all[log.communicator].push_back(&log);
  std::vector<Verdict> verdicts;
  const auto take = [&](std::optional<Verdict> found) {
    const bool is = found.has_value();
    if (is) verdicts.push_back(*std::move(found));
    return is;
  };
  const bool cross = take(crossed(all));
  for (auto& [number, ranks] : all) {
    std::ranges::sort(ranks, {}, &RankLog::rank);
    const bool over = std::ranges::all_of(ranks, &RankLog::closed);
    const bool named = take(gone(ranks)) || take(differ(ranks)) || take(stopped(ranks));
    if (!named && !over && !cross) static_cast<void>(take(late(ranks, options)) || take(blocked(ranks, options)) || take(stuck(ranks, options)));
    add_losses(verdicts, ranks);
    add_errors(verdicts, ranks);
    if (!named) take(straggler(ranks, options));
  }
  std::ranges::stable_sort(verdicts, {}, &Verdict::cause);
  return verdicts;
}

}  // namespace p2plab::monitor
