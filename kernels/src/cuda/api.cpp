// SPDX-License-Identifier: Apache-2.0
#include "cuda/api.h"

#include <algorithm>
#include <array>

#include <cuda_runtime.h>
#include <fmt/format.h>

namespace p2plab::cuda {

namespace {

cudaStream_t handle(const Stream& stream) { return static_cast<cudaStream_t>(stream.get()); }
cudaEvent_t handle(const Event& event) { return static_cast<cudaEvent_t>(event.get()); }
void* pointer(std::uint64_t address) { return reinterpret_cast<void*>(address); }

}  // namespace

Status check(device::CudaCode code, const std::string& what) {
  if (code == cudaSuccess) return {};
  const auto error = static_cast<cudaError_t>(code);
  cudaGetLastError();  // else the next launch would report it again
  Error failure{ErrorCode::device_failure, fmt::format("{}: {} ({})", what, cudaGetErrorString(error), cudaGetErrorName(error))};
  if (error == cudaErrorMemoryAllocation) failure.notes.emplace_back("the GPU's memory is full: run smaller sizes, or end what else uses it");
  if (error == cudaErrorECCUncorrectable) failure.notes.emplace_back("the GPU's memory has failed; nvidia-smi -q -d ECC tells more");
  return failure;
}

Result<int> device_count() {
  int count = 0;
  const auto code = cudaGetDeviceCount(&count);
  if (code == cudaErrorInsufficientDriver) {
    return Error{.code = ErrorCode::no_device, .message = "no usable NVIDIA GPU on this machine: its driver is missing or older than CUDA 13.0"};
  }
  if (code != cudaSuccess || count == 0) {
    cudaGetLastError();
    const auto reason = code == cudaSuccess ? std::string{"no GPU is visible"} : std::string{cudaGetErrorString(code)};
    return Error{.code = ErrorCode::no_device, .message = fmt::format("no usable NVIDIA GPU on this machine: {}", reason)};
  }
  return count;
}

std::string describe_device(int device) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) return "unknown GPU";
  int driver = 0;
  int runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  return fmt::format("{}, {} multiprocessors, CUDA driver {}.{}, runtime {}.{}", properties.name, properties.multiProcessorCount, driver / 1000,
                     driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

Result<int> capability(int device) {
  int major = 0;
  int minor = 0;
  auto done = check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "ask for the compute capability");
  if (done) done = check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "ask for the compute capability");
  if (!done) return std::move(done).error();
  return major * 10 + minor;
}

Result<int> multiprocessors(int device) {
  int count = 0;
  if (auto done = check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device), "count the multiprocessors"); !done)
    return std::move(done).error();
  return count;
}

Result<std::string> bus_id(int device) {
  std::array<char, 32> text{};
  if (auto done = check(cudaDeviceGetPCIBusId(text.data(), static_cast<int>(text.size()), device), "ask where the GPU is"); !done)
    return std::move(done).error();
  return std::string{text.data()};
}

Status use_device(int device) { return check(cudaSetDevice(device), fmt::format("use GPU {}", device)); }

Status can_reach(int device, int peer) {
  int able = 0;
  if (auto done = check(cudaDeviceCanAccessPeer(&able, device, peer), fmt::format("ask whether GPU {} reaches GPU {}", device, peer)); !done)
    return done;
  if (able == 0) {
    return Error{.code = ErrorCode::unsupported,
                 .message = fmt::format("GPU {} has no peer access to GPU {}", device, peer),
                 .notes = {"mask the link between them in the config: plans then go through host memory"}};
  }
  return {};
}

Status enable_peer_access(int device, int peer) {
  if (auto able = can_reach(device, peer); !able) return able;
  if (auto done = use_device(device); !done) return done;
  const auto code = cudaDeviceEnablePeerAccess(peer, 0);
  if (code == cudaErrorPeerAccessAlreadyEnabled) {
    cudaGetLastError();
    return {};
  }
  if (code == cudaErrorTooManyPeers) {
    cudaGetLastError();
    return Error{
        .code = ErrorCode::unsupported,
        .message = fmt::format("CUDA lets GPU {} reach no more GPUs from one process (8 where no NVSwitch joins them), so not GPU {}", device, peer),
        .notes = {"run one process a GPU, or a planner whose ranks have fewer neighbours (ring, tree)"}};
  }
  return check(code, fmt::format("let GPU {} reach GPU {}", device, peer));
}

void free_device(void* pointer) { cudaFree(pointer); }
void free_pinned(void* pointer) { cudaFreeHost(pointer); }
void destroy_stream(void* stream) { cudaStreamDestroy(static_cast<cudaStream_t>(stream)); }
void destroy_event(void* event) { cudaEventDestroy(static_cast<cudaEvent_t>(event)); }
void destroy_graph(void* graph) { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); }

void unload_library(void* library) { cudaLibraryUnload(static_cast<cudaLibrary_t>(library)); }

