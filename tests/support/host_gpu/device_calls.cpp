// SPDX-License-Identifier: Apache-2.0
// What the runtime asks of CUDA, answered for GPUs that are CPU threads: 64 of one model, joined as P2PLAB_TEST_REACH says (nvlink, peer, none).
#include "runtime/device_calls.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "rows/host_rows.h"
#include "support/host_gpu/enqueue.h"

namespace p2plab::runtime::device {

namespace {

constexpr int gpus = 64;

std::string setting(const char* variable, const char* usual) {
  const char* text = std::getenv(variable);
  return text == nullptr ? usual : text;
}

void* pointer(std::uint64_t address) { return reinterpret_cast<void*>(address); }

int& current_device() {
  thread_local int current = 0;
  return current;
}

}  // namespace

Result<int> count() { return gpus; }
Result<std::string> bus_id(int device) { return fmt::format("0000:{:02x}:00.0", device); }
Result<std::string> name(int) { return setting("P2PLAB_TEST_GPU", "NVIDIA H200"); }

Reach reach(int device, const std::string& other) {
  if (*bus_id(device) == other) return Reach::nvlink;
  const auto way = setting("P2PLAB_TEST_REACH", "nvlink");
  return way == "none" ? Reach::none : way == "peer" ? Reach::peer : way == "unseen" ? Reach::unseen : Reach::nvlink;
}

Current::Current(int device) { current_device() = device; }
Current::~Current() = default;
void begin_thread(int) {}
// Any GPU's.
Result<int> device_of(void*) { return current_device(); }
Result<std::uint64_t> capture_of(void* stream) {
  const std::uint64_t capture = host_capture_of(stream);
  return capture == 0 && setting("P2PLAB_TEST_CAPTURING", "no") == "yes" ? 1 : capture;
}
Status watch_graph(void* stream, std::function<void()> over) {
  if (host_capture_of(stream) == 0) return {};
  using Told = std::function<void()>;
  const auto drop = [](void* data) {
    const std::unique_ptr<Told> own(static_cast<Told*>(data));
    (*own)();
  };
  host_stream_put(
      stream, [](void*) {}, drop, new Told(std::move(over)));
  return {};
}
Status synchronize(int) {
  host_streams_wait();
  return {};
}

Result<std::shared_ptr<void>> allocate(int, Bytes size) {
  constexpr std::align_val_t alignment{256};
  return std::shared_ptr<void>(::operator new(static_cast<std::size_t>(size.count()), alignment),
                               [](void* memory) { ::operator delete(memory, alignment); });
}

Status copy(const Rows& rows, void* stream) {
  test::enqueue(stream, [rows] {
    for (int row = 0; row < rows.rows; ++row)
      std::memmove(pointer(rows.to + static_cast<std::uint64_t>(row * rows.to_pitch)),
                   pointer(rows.from + static_cast<std::uint64_t>(row * rows.from_pitch)), static_cast<std::size_t>(rows.width));
  });
  return {};
}

Result<std::shared_ptr<void>> pinned(Bytes size) {
  auto memory = allocate(0, size);
  if (memory) std::memset(memory->get(), 0, static_cast<std::size_t>(size.count()));
  return memory;
}

Status load_neighbours(int) { return {}; }

Status neighbours(const args::NeighbourCall& call, void* stream) {
  test::enqueue(stream, [call] {
    const auto word = [](std::uint64_t address) { return std::atomic_ref(*static_cast<std::uint32_t*>(pointer(address))); };
    for (std::uint64_t i = 0; i < call.done_count; ++i) word(call.done + i * 4).store(call.done_value);
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(call.timeout);
    while (call.given != 0 && static_cast<std::int32_t>(word(call.given).load() - call.given_value) < 0) {
      std::this_thread::yield();
      if (std::chrono::steady_clock::now() < until) continue;
      if (word(call.late).load() == 0) word(call.late).store(call.chunk + 1);
      return;
    }
  });
  return {};
}

Status rows(DataType type, const args::EpilogueCall& call, int, void* stream) {
  test::enqueue(stream, [type, call] { run_rows_on_host(type, call); });
  return {};
}

Result<std::shared_ptr<void>> stream(int) { return std::shared_ptr<void>(host_stream_create(), host_stream_destroy); }

namespace {

struct Event {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t passed = 0;
  std::uint64_t marked = 0;
  void* stream = nullptr;  // that was marked last
};

}  // namespace

Result<Order> Order::create(int) {
  Order order;
  order.event_ = std::make_shared<Event>();
  return order;
}

Status Order::mark(void* stream) const {
  const auto event = std::static_pointer_cast<Event>(event_);
  const std::lock_guard lock(event->mutex);
  event->stream = stream;
  if (host_capture_of(stream) != 0) return {};
  const auto number = ++event->marked;
  test::enqueue(stream, [event, number] {
    const std::lock_guard passing(event->mutex);
    event->passed = std::max(event->passed, number);
    event->changed.notify_all();
  });
  return {};
}

// In one capture all is in the order in which it is put there.
Status Order::wait(void* stream) const {
  const auto event = std::static_pointer_cast<Event>(event_);
  const std::lock_guard lock(event->mutex);
  if (host_capture_share(event->stream, stream) != 0) return {};
  test::enqueue(stream, [event, number = event->marked] {
    std::unique_lock waiting(event->mutex);
    event->changed.wait(waiting, [&] { return event->passed >= number; });
  });
  return {};
}

Status Order::after(void* earlier, void* later) const {
  if (auto done = mark(earlier); !done) return done;
  return wait(later);
}

struct DeviceClock::Body {};
Result<DeviceClock> DeviceClock::create(int) { return DeviceClock{}; }
std::optional<ClockLook> DeviceClock::look() {
  const auto now = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds{1});
  return ClockLook{now, now, now};
}

struct Mirror::Body {
  std::vector<std::byte> memory;
  std::vector<std::byte> copy;
};

Result<Mirror> Mirror::create(int, Bytes size) {
  const auto bytes = static_cast<std::size_t>(size.count());
  Mirror mirror;
  mirror.body_ = std::make_shared<Body>(Body{std::vector<std::byte>(bytes), std::vector<std::byte>(bytes)});
  return mirror;
}
std::uint64_t Mirror::address() const { return reinterpret_cast<std::uint64_t>(body_->memory.data()); }
const std::byte* Mirror::bytes() const { return body_->copy.data(); }
Status Mirror::read(Bytes from, Bytes size) const {
  std::memcpy(body_->copy.data() + from.count(), body_->memory.data() + from.count(), static_cast<std::size_t>(size.count()));
  return {};
}
Status Mirror::clear(Bytes from, Bytes size) const {
  std::memset(body_->memory.data() + from.count(), 0, static_cast<std::size_t>(size.count()));
  return {};
}

}  // namespace p2plab::runtime::device
