// SPDX-License-Identifier: Apache-2.0
// What the runtime asks of CUDA itself.
#include "runtime/device_calls.h"

#include <signal.h>

#include <cuda_runtime.h>
#include <fmt/format.h>

#include "cuda/api.h"
#include "lowered/launch.h"

namespace p2plab::runtime::device {

namespace {

cudaStream_t handle(void* stream) { return static_cast<cudaStream_t>(stream); }
void* pointer(std::uint64_t address) { return reinterpret_cast<void*>(address); }

}  // namespace

Result<int> count() { return cuda::device_count(); }
Result<std::string> bus_id(int device) { return cuda::bus_id(device); }

Result<std::string> name(int device) {
  cudaDeviceProp properties{};
  if (auto done = cuda::check(cudaGetDeviceProperties(&properties, device), "ask for the GPU's name"); !done) return done.error();
  return std::string{properties.name};
}

Reach reach(int device, const std::string& bus_id) {
  int peer = -1;
  if (cudaDeviceGetByPCIBusId(&peer, bus_id.c_str()) != cudaSuccess) {
    cudaGetLastError();
    return Reach::unseen;
  }
  if (peer == device) return Reach::nvlink;  // its own memory is as good as any link
  int able = 0;
  int atomics = 0;
  cudaDeviceGetP2PAttribute(&able, cudaDevP2PAttrAccessSupported, device, peer);
  // Over PCIe GPUs have none.
  cudaDeviceGetP2PAttribute(&atomics, cudaDevP2PAttrNativeAtomicSupported, device, peer);
  cudaGetLastError();
  if (able == 0) return Reach::none;
  return atomics != 0 ? Reach::nvlink : Reach::peer;
}

Current::Current(int device) {
  if (cudaGetDevice(&before_) != cudaSuccess) before_ = -1;
  if (before_ != device) status_ = cuda::use_device(device);
  if (before_ == device) before_ = -1;
}

Current::~Current() {
  if (before_ >= 0) cudaSetDevice(before_);
}

void begin_thread(int device) {
  sigset_t all;
  sigfillset(&all);
  for (const int of_this_thread : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&all, of_this_thread);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  auto mode = cudaStreamCaptureModeRelaxed;
  cudaThreadExchangeStreamCaptureMode(&mode);
  cudaSetDevice(device);  // an error comes again with the next call
}

Result<int> device_of(void* stream) {
  int device = -1;
  if (auto done = cuda::check(cudaStreamGetDevice(handle(stream), &device), "ask for the GPU of a stream"); !done) return done.error();
  return device;
}

Result<std::uint64_t> capture_of(void* stream) {
  auto status = cudaStreamCaptureStatusNone;
  unsigned long long number = 0;
  if (auto done = cuda::check(cudaStreamGetCaptureInfo(handle(stream), &status, &number), "ask whether a stream is captured"); !done)
    return done.error();
  return status == cudaStreamCaptureStatusActive ? std::uint64_t{number} : 0;
}

Status watch_graph(void* stream, std::function<void()> over) {
  auto status = cudaStreamCaptureStatusNone;
  unsigned long long number = 0;
  cudaGraph_t graph = nullptr;
  if (auto done = cuda::check(cudaStreamGetCaptureInfo(handle(stream), &status, &number, &graph), "ask for the graph of a stream"); !done)
    return done;
  if (status != cudaStreamCaptureStatusActive || graph == nullptr) return {};
  using Told = std::function<void()>;
  auto told = std::make_unique<Told>(std::move(over));
  const auto tell = [](void* data) {
    const std::unique_ptr<Told> own(static_cast<Told*>(data));
    (*own)();
  };
  cudaUserObject_t object = nullptr;
  if (auto done = cuda::check(cudaUserObjectCreate(&object, told.get(), tell, 1, cudaUserObjectNoDestructorSync), "watch a graph"); !done)
    return done;
  auto* const held = told.release();  // the object's from here on
  auto kept = cuda::check(cudaGraphRetainUserObject(graph, object, 1, cudaGraphUserObjectMove), "watch a graph");
  if (kept) return {};
  *held = [] {};  // the graph is not gone
  cudaUserObjectRelease(object, 1);
  return kept;
}

Status synchronize(int device) {
  const Current current(device);
  if (!current.status()) return current.status();
  return cuda::check(cudaDeviceSynchronize(), "wait for a GPU");
}

Result<std::shared_ptr<void>> allocate(int device, Bytes size) {
  const Current current(device);
  if (!current.status()) return current.status().error();
  auto memory = cuda::allocate(size);
  if (!memory) return std::move(memory).error();
  return std::shared_ptr<void>(memory->release(), cuda::free_device);
}

Status copy(const Rows& rows, void* stream) {
  if (rows.width == 0 || rows.rows == 0) return {};
  if (rows.rows == 1 || (rows.to_pitch == rows.width && rows.from_pitch == rows.width))
    return cuda::copy_on(rows.to, rows.from, Bytes{rows.width * rows.rows}, stream);
  const auto code =
      cudaMemcpy2DAsync(pointer(rows.to), static_cast<std::size_t>(rows.to_pitch), pointer(rows.from), static_cast<std::size_t>(rows.from_pitch),
                        static_cast<std::size_t>(rows.width), static_cast<std::size_t>(rows.rows), cudaMemcpyDeviceToDevice, handle(stream));
  return cuda::check(code, "copy blocks within a GPU");
}

Result<std::shared_ptr<void>> pinned(Bytes size) {
  auto memory = cuda::allocate_pinned(size);
  if (!memory) return std::move(memory).error();
  std::shared_ptr<void> shared(memory->release(), cuda::free_pinned);
  std::memset(shared.get(), 0, static_cast<std::size_t>(size.count()));
  return shared;
}

Status rows(DataType type, const args::EpilogueCall& call, int most_blocks, void* stream) {
  return cuda::check(p2plab::device::launch_rows(type, call, static_cast<std::uint32_t>(most_blocks), stream), "launch an epilogue");
}

Status load_neighbours(int device) {
  const Current current(device);
  if (!current.status()) return current.status();
  return cuda::check(p2plab::device::load_neighbours(), "load the signals of chunks");
}

Status neighbours(const args::NeighbourCall& call, void* stream) {
  return cuda::check(p2plab::device::launch_neighbours(call, stream), "launch the signals of a chunk");
}

Result<std::shared_ptr<void>> stream(int device) {
  const Current current(device);
  if (!current.status()) return current.status().error();
  auto made = cuda::create_stream();
  if (!made) return std::move(made).error();
  return std::shared_ptr<void>(made->release(), cuda::destroy_stream);
}

Result<Order> Order::create(int device) {
  const Current current(device);
  if (!current.status()) return current.status().error();
  auto event = cuda::create_event();
  if (!event) return std::move(event).error();
  Order order;
  order.event_ = std::shared_ptr<void>(event->release(), cuda::destroy_event);
  return order;
}

Status Order::mark(void* stream) const {
  return cuda::check(cudaEventRecord(static_cast<cudaEvent_t>(event_.get()), handle(stream)), "mark where a stream is");
}

Status Order::wait(void* stream) const {
  return cuda::check(cudaStreamWaitEvent(handle(stream), static_cast<cudaEvent_t>(event_.get()), 0), "let a stream wait for another");
}

Status Order::after(void* earlier, void* later) const {
  if (auto done = mark(earlier); !done) return done;
  return wait(later);
}

}  // namespace p2plab::runtime::device
