// SPDX-License-Identifier: Apache-2.0
#include "host/host_team.h"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>

#include "host/wait_loop.h"
#include "p2plab/detail/combine.h"

namespace p2plab {

namespace {

// By the clock of records (monitor/recorder.h).
std::uint64_t now_ns() { return static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count()); }

}  // namespace

// Moves one slice's data.
class HostTeam::Mover {
 public:
  Mover(const Program& program, const HostMemory& memory) : program_(program), memory_(memory) {}

  void move(const Instruction& instruction, std::int64_t slice) {
    const auto width = program_.slice_bytes(instruction);
    const auto begin = slice * width;
    const auto bytes = std::min(width, instruction.bytes - begin);
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

HostTeam::HostTeam(const Program& program, const HostMemory& memory, ProgressBoard& board, const TeamOptions& options)
    : program_(program),
      memory_(memory),
      board_(board),
      options_(options),
      blocks_([&] {
        std::vector<std::size_t> mine;
        for (std::size_t c = 0; c < board.blocks(); ++c) {
          if (!options.only || program.lanes[c / board.blocks_per_lane()].rank == *options.only) mine.push_back(c);
        }
        return mine;
      }()),
      size_(std::max<std::size_t>(1, std::min(static_cast<std::size_t>(options.threads), blocks_.size()))),
      start_(static_cast<std::ptrdiff_t>(size_) + 1, Stamp{&started_}) {
  const auto wanted = size_;
  try {
    for (std::size_t w = 0; w < wanted; ++w) threads_.emplace_back([this, w] { work(w); });
  } catch (const std::system_error&) {
    // Fewer do the work; without any it cannot be done. Nobody is past the barrier yet.
    if (threads_.empty()) throw;
    size_ = threads_.size();
    for (auto missing = wanted - size_; missing > 0; --missing) start_.arrive_and_drop();
  }
}

HostTeam::~HostTeam() {
  quit_ = true;
  start_.arrive_and_wait();
}

void HostTeam::reset() {
  for (const auto block : blocks_) board_.publish(block, {});
}

Result<Seconds> HostTeam::run() {
  running_ = size_;
  last_seen_.clear();
  if (told_) last_moved_.assign(board_.blocks(), now_ns());
  start_.arrive_and_wait();
  if (auto stall = watch()) return *std::move(stall);
  return Seconds{ended_ - started_};
}

void HostTeam::work(std::size_t worker) {
  while (true) {
    start_.arrive_and_wait();
    if (quit_) return;
    advance_all(worker);
    const std::lock_guard lock(mutex_);
    ended_ = HostClock::now();
    if (--running_ == 0) done_.notify_one();
  }
}

void HostTeam::advance_all(std::size_t worker) {
  std::vector<std::size_t> mine;
  for (auto block = worker; block < blocks_.size(); block += size_) mine.push_back(blocks_[block]);
  Mover mover(program_, memory_);
  WaitLoop waiting;
  while (!mine.empty() && !abort_.load(std::memory_order_relaxed)) {
    bool moved = false;
    std::erase_if(mine, [&](std::size_t block) { return advance(block, mover, moved); });
    if (moved)
      waiting.came();
    else
      waiting.pause();
  }
}

// Runs all slices that can run now; true when the block is finished.
bool HostTeam::advance(std::size_t number, Mover& mover, bool& moved) {
  const HostBlock block(program_, board_, number);
  const auto before = board_.read(number);
  auto at = block.settled(before);
  if (at.packed != before.packed) board_.publish(number, at);
  while (!block.finished(at) && block.blocked_by(at) == nullptr) {
    const auto begun = told_ ? now_ns() : 0;
    mover.move(block.instruction(at), block.slice(at));
    if (told_) {
      const auto ended = now_ns();
      told_({.lane = block.lane(),
             .part = static_cast<std::size_t>(block.part()),
             .instruction = static_cast<std::uint32_t>(at.instruction()),
             .step = block.instruction(at).step,
             .slice = block.slice(at),
             .waited_since = std::min(last_moved_[number], begun),
             .begun = begun,
             .ended = ended});
      last_moved_[number] = ended;
    }
    at = block.settled(SliceProgress::before(at.instruction(), at.own_slices() + 1));
    board_.publish(number, at);
    moved = true;
  }
  return block.finished(at);
}

// Waits until all workers are done; looks now and then whether any block can still move.
std::optional<Error> HostTeam::watch() {
  std::optional<Error> stall;
  auto pause = std::chrono::milliseconds{5};
  const std::chrono::milliseconds most_pause{options_.only ? 100 : 1000};  // others' processes may end at any time
  std::unique_lock lock(mutex_);
  while (!done_.wait_for(lock, pause, [&] { return running_ == 0; })) {
    lock.unlock();
    if (!stall) stall = find_stall();
    if (stall) abort_.store(true, std::memory_order_relaxed);
    pause = std::min(pause * 2, most_pause);
    lock.lock();
  }
  return stall;
}

// SliceProgress only rises, so if two looks in a row see the same everywhere, there was a moment at which all was so. If at that moment every
// unfinished block was blocked, nothing will ever move again.
std::optional<Error> HostTeam::find_stall() {
  if (options_.stop != nullptr && options_.stop->load()) return Error{ErrorCode::interrupted, "the run was told to stop"};
  std::vector<SliceProgress> first(board_.blocks());
  for (std::size_t c = 0; c < first.size(); ++c) first[c] = board_.read(c);
  const auto same = [](const std::vector<SliceProgress>& a, const std::vector<SliceProgress>& b) {
    return std::ranges::equal(a, b, {}, &SliceProgress::packed, &SliceProgress::packed);
  };
  const auto now = HostClock::now();
  if (!same(first, last_seen_)) last_change_ = now;
  last_seen_ = first;
  std::optional<std::size_t> stuck;
  bool blocked = true;
  for (std::size_t c = 0; c < first.size(); ++c) {
    const HostBlock block(program_, board_, c);
    const auto at = block.settled(first[c]);
    if (block.finished(at)) continue;
    if (block.blocked_by(at) == nullptr)
      blocked = false;
    else if (!stuck && std::ranges::binary_search(blocks_, c))
      stuck = c;
  }
  if (!stuck) return std::nullopt;
  const bool late = options_.timeout.count() > 0 && now - last_change_ > options_.timeout;
  if (!blocked && !late) return std::nullopt;
  for (std::size_t c = 0; c < first.size(); ++c) {
    if (board_.read(c).packed != first[c].packed) return std::nullopt;
  }
  if (blocked) return describe_stall(*stuck, "no lane of any rank can advance; a program made by lowering a proved schedule cannot do that");
  return describe_stall(*stuck, fmt::format("nothing moved anywhere for {:g} s", options_.timeout.count()));
}

Error HostTeam::describe_stall(std::size_t number, const std::string& why) const {
  const HostBlock block(program_, board_, number);
  const auto at = block.settled(board_.read(number));
  const auto* const wait = block.finished(at) ? nullptr : block.blocked_by(at);
  if (wait == nullptr) return Error{ErrorCode::device_failure, "no lane made progress", std::nullopt, {why}};
  const auto& awaited = program_.at(wait->lane, wait->instruction);
  const auto rank = program_.lanes[block.lane().index()].rank;
  Error error{ErrorCode::device_failure,
              fmt::format("no progress: rank {} lane {} part {} waits in instruction {} (step {}) slice {} for rank {} lane {} "
                          "instruction {} (step {})",
                          rank.value, block.lane().value, block.part(), at.instruction(), block.instruction(at).step.value, block.slice(at),
                          program_.lanes[wait->lane.index()].rank.value, wait->lane.value, wait->instruction, awaited.step.value)};
  error.notes.push_back(why);
  return error;
}

}  // namespace p2plab
