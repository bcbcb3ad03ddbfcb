// SPDX-License-Identifier: Apache-2.0
// host: runs a program on CPU threads with real data. Slow and exact: it shows that the data is right, not how fast a GPU would be.
#include <algorithm>
#include <memory>
#include <mutex>

#include <fmt/format.h>

#include "host/host_memory.h"
#include "host/host_run.h"
#include "host/parallel.h"
#include "p2plab/detail/reference_data.h"
#include "p2plab/run/builtin_executors.h"

namespace p2plab {

namespace {

constexpr Bytes most_memory{std::int64_t{2} << 30};
constexpr int most_threads = 1024;

// The last run's data. Plans for the same payload share theirs, and to make it takes longer than to run a small program.
class LastData {
 public:
  std::shared_ptr<const TestData> of(const Schedule& schedule, const Payload& payload, std::uint64_t seed, int threads) {
    const std::lock_guard lock(mutex_);
    if (last_ && last_->is_for(schedule.collective(), schedule.blocks(), payload, seed)) return last_;
    auto data = std::make_shared<TestData>(schedule.collective(), schedule.blocks(), payload, seed);
    data->keep(threads);
    last_ = std::move(data);
    return last_;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<const TestData> last_;
};

class Host final : public Executor {
 public:
  Status available() const override { return {}; }
  Clock clock() const override { return Clock::host; }

  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    expects(job.plan != nullptr && job.program != nullptr);
    const auto& program = *job.program;
    const auto& schedule = job.plan->schedule;
    expects(schedule.ranks() == program.ranks());
    if (auto ok = check(program, options); !ok) return std::move(ok).error();
    const auto threads = worker_threads(options.threads);
    HostMemory memory(schedule, program);
    const auto data = data_.of(schedule, program.payload, options.seed, threads);
    auto done =
        run_on_host(program, memory, *data, {.threads = threads, .runs = std::max(1, options.warmup + options.repeats), .steps = options.steps});
    if (!done) return std::move(done).error();
    const auto timed = std::min<std::ptrdiff_t>(options.repeats, std::ssize(done->times));
    return Measurement{.executor = "host",
                       .clock = Clock::host,
                       .samples = {done->times.end() - timed, done->times.end()},
                       .check = std::move(done->check),
                       .notes = {fmt::format("real data on {} CPU threads; these times say nothing about GPUs", threads)},
                       .steps = std::move(done->steps)};
  }

 private:
  static Status check(const Program& program, const RunOptions& options) {
    const auto bad = [](ErrorCode code, std::string message) { return Error{code, std::move(message)}; };
    if (options.warmup < 0 || options.repeats < 0 || options.warmup > 1'000'000 || options.repeats > 1'000'000) {
      return bad(ErrorCode::invalid_input,
                 fmt::format("warmup and repeats must be from 0 to 1000000, got {} and {}", options.warmup, options.repeats));
    }
    if (options.threads < 0 || options.threads > most_threads) {
      return bad(ErrorCode::invalid_input, fmt::format("threads must be from 0 to {}, got {}", most_threads, options.threads));
    }
    const auto needed = HostMemory::needed(program);
    if (needed <= most_memory) return {};
    return bad(ErrorCode::unsupported, fmt::format("the host executor would need {} MiB for the buffers of {} ranks; its limit is {} MiB",
                                                   needed.count() >> 20, program.ranks(), most_memory.count() >> 20));
  }

  mutable LastData data_;
};

}  // namespace

namespace executors {
Entry<Executor> host() {
  return {"host", "real data on CPU threads: shows that results are right, not how fast", {}, [] { return std::make_unique<Host>(); }};
}
}  // namespace executors

}  // namespace p2plab
