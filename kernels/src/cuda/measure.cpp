// SPDX-License-Identifier: Apache-2.0
#include "cuda/measure.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace p2plab::cuda {

namespace {

// Runs one call on fresh data and adds what the comparison finds to `sum`.
Status check_once(const Subject& subject, std::uint64_t seed, DataCheck& sum) {
  if (auto done = subject.buffers->generate(seed); !done) return done;
  auto ran = run_once(*subject.ranks, subject.enqueue);
  if (auto well = subject.after(); !well) return well;
  if (!ran) return ran;
  auto found = subject.buffers->compare(seed);
  if (!found) return std::move(found).error();
  sum.elements += found->elements;
  sum.wrong += found->wrong;
  sum.worst_error = std::max(sum.worst_error, found->worst_error);
  if (sum.passed && !found->passed) sum.first_wrong = found->first_wrong;
  sum.passed = sum.passed && found->passed;
  return {};
}

}  // namespace

Result<std::vector<int>> devices_for(int ranks) {
  const auto count = device_count();
  if (!count) return count.error();
  if (ranks > *count) {
    return Error{.code = ErrorCode::unsupported,
                 .message = fmt::format("the program has {} ranks, this machine {} GPUs", ranks, *count),
                 .notes = {"one GPU runs one rank"}};
  }
  std::vector<int> devices(static_cast<std::size_t>(ranks));
  std::iota(devices.begin(), devices.end(), 0);
  return devices;
}

Result<Measurement> measure(const Subject& subject, const RunOptions& options) {
  constexpr int first_checks = 4;  // more calls than there are copies of a landing area
  Measurement result{.executor = subject.executor, .clock = Clock::device};
  DataCheck found{.passed = true};
  // Without a check the inputs still hold data, so that what is timed is what would be checked, and one call is made before any is captured: NCCL
  // connects its ranks in the first one, which CUDA forbids while a stream is captured.
  if (!options.check) {
    if (auto done = subject.buffers->generate(options.seed); !done) return std::move(done).error();
    auto ran = run_once(*subject.ranks, subject.enqueue);
    if (auto well = subject.after(); !well) return std::move(well).error();
    if (!ran) return std::move(ran).error();
  }
  for (int c = 0; c < (options.check ? first_checks : 0); ++c) {
    if (auto done = check_once(subject, options.seed + static_cast<std::uint64_t>(c), found); !done) return std::move(done).error();
  }
  if (options.repeats > 0) {
    auto samples = time_calls(*subject.ranks, subject.enqueue, options.calls > 0 ? options.calls : calls_per_sample(subject.size), options);
    if (auto well = subject.after(); !well) return std::move(well).error();
    if (!samples) return std::move(samples).error();
    result.samples = *std::move(samples);
    if (options.check) {
      if (auto done = check_once(subject, options.seed + first_checks, found); !done) return std::move(done).error();
    }
  }
  if (options.check) result.check = found;
  return result;
}

}  // namespace p2plab::cuda
