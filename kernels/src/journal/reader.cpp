// SPDX-License-Identifier: Apache-2.0
// The thread that reads journals, and their memory on GPUs.
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "journal/journal.h"
#include "runtime/device_calls.h"

namespace p2plab::capi {

namespace {

// Looks are so far apart that they cost nothing, and so near that no entry is overwritten at 500,000 calls a second.
constexpr auto between_looks = std::chrono::milliseconds{100};

class GpuMemory final : public JournalMemory {
 public:
  GpuMemory(runtime::device::Mirror mirror, runtime::device::DeviceClock clock) : mirror_(std::move(mirror)), clock_(std::move(clock)) {}
  std::uint64_t address() const override { return mirror_.address(); }
  Status read(Bytes from, Bytes size) const override { return mirror_.read(from, size); }
  Status clear(Bytes from, Bytes size) const override { return mirror_.clear(from, size); }
  const std::byte* bytes() const override { return mirror_.bytes(); }
  std::optional<runtime::device::ClockLook> clock() override { return clock_.look(); }

 private:
  runtime::device::Mirror mirror_;
  runtime::device::DeviceClock clock_;
};

}  // namespace

Result<std::unique_ptr<JournalMemory>> journal_memory(int device, monitor::Level level) {
  auto mirror = runtime::device::Mirror::create(device, Journal::size(level));
  if (!mirror) return std::move(mirror).error();
  auto clock = runtime::device::DeviceClock::create(device);
  if (!clock) return std::move(clock).error();
  return std::unique_ptr<JournalMemory>(std::make_unique<GpuMemory>(*std::move(mirror), *std::move(clock)));
}

// Never freed: the thread may outlast static objects.
JournalReader& JournalReader::of_process() {
  static auto* const all = new JournalReader;
  return *all;
}

void JournalReader::add(Journal& journal, int device) {
  const std::lock_guard lock(mutex_);
  journals_.push_back(&journal);
  if (thread_.joinable() || closing_) return;
  // What is counted when the process ends is read then.
  static const int ending = std::atexit([] {
    auto& all = of_process();
    if (all.process_ != getpid()) return;
    std::jthread ended;
    const std::lock_guard last(all.mutex_);
    ended.swap(all.thread_);
    all.changed_.notify_all();
    all.closing_ = true;
    all.look();
    all.look();
  });
  static_cast<void>(ending);
  process_ = getpid();
  thread_ = std::jthread([this, device](const std::stop_token& stop) {
    runtime::device::begin_thread(device);
    work(stop);
  });
}

void JournalReader::remove(Journal& journal) {
  if (process_ != getpid()) return;
  std::jthread ended;  // waited for when the lock is open again
  const std::lock_guard lock(mutex_);
  journal.read();
  journal.read();  // steps that the look before counted
  std::erase(journals_, &journal);
  if (!journals_.empty()) return;
  ended.swap(thread_);
  changed_.notify_all();
}

void JournalReader::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto asked = asked_;
    look();
    seen_ = asked;
    changed_.notify_all();
    changed_.wait_for(lock, stop, between_looks, [&] { return asked_ != asked; });
  }
}

// By the thread itself, whose calls of CUDA spoil no capture of others.
void JournalReader::look_now() {
  if (process_ != getpid()) return;
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) return;
  const auto mine = ++asked_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return seen_ >= mine || !thread_.joinable(); });
}

void JournalReader::look() {
  for (auto* const journal : journals_) {
    if (journal->failures() == 0) journal->read();
  }
}

}  // namespace p2plab::capi
