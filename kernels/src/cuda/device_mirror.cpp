// SPDX-License-Identifier: Apache-2.0
// What is read of a GPU beside its kernels: memory that they write, and its clock.
#include <time.h>

#include <chrono>
#include <thread>

#include <cuda_runtime.h>

#include "cuda/api.h"
#include "lowered/launch.h"
#include "runtime/device_calls.h"

namespace p2plab::runtime::device {

namespace {

cudaStream_t of_mirror(void* stream) { return static_cast<cudaStream_t>(stream); }
void* memory_at(std::uint64_t address) { return reinterpret_cast<void*>(address); }

std::uint64_t host_time() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// What the kernel stores.
struct Told {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  std::uint32_t number = 0;
  std::uint32_t unused = 0;
};

}  // namespace

struct DeviceClock::Body {
  int device = 0;
  cuda::PinnedMemory told;
  cuda::Stream stream;
  std::uint32_t asked = 0;

  bool answered() const { return __atomic_load_n(&static_cast<const Told*>(told.get())->number, __ATOMIC_ACQUIRE) == asked; }
};

// The kernel is loaded now: later that may wait for kernels that run.
Result<DeviceClock> DeviceClock::create(int device) {
  const Current current(device);
  if (!current.status()) return current.status().error();
  if (auto loaded = cuda::check(p2plab::device::load_tell_time(), "load the kernel that tells the time"); !loaded) return std::move(loaded).error();
  auto told = cuda::allocate_pinned(Bytes{sizeof(Told)});
  if (!told) return std::move(told).error();
  *static_cast<Told*>(told->get()) = {};
  auto stream = cuda::create_stream();
  if (!stream) return std::move(stream).error();
  DeviceClock clock;
  clock.body_ = std::make_shared<Body>(Body{device, *std::move(told), *std::move(stream)});
  return clock;
}

std::optional<ClockLook> DeviceClock::look() {
  constexpr std::uint64_t timeout = 200'000;
  auto& body = *body_;
  if (!body.answered()) return std::nullopt;
  const Current current(body.device);
  if (!current.status()) return std::nullopt;
  ClockLook look{.before = host_time()};
  if (p2plab::device::launch_tell_time(reinterpret_cast<std::uint64_t>(body.told.get()), ++body.asked, body.stream.get()) != cudaSuccess) {
    --body.asked;
    return std::nullopt;
  }
  while (!body.answered()) {
    if (host_time() - look.before > timeout) return std::nullopt;
  }
  look.after = host_time();
  const auto& told = *static_cast<const Told*>(body.told.get());
  look.device = told.low | std::uint64_t{told.high} << 32;
  return look;
}

struct Mirror::Body {
  int device = 0;
  cuda::DeviceMemory memory;
  cuda::PinnedMemory copy;
  cuda::Stream stream;

  // Nobody is in a hurry: other threads' calls of CUDA go first.
  Status wait() const {
    auto state = cudaStreamQuery(of_mirror(stream.get()));
    for (; state == cudaErrorNotReady; state = cudaStreamQuery(of_mirror(stream.get()))) std::this_thread::sleep_for(std::chrono::microseconds{20});
    return cuda::check(state, "read what kernels wrote");
  }
};

Result<Mirror> Mirror::create(int device, Bytes size) {
  const Current current(device);
  if (!current.status()) return current.status().error();
  auto memory = cuda::allocate(size);
  if (!memory) return std::move(memory).error();
  auto copy = cuda::allocate_pinned(size);
  if (!copy) return std::move(copy).error();
  auto stream = cuda::create_stream();
  if (!stream) return std::move(stream).error();
  if (auto done = cuda::set_bytes(memory->address(), 0, size, *stream); !done) return std::move(done).error();
  Mirror mirror;
  mirror.body_ = std::make_shared<Body>(Body{device, *std::move(memory), *std::move(copy), *std::move(stream)});
  return mirror;
}

std::uint64_t Mirror::address() const { return body_->memory.address(); }
const std::byte* Mirror::bytes() const { return static_cast<const std::byte*>(body_->copy.get()); }

Status Mirror::read(Bytes from, Bytes size) const {
  const Current current(body_->device);
  if (!current.status()) return current.status();
  const auto code = cudaMemcpyAsync(static_cast<std::byte*>(body_->copy.get()) + from.count(),
                                    memory_at(body_->memory.address() + static_cast<std::uint64_t>(from.count())),
                                    static_cast<std::size_t>(size.count()), cudaMemcpyDeviceToHost, of_mirror(body_->stream.get()));
  if (auto done = cuda::check(code, "read what kernels wrote"); !done) return done;
  return body_->wait();
}

Status Mirror::clear(Bytes from, Bytes size) const {
  const Current current(body_->device);
  if (!current.status()) return current.status();
  const auto code = cudaMemsetAsync(memory_at(body_->memory.address() + static_cast<std::uint64_t>(from.count())), 0,
                                    static_cast<std::size_t>(size.count()), of_mirror(body_->stream.get()));
  if (auto done = cuda::check(code, "clear what kernels wrote"); !done) return done;
  return body_->wait();
}

}  // namespace p2plab::runtime::device
