// SPDX-License-Identifier: Apache-2.0
// What is acquired from CUDA is owned by an object; what CUDA answers is a Status.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "lowered/launch.h"
#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab::cuda {

/// Success, or device_failure with CUDA's own name and sentence for what `what` met.
Status check(device::CudaCode code, const std::string& what);

/// How many GPUs can be used. Errors: no_device, with the reason and the remedy.
Result<int> device_count();
/// "NVIDIA H200, driver 13.0, 132 multiprocessors".
std::string describe_device(int device);
/// 90 for compute capability 9.0.
Result<int> capability(int device);
Result<int> multiprocessors(int device);
/// "0000:8a:00.0": the same in all processes.
Result<std::string> bus_id(int device);
/// Makes `device` the current one of this thread.
Status use_device(int device);

/// unsupported, if `device` has no peer access to `peer`.
Status can_reach(int device, int peer);
/// Lets `device` reach the memory of `peer`; also if it already does. Errors: unsupported, if the two have no peer access.
Status enable_peer_access(int device, int peer);

/// Move-only owner of a pointer, with the function that frees it.
template <void (*Free)(void*)>
class Owner {
 public:
  Owner() = default;
  explicit Owner(void* pointer) : pointer_(pointer) {}
  Owner(Owner&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Owner& operator=(Owner&& other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() {
    if (pointer_ != nullptr) Free(pointer_);
  }
  void* release() { return std::exchange(pointer_, nullptr); }
  void* get() const { return pointer_; }
  std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(pointer_); }

 private:
  void* pointer_ = nullptr;
};

void free_device(void* pointer);
void free_pinned(void* pointer);
void destroy_stream(void* stream);
void destroy_event(void* event);
void destroy_graph(void* graph);
void unload_library(void* library);

using DeviceMemory = Owner<free_device>;
using PinnedMemory = Owner<free_pinned>;
using Stream = Owner<destroy_stream>;
using Event = Owner<destroy_event>;
using Graph = Owner<destroy_graph>;  // an executable one
using Library = Owner<unload_library>;

/// Memory of the current device, aligned to 256 bytes; at least one unit, so that every buffer has an address.
Result<DeviceMemory> allocate(Bytes size);
/// Host memory that all GPUs can read and write, zeroed.
Result<PinnedMemory> allocate_pinned(Bytes size);
Result<Stream> create_stream();
Result<Event> create_event();

/// Machine code for this machine's GPUs, and a kernel of it by name.
Result<Library> load_library(const std::string& machine_code);
Result<const void*> find_kernel(const Library& library, const char* name);

/// A whole allocation.
struct Allocation {
  std::uint64_t address = 0;
  Bytes size{0};
};
/// The allocation in which `address` lies. Errors: unsupported, if it is no GPU's memory.
Result<Allocation> allocation_of(std::uint64_t address);

/// These return when it is done. With a stream, they wait for nothing that other streams do.
Status copy_to_device(std::uint64_t to, const void* from, Bytes size, const Stream& stream = {});
Status copy_from_device(void* to, std::uint64_t from, Bytes size);
Status set_bytes(std::uint64_t address, int value, Bytes size, const Stream& stream = {});
/// Puts a copy within one GPU's memory on a stream.
Status copy_on(std::uint64_t to, std::uint64_t from, Bytes size, device::StreamHandle stream);
Status synchronize(const Stream& stream);

/// Between these two, what is put on the stream by this thread becomes a graph.
Status begin_capture(const Stream& stream);
Result<Graph> end_capture(const Stream& stream);
Status launch(const Graph& graph, const Stream& stream);
Status record(const Event& event, device::StreamHandle stream);
/// What is put on the stream from now on comes after the event.
Status follow(device::StreamHandle stream, const Event& event);
/// The time from one recorded event to another, by the device's clock.
Result<Seconds> elapsed(const Event& from, const Event& to);

}  // namespace p2plab::cuda
