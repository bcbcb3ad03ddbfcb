#include "host_run.h"

#include <atomic>
#include <barrier>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "host_channel.h"

namespace p2plab {

namespace {

using HostClock = std::chrono::steady_clock;

// Moves one slice's data.
class Mover {
 public:
  Mover(const Program& program, const HostMemory& memory) : program_(program), memory_(memory) {}

  void move(const Instruction& instruction, std::int64_t slice) {
    const auto width = program_.tuning.slice.count();
    const auto begin = width <= 0 ? 0 : slice * width;
    const auto bytes = width <= 0 ? instruction.bytes : std::min(width, instruction.bytes - begin);
    sources_.clear();
    destinations_.clear();
    for (const auto& operand : program_.sources(instruction)) sources_.push_back(memory_.at(operand.rank, operand.buffer, operand.offset + begin));
    for (const auto& operand : program_.destinations(instruction))
      destinations_.push_back(memory_.at(operand.rank, operand.buffer, operand.offset + begin));
    const auto& payload = program_.payload;
    combine({payload.type, payload.op, instruction.divides ? instruction.divisor : 1}, sources_, destinations_, bytes / size_of(payload.type));
  }

 private:
  const Program& program_;
  const HostMemory& memory_;
  std::vector<const std::byte*> sources_;
  std::vector<std::byte*> destinations_;
};

// A fixed team of threads that runs the program again and again.
class Team {
 public:
  Team(const Program& program, const HostMemory& memory, int threads)
      : program_(program),
        memory_(memory),
        board_(program),
        size_(std::max<std::size_t>(1, std::min(static_cast<std::size_t>(threads), board_.channels()))),
        start_(static_cast<std::ptrdiff_t>(size_) + 1, Stamp{&started_}) {
    for (std::size_t w = 0; w < size_; ++w) threads_.emplace_back([this, w] { work(w); });
  }
  ~Team() {
    quit_ = true;
    start_.arrive_and_wait();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // One run of the whole program; the calling thread only watches.
  Result<Seconds> run() {
    board_.reset();
    running_ = size_;
    start_.arrive_and_wait();
    if (auto stall = watch()) return *std::move(stall);
    return Seconds{ended_ - started_};
  }

 private:
  struct Stamp {
    HostClock::time_point* when;
    void operator()() noexcept { *when = HostClock::now(); }
  };

  void work(std::size_t worker) {
    while (true) {
      start_.arrive_and_wait();
      if (quit_) return;
      advance_all(worker);
      const std::lock_guard lock(mutex_);
      ended_ = HostClock::now();
      if (--running_ == 0) done_.notify_one();
    }
  }

  void advance_all(std::size_t worker) {
    std::vector<std::size_t> mine;
    for (auto channel = worker; channel < board_.channels(); channel += size_) mine.push_back(channel);
    Mover mover(program_, memory_);
    while (!mine.empty() && !abort_.load(std::memory_order_relaxed)) {
      bool moved = false;
      std::erase_if(mine, [&](std::size_t channel) { return advance(channel, mover, moved); });
      if (!moved) std::this_thread::yield();
    }
  }

  // Runs all slices that can run now; true when the channel is finished.
  bool advance(std::size_t number, Mover& mover, bool& moved) {
    const Channel channel(program_, board_, number);
    const auto before = board_.read(number);
    auto at = channel.settled(before);
    if (at.packed != before.packed) board_.publish(number, at);
    while (!channel.finished(at) && channel.blocked_by(at) == nullptr) {
      mover.move(channel.instruction(at), channel.slice(at));
      at = channel.settled(Progress::before(at.instruction(), at.own_slices() + 1));
      board_.publish(number, at);
      moved = true;
    }
    return channel.finished(at);
  }

  // Waits until all workers are done; looks now and then whether any channel can still move.
  std::optional<Error> watch() {
    std::optional<Error> stall;
    auto patience = std::chrono::milliseconds{5};
    constexpr std::chrono::milliseconds most_patience{1000};
    std::unique_lock lock(mutex_);
    while (!done_.wait_for(lock, patience, [&] { return running_ == 0; })) {
      lock.unlock();
      if (!stall) stall = find_stall();
      if (stall) abort_.store(true, std::memory_order_relaxed);
      patience = std::min(patience * 2, most_patience);
      lock.lock();
    }
    return stall;
  }

  // Progress only rises, so if two looks in a row see the same everywhere, there was a moment at which all was so. If at that moment every
  // unfinished channel was blocked, nothing will ever move again.
  std::optional<Error> find_stall() const {
    std::vector<Progress> first(board_.channels());
    for (std::size_t c = 0; c < first.size(); ++c) first[c] = board_.read(c);
    std::optional<std::size_t> stuck;
    for (std::size_t c = 0; c < first.size(); ++c) {
      const Channel channel(program_, board_, c);
      const auto at = channel.settled(first[c]);
      if (channel.finished(at)) continue;
      if (channel.blocked_by(at) == nullptr) return std::nullopt;
      if (!stuck) stuck = c;
    }
    for (std::size_t c = 0; c < first.size(); ++c) {
      if (board_.read(c).packed != first[c].packed) return std::nullopt;
    }
    if (!stuck) return std::nullopt;
    return describe_stall(*stuck);
  }

  Error describe_stall(std::size_t number) const {
    const Channel channel(program_, board_, number);
    const auto at = channel.settled(board_.read(number));
    const auto* const wait = channel.blocked_by(at);
    const auto& awaited = program_.at(wait->lane, wait->instruction);
    const auto rank = program_.lanes[channel.lane().index()].rank;
    Error error{ErrorCode::device_failure,
                fmt::format("the program stands still: rank {} lane {} part {} waits in instruction {} (step {}) slice {} for rank {} lane {} "
                            "instruction {} (step {})",
                            rank.value, channel.lane().value, channel.part(), at.instruction(), channel.instruction(at).step.value, channel.slice(at),
                            program_.lanes[wait->lane.index()].rank.value, wait->lane.value, wait->instruction, awaited.step.value)};
    error.notes.emplace_back("no lane of any rank can advance; a program made by lowering a proved schedule cannot do that");
    return error;
  }

  const Program& program_;
  const HostMemory& memory_;
  ProgressBoard board_;
  std::size_t size_;
  HostClock::time_point started_;
  HostClock::time_point ended_;
  std::barrier<Stamp> start_;
  std::atomic<bool> abort_{false};
  bool quit_ = false;  // written before the barrier, read after it
  std::mutex mutex_;
  std::condition_variable done_;
  std::size_t running_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace

Result<HostRun> run_on_host(const Program& program, HostMemory& memory, const TestData& data, const HostRunOptions& options) {
  HostRun result;
  {
    Team team(program, memory, options.threads);
    for (int run = 0; run < options.runs; ++run) {
      memory.fill(data, options.threads);
      auto time = team.run();
      if (!time) return std::move(time).error();
      result.times.push_back(*time);
    }
  }
  result.check = memory.check(data, options.threads);
  return result;
}

}  // namespace p2plab
