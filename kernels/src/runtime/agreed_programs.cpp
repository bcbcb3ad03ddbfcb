// SPDX-License-Identifier: Apache-2.0
#include "runtime/agreed_programs.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include <fmt/format.h>

#include "processes/results.h"

namespace p2plab::runtime {

namespace {

constexpr std::size_t most_seen = 1 << 16;

}  // namespace

std::string describe(const Call& call) {
  auto text = fmt::format("{} of {} {}", to_string(call.kind), call.count, to_string(call.type));
  if (reduces(call.kind)) text += fmt::format(", {}", to_string(call.op));
  if (rooted(call.kind)) text += fmt::format(", root {}", call.root);
  if (call.kind == CollectiveKind::send_receive) text += fmt::format(" from rank {} to rank {}", call.root, call.peer);
  if (call.epilogue) text += ", then " + p2plab::describe(*call.epilogue);
  return text;
}

AgreedPrograms::AgreedPrograms(Session* session, ProgramMaker& maker, AgreementOptions options)
    : session_(session), maker_(maker), options_(std::move(options)) {
  for (const auto rank : options_.ranks_here) calls_[rank] = 0;
  worker_ = std::thread([this] { work(); });
}

AgreedPrograms::~AgreedPrograms() { stop(); }

void AgreedPrograms::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (worker_.joinable()) worker_.join();
}

void AgreedPrograms::finish() {
  {
    Lock lock(mutex_);
    finishing_ = true;
    changed_.wait(lock, [&] { return (wanted_.empty() && !busy_) || !state_ || stopping_; });
  }
  stop();
}

Result<const ReadyProgram*> AgreedPrograms::next(int rank, const Call& call, const std::optional<Call>& wider, bool wait) {
  Lock lock(mutex_);
  const auto number = calls_[rank];
  const auto* program = usable(lock, call, number);
  // A caller whose sizes never come back must not fill memory with what was seen once.
  const bool known = entries_.size() < most_seen || entries_.contains(call);
  if (program == nullptr && wider) program = usable(lock, *wider, number);
  if (known && (program == nullptr || wider)) {
    auto& entry = entries_[call];
    const bool must = wait && program == nullptr;
    see(entry, rank, call, must);
    if (must) {
      // No rank begins this call before the program is there, so all may use it from here on, whatever was agreed for others.
      if (!wait_for(lock, entry))
        return Error{ErrorCode::device_failure, fmt::format("no program for {} within {:g} s", runtime::describe(call), options_.timeout.count())};
      if (entry.stage == Stage::refused) return *entry.refusal;
      program = entry.program.get();
    }
  }
  ++calls_[rank];
  return program;
}

// A rank that has come to where a program may be used from, while that is being agreed, waits for the answer: ranks' threads give it within
// milliseconds, whatever the ranks do.
const ReadyProgram* AgreedPrograms::usable(Lock& lock, const Call& call, std::uint64_t number) {
  const auto found = entries_.find(call);
  if (found == entries_.end()) return nullptr;
  auto& entry = found->second;
  changed_.wait(lock, [&] { return entry.stage != Stage::agreeing || number < entry.from; });
  return entry.stage == Stage::ready && number >= entry.from ? entry.program.get() : nullptr;
}

bool AgreedPrograms::wait_for(Lock& lock, const Entry& entry) {
  return changed_.wait_for(lock, std::chrono::duration<double>(options_.timeout.count()),
                           [&] { return entry.stage == Stage::ready || entry.stage == Stage::refused; });
}

// The same on all ranks: they want the same, in one order.
bool AgreedPrograms::has_room_for(const Call& call) const {
  return queued_ < options_.most && wanted_bytes_ + bytes_of(call) <= options_.most_bytes.count();
}

AgreedPrograms::Entry& AgreedPrograms::queue(const Call& call) {
  auto& entry = entries_[call];
  if (entry.stage != Stage::seen) return entry;
  if (!state_ || stopping_) {
    refuse(entry, state_ ? Error{ErrorCode::device_failure, "the communicator ends"} : state_.error());
    return entry;
  }
  entry.stage = Stage::queued;
  wanted_.push_back(call);
  ++queued_;
  wanted_bytes_ += bytes_of(call);
  changed_.notify_all();
  return entry;
}

// In the order of calls, so that all ranks want the same programs in one order, wherever each began to count.
void AgreedPrograms::count(int rank, std::span<const Call> calls) {
  const std::lock_guard lock(mutex_);
  for (const auto& call : calls) {
    if (entries_.size() < most_seen || entries_.contains(call)) see(entries_[call], rank, call, false);
    ++calls_[rank];
  }
}

void AgreedPrograms::see(Entry& entry, int rank, const Call& call, bool must) {
  const bool often = ++entry.sightings[rank] >= options_.sightings;
  if (entry.stage == Stage::seen && (must || (often && has_room_for(call)))) queue(call);
}