Result<Library> load_library(const std::string& machine_code) {
  cudaLibrary_t library = nullptr;
  const auto code = cudaLibraryLoadData(&library, machine_code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
  if (auto done = check(code, "load a compiled kernel"); !done) return std::move(done).error();
  return Library{library};
}

Result<const void*> find_kernel(const Library& library, const char* name) {
  cudaKernel_t kernel = nullptr;
  const auto code = cudaLibraryGetKernel(&kernel, static_cast<cudaLibrary_t>(library.get()), name);
  if (auto done = check(code, "find a compiled kernel"); !done) return std::move(done).error();
  return static_cast<const void*>(kernel);
}

Result<DeviceMemory> allocate(Bytes size) {
  constexpr std::int64_t least = 256;
  void* memory = nullptr;
  const auto bytes = static_cast<std::size_t>(std::max(size.count(), least));
  if (auto done = check(cudaMalloc(&memory, bytes), fmt::format("allocate {} bytes of GPU memory", bytes)); !done) return std::move(done).error();
  return DeviceMemory{memory};
}

Result<PinnedMemory> allocate_pinned(Bytes size) {
  constexpr std::int64_t least = 256;
  void* memory = nullptr;
  const auto bytes = static_cast<std::size_t>(std::max(size.count(), least));
  const auto code = cudaHostAlloc(&memory, bytes, cudaHostAllocPortable | cudaHostAllocMapped);
  if (auto done = check(code, fmt::format("allocate {} bytes of pinned host memory", bytes)); !done) return std::move(done).error();
  std::fill_n(static_cast<char*>(memory), bytes, char{0});
  return PinnedMemory{memory};
}

Result<Stream> create_stream() {
  cudaStream_t stream = nullptr;
  if (auto done = check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create a stream"); !done) return std::move(done).error();
  return Stream{stream};
}

Result<Event> create_event() {
  cudaEvent_t event = nullptr;
  if (auto done = check(cudaEventCreate(&event), "create an event"); !done) return std::move(done).error();
  return Event{event};
}

Result<Allocation> allocation_of(std::uint64_t address) {
  using Range = int (*)(unsigned long long*, std::size_t*, unsigned long long);  // cuMemGetAddressRange
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  const auto code = cudaGetDriverEntryPointByVersion("cuMemGetAddressRange", &function, 12000, cudaEnableDefault, &found);
  if (auto done = check(code, "find a function of the driver"); !done) return std::move(done).error();
  unsigned long long base = 0;
  std::size_t size = 0;
  if (function == nullptr || reinterpret_cast<Range>(function)(&base, &size, address) != 0)
    return Error{ErrorCode::unsupported, fmt::format("{:#x} is not in a GPU's memory", address)};
  return Allocation{base, Bytes{static_cast<std::int64_t>(size)}};
}

Status copy_to_device(std::uint64_t to, const void* from, Bytes size, const Stream& stream) {
  const auto bytes = static_cast<std::size_t>(size.count());
  if (auto done = check(cudaMemcpyAsync(pointer(to), from, bytes, cudaMemcpyHostToDevice, handle(stream)), "copy to the GPU"); !done) return done;
  return synchronize(stream);
}
Status copy_from_device(void* to, std::uint64_t from, Bytes size) {
  return check(cudaMemcpy(to, pointer(from), static_cast<std::size_t>(size.count()), cudaMemcpyDeviceToHost), "copy from the GPU");
}
Status set_bytes(std::uint64_t address, int value, Bytes size, const Stream& stream) {
  const auto bytes = static_cast<std::size_t>(size.count());
  if (auto done = check(cudaMemsetAsync(pointer(address), value, bytes, handle(stream)), "fill GPU memory"); !done) return done;
  return synchronize(stream);
}
Status copy_on(std::uint64_t to, std::uint64_t from, Bytes size, device::StreamHandle stream) {
  if (size == Bytes{0} || to == from) return {};
  const auto bytes = static_cast<std::size_t>(size.count());
  return check(cudaMemcpyAsync(pointer(to), pointer(from), bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream)), "copy on the GPU");
}
Status synchronize(const Stream& stream) { return check(cudaStreamSynchronize(handle(stream)), "wait for the GPU"); }

Status begin_capture(const Stream& stream) {
  return check(cudaStreamBeginCapture(handle(stream), cudaStreamCaptureModeThreadLocal), "begin a graph");
}

Result<Graph> end_capture(const Stream& stream) {
  cudaGraph_t graph = nullptr;
  if (auto done = check(cudaStreamEndCapture(handle(stream), &graph), "end a graph"); !done) return std::move(done).error();
  cudaGraphExec_t executable = nullptr;
  const auto code = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  if (auto done = check(code, "instantiate a graph"); !done) return std::move(done).error();
  return Graph{executable};
}

Status launch(const Graph& graph, const Stream& stream) {
  return check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph.get()), handle(stream)), "launch a graph");
}
Status follow(device::StreamHandle stream, const Event& event) {
  return check(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), handle(event), 0), "wait for an event");
}
Status record(const Event& event, device::StreamHandle stream) {
  return check(cudaEventRecord(handle(event), static_cast<cudaStream_t>(stream)), "record an event");
}

Result<Seconds> elapsed(const Event& from, const Event& to) {
  float milliseconds = 0;
  if (auto done = check(cudaEventElapsedTime(&milliseconds, handle(from), handle(to)), "read the time between events"); !done)
    return std::move(done).error();
  return Seconds{static_cast<double>(milliseconds) * 1e-3};
}

}  // namespace p2plab::cuda
