// SPDX-License-Identifier: Apache-2.0
#include "cuda/rank_measure.h"

#include <algorithm>

#include "processes/results.h"

namespace p2plab::cuda {

namespace {

Status call_once(const RankSubject& subject) {
  if (auto done = use_device(subject.streams->devices.front()); !done) return done;
  if (auto done = subject.enqueue(subject.rank, subject.streams->streams.front()); !done) return done;
  return synchronize(subject.streams->streams.front());
}

// A call on fresh data, which begins when all have theirs.
Status check_once(const RankSubject& subject, std::uint64_t seed, DataCheck& sum) {
  if (auto done = subject.buffers->generate(seed); !done) return done;
  if (auto all = subject.session->barrier(); !all) return all;
  if (auto done = subject.after(call_once(subject)); !done) return done;
  const auto found = subject.buffers->compare(seed);
  if (!found) return found.error();
  const auto all = processes::combine_checks(*subject.session, *found);
  if (!all) return all.error();
  sum.elements += all->elements;
  sum.wrong += all->wrong;
  sum.worst_error = std::max(sum.worst_error, all->worst_error);
  if (sum.passed && !all->passed) sum.first_wrong = all->first_wrong;
  sum.passed = sum.passed && all->passed;
  return {};
}

Result<std::vector<Seconds>> time(const RankSubject& subject, const RunOptions& options) {
  const auto calls = options.calls > 0 ? options.calls : calls_per_sample(subject.size);
  auto mine = time_own_calls(*subject.streams, subject.rank, subject.enqueue, calls, options, subject.meeting);
  if (auto good = subject.after(mine ? Status{} : Status{mine.error()}); !good) return std::move(good).error();
  // The last to leave the gate sees no skew.
  return processes::combine_samples(*subject.session, *mine, processes::Choice::slowest);
}

}  // namespace

Result<Measurement> measure_rank(const RankSubject& subject, const RunOptions& options) {
  constexpr int first_checks = 4;  // more calls than there are copies of a landing area
  Measurement result{.executor = subject.executor, .clock = Clock::device};
  DataCheck found{.passed = true};
  if (!options.check) {
    if (auto done = subject.buffers->generate(options.seed); !done) return std::move(done).error();
  }
  for (int c = 0; c < (options.check ? first_checks : 0); ++c) {
    if (auto done = check_once(subject, options.seed + static_cast<std::uint64_t>(c), found); !done) return std::move(done).error();
  }
  if (options.repeats > 0) {
    auto samples = time(subject, options);
    if (!samples) return std::move(samples).error();
    result.samples = *std::move(samples);
  }
  if (options.repeats > 0 && options.check) {
    if (auto done = check_once(subject, options.seed + first_checks, found); !done) return std::move(done).error();
  }
  if (options.check) result.check = found;
  return result;
}

}  // namespace p2plab::cuda