void AgreedPrograms::want(const Call& call) {
  const std::lock_guard lock(mutex_);
  queue(call);
}

Status AgreedPrograms::prepare(const Call& call) {
  Lock lock(mutex_);
  const auto& entry = queue(call);
  changed_.wait(lock, [&] { return entry.stage == Stage::ready || entry.stage == Stage::refused; });
  return entry.stage == Stage::ready ? Status{} : Status{*entry.refusal};
}

void AgreedPrograms::refuse(Entry& entry, Error why) {
  entry.stage = Stage::refused;
  entry.refusal = std::move(why);
}

void AgreedPrograms::work() {
  maker_.enter_thread();
  while (true) {
    Lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || !wanted_.empty(); });
    if (stopping_ || !state_) break;
    const auto call = wanted_.front();
    wanted_.pop_front();
    busy_ = true;
    const bool declined = finishing_;
    lock.unlock();
    make_ready(call, declined);
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  for (const auto& call : wanted_) refuse(entries_[call], state_ ? Error{ErrorCode::device_failure, "the communicator ends"} : state_.error());
  wanted_.clear();
  changed_.notify_all();
}

// Programs that were asked for in the background may be hundreds: who ends a communicator waits for none of them.
void AgreedPrograms::make_ready(const Call& call, bool declined) {
  const Error over{ErrorCode::unsupported, "the communicator ends"};
  if (declined) maker_.decline(call, over);
  auto made = declined ? Result<std::unique_ptr<ReadyProgram>>{over} : maker_.make(call);
  auto well = made ? Status{} : Status{made.error()};
  if (session_ != nullptr) well = processes::all_well(*session_, well);
  if (!well && !declined && options_.refused) options_.refused(call, well.error());
  Lock lock(mutex_);
  auto& entry = entries_[call];
  if (session_ != nullptr && state_) state_ = session_->state();
  if (!well) {
    refuse(entry, std::move(well).error());
  } else {
    entry.program = std::move(*made);
    lock.unlock();
    auto agreed = agree_on_start(entry);
    lock.lock();
    if (!agreed) {
      state_ = agreed;
      refuse(entry, std::move(agreed).error());
    }
  }
  changed_.notify_all();
}

std::uint64_t AgreedPrograms::most_calls() const {
  std::uint64_t most = 0;
  for (const auto& [rank, calls] : calls_) most = std::max(most, calls);
  return most;
}

// Each rank names a call that it has not begun; from the last of these on the program may be used, if by then no rank has passed it. If one has, the
// next try leaves more calls in between.
Status AgreedPrograms::agree_on_start(Entry& entry) {
  for (std::uint64_t margin = 0;; margin = margin == 0 ? 16 : margin * 4) {
    std::uint64_t from = 0;
    {
      const std::lock_guard lock(mutex_);
      from = most_calls() + margin;
    }
    if (session_ != nullptr) {
      const auto all = session_->all_gather(std::to_string(from));
      if (!all) return all.error();
      for (const auto& text : *all) from = std::max<std::uint64_t>(from, std::strtoull(text.c_str(), nullptr, 10));
    }
    bool in_time = false;
    {
      const std::lock_guard lock(mutex_);
      in_time = most_calls() <= from;
      entry.from = from;
      // One that is late must not keep its own calls waiting.
      entry.stage = in_time ? Stage::agreeing : Stage::queued;
    }
    bool everywhere = in_time;
    Status heard;
    if (session_ != nullptr) {
      const auto all = session_->all_gather(in_time ? "in time" : "late");
      heard = all ? Status{} : Status{all.error()};
      everywhere = all && std::ranges::all_of(*all, [](const std::string& text) { return text == "in time"; });
    }
    const std::lock_guard lock(mutex_);
    entry.stage = everywhere ? Stage::ready : Stage::queued;
    changed_.notify_all();
    if (everywhere || !heard) return heard;
  }
}

Status AgreedPrograms::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::string AgreedPrograms::describe(const Call& call) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(call);
  if (found == entries_.end()) return "no program yet";
  const auto& entry = found->second;
  switch (entry.stage) {
    case Stage::seen: return "no program yet";
    case Stage::queued: return "its program is being made";
    case Stage::agreeing: return "its program is being agreed on";
    case Stage::ready: return fmt::format("{}, from call {} on", entry.program->describe(), entry.from);
    case Stage::refused: return "no program: " + entry.refusal->message;
  }
  return {};
}

std::size_t AgreedPrograms::size() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(entries_, [](const auto& entry) { return entry.second.stage == Stage::ready; }));
}

Status AgreedPrograms::failed() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [call, entry] : entries_) {
    if (entry.stage != Stage::ready) continue;
    if (auto state = entry.program->state(); !state) return state;
  }
  return {};
}

}  // namespace p2plab::runtime
