// SPDX-License-Identifier: Apache-2.0
#include "cuda/timing.h"

#include <algorithm>
#include <barrier>
#include <thread>

namespace p2plab::cuda {

namespace {

constexpr std::uint64_t gate_timeout = 10'000'000'000;  // nanoseconds: a host that never opens the gate is stuck elsewhere

// Runs body(rank) on one thread per rank; the first error of the lowest rank is the answer.
Status on_all_ranks(std::size_t count, const std::function<Status(std::size_t)>& body) {
  std::vector<Status> results(count);
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < count; ++r) threads.emplace_back([&, r] { results[r] = body(r); });
  for (auto& thread : threads) thread.join();
  for (auto& result : results) {
    if (!result) return std::move(result);
  }
  return {};
}

// One rank's share of the timing: its graph, its events, its samples.
class RankTimer {
 public:
  RankTimer(const Stream& stream, int device, Rank rank, const Enqueue& enqueue) : stream_(stream), device_(device), rank_(rank), enqueue_(enqueue) {}

  Status prepare(int calls, bool as_graph) {
    if (auto done = use_device(device_); !done) return done;
    auto begin = create_event();
    if (!begin) return std::move(begin).error();
    begin_ = *std::move(begin);
    auto end = create_event();
    if (!end) return std::move(end).error();
    end_ = *std::move(end);
    calls_ = calls;
    if (!as_graph) return {};
    if (auto done = begin_capture(stream_); !done) return done;
    auto queued = queue_calls();
    auto graph = end_capture(stream_);
    if (!queued) return queued;
    if (!graph) return std::move(graph).error();
    graph_ = *std::move(graph);
    return {};
  }

  Status queue(std::uint64_t gate) {
    if (auto done = use_device(device_); !done) return done;
    if (auto done = check(device::launch_gate(gate, gate_timeout, stream_.get()), "launch the gate"); !done) return done;
    if (auto done = record(begin_, stream_.get()); !done) return done;
    if (auto done = graph_.get() != nullptr ? launch(graph_, stream_) : queue_calls(); !done) return done;
    return record(end_, stream_.get());
  }

  Result<Seconds> sample() {
    if (auto done = synchronize(stream_); !done) return std::move(done).error();
    auto time = elapsed(begin_, end_);
    if (!time) return time;
    return *time / calls_;
  }

 private:
  Status queue_calls() {
    for (int c = 0; c < calls_; ++c) {
      if (auto done = enqueue_(rank_, stream_); !done) return done;
    }
    return {};
  }

  const Stream& stream_;
  int device_;
  Rank rank_;
  const Enqueue& enqueue_;
  int calls_ = 1;
  Event begin_;
  Event end_;
  Graph graph_;
};

}  // namespace

Result<TimedStream> TimedStream::create() {
  auto stream = create_stream();
  if (!stream) return std::move(stream).error();
  auto begin = create_event();
  if (!begin) return std::move(begin).error();
  auto end = create_event();
  if (!end) return std::move(end).error();
  return TimedStream{*std::move(stream), *std::move(begin), *std::move(end)};
}

Result<RankStreams> RankStreams::create(const std::vector<int>& devices) {
  RankStreams ranks{.devices = devices, .streams = {}};
  for (const auto device : devices) {
    if (auto done = use_device(device); !done) return std::move(done).error();
    auto stream = create_stream();
    if (!stream) return std::move(stream).error();
    ranks.streams.push_back(*std::move(stream));
  }
  return ranks;
}

Status run_once(const RankStreams& ranks, const Enqueue& enqueue) {
  return on_all_ranks(ranks.devices.size(), [&](std::size_t r) -> Status {
    if (auto done = use_device(ranks.devices[r]); !done) return done;
    if (auto done = enqueue(Rank{static_cast<std::int64_t>(r)}, ranks.streams[r]); !done) return done;
    return synchronize(ranks.streams[r]);
  });
}

int calls_per_sample(Bytes size) {
  constexpr Bytes small{std::int64_t{1} << 20};
  constexpr Bytes middle{std::int64_t{32} << 20};
  if (size <= small) return 100;
  return size <= middle ? 20 : 5;
}

Result<std::vector<Seconds>> time_calls(const RankStreams& ranks, const Enqueue& enqueue, int calls, const RunOptions& options) {
  const auto count = ranks.devices.size();
  auto gate = allocate_pinned(Bytes{64});
  if (!gate) return std::move(gate).error();
  auto* open = static_cast<volatile std::uint32_t*>(gate->get());
  std::vector<RankTimer> timers;
  timers.reserve(count);
  for (std::size_t r = 0; r < count; ++r) timers.emplace_back(ranks.streams[r], ranks.devices[r], Rank{static_cast<std::int64_t>(r)}, enqueue);
  if (auto done = on_all_ranks(count, [&](std::size_t r) { return timers[r].prepare(calls, options.graph); }); !done) return std::move(done).error();
  const int rounds = options.warmup + options.repeats;
  std::vector<std::vector<Seconds>> times(count);
  std::barrier together(static_cast<std::ptrdiff_t>(count));
  auto done = on_all_ranks(count, [&](std::size_t r) -> Status {
    Status good;
    for (int i = 0; i < rounds; ++i) {
      together.arrive_and_wait();
      if (r == 0) *open = 0;
      together.arrive_and_wait();
      if (good) good = timers[r].queue(gate->address());
      together.arrive_and_wait();
      if (r == 0) *open = 1;
      if (!good) continue;  // the others still need this thread at their barriers
      const auto time = timers[r].sample();
      if (time) times[r].push_back(*time);
      if (!time) good = time.error();
    }
    return good;
  });
  if (!done) return std::move(done).error();
  std::vector<Seconds> samples;
  for (int i = options.warmup; i < rounds; ++i) {
    Seconds slowest{0};
    for (const auto& mine : times) slowest = std::max(slowest, mine[static_cast<std::size_t>(i)]);
    samples.push_back(slowest);
  }
  return samples;
}

Result<std::vector<Seconds>> time_own_calls(const RankStreams& own, Rank rank, const Enqueue& enqueue, int calls, const RunOptions& options,
                                            const Meeting& meeting) {
  RankTimer timer(own.streams.front(), own.devices.front(), rank, enqueue);
  if (auto done = timer.prepare(calls, options.graph); !done) return std::move(done).error();
  auto* open = reinterpret_cast<volatile std::uint32_t*>(meeting.gate);
  std::vector<Seconds> samples;
  for (int i = 0; i < options.warmup + options.repeats; ++i) {
    if (auto all = meeting.barrier(); !all) return std::move(all).error();
    if (meeting.opens) *open = 0;
    if (auto all = meeting.barrier(); !all) return std::move(all).error();
    auto queued = timer.queue(meeting.gate);
    if (auto all = meeting.barrier(); !all) queued = std::move(all).error();
    // Also after a loss, for which the gate was opened: what is queued ends before its memory goes.
    if (meeting.opens) *open = 1;
    auto time = timer.sample();
    if (!queued) return std::move(queued).error();
    if (!time) return std::move(time).error();
    if (i >= options.warmup) samples.push_back(*time);
  }
  return samples;
}

}  // namespace p2plab::cuda
