// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "detect/gather.h"

namespace p2plab {

Result<CudaFunctions> CudaFunctions::load() {
  detect::Library library("libcuda.so.1");
  if (!library.loaded()) return Error{ErrorCode::no_device, "libcuda.so.1 was not found: NVIDIA's driver is not installed"};
  CudaFunctions cuda{.init = library.find<int(unsigned)>("cuInit"),
                     .device_count = library.find<int(int*)>("cuDeviceGetCount"),
                     .device = library.find<int(int*, int)>("cuDeviceGet"),
                     .name = library.find<int(char*, int, int)>("cuDeviceGetName"),
                     .bus_id = library.find<int(char*, int, int)>("cuDeviceGetPCIBusId"),
                     .attribute = library.find<int(int*, int, int)>("cuDeviceGetAttribute"),
                     .can_access = library.find<int(int*, int, int)>("cuDeviceCanAccessPeer"),
                     .peer_attribute = library.find<int(int*, int, int, int)>("cuDeviceGetP2PAttribute")};
  if (!library.missing().empty()) return Error{ErrorCode::no_device, "libcuda.so.1 has no " + library.missing() + ": the driver is too old"};
  return cuda;
}

namespace detect {

namespace {

// CUdevice_attribute and CUdevice_P2PAttribute.
constexpr int multiprocessors = 16;
constexpr int capability_major = 75;
constexpr int capability_minor = 76;
constexpr int host_numa_id = 134;
constexpr int performance_rank = 1;
constexpr int native_atomics = 3;

int attribute(const CudaFunctions& cuda, int which, int device, int fallback) {
  int value = fallback;
  return cuda.attribute(&value, which, device) == 0 ? value : fallback;
}

CudaPeer peer_of(const CudaFunctions& cuda, const std::array<int, 2>& ordinals, const std::array<int, 2>& devices) {
  CudaPeer peer{.from = ordinals[0], .to = ordinals[1]};
  int value = 0;
  peer.access = cuda.can_access(&value, devices[0], devices[1]) == 0 && value != 0;
  peer.atomics = cuda.peer_attribute(&value, native_atomics, devices[0], devices[1]) == 0 && value != 0;
  peer.performance_rank = cuda.peer_attribute(&value, performance_rank, devices[0], devices[1]) == 0 ? value : -1;
  return peer;
}

}  // namespace

void add_cuda(MachineFacts& facts, const CudaFunctions& cuda) {
  if (const int code = cuda.init(0); code != 0) {
    facts.cuda_missing = "cuInit fails with code " + std::to_string(code) + (code == 100 ? ": no device" : "");
    return;
  }
  int count = 0;
  if (cuda.device_count(&count) != 0) count = 0;
  if (count == 0) facts.cuda_missing = "no device is visible";
  std::vector<int> devices;
  for (int d = 0; d < count; ++d) {
    int device = 0;
    if (cuda.device(&device, d) != 0) continue;
    std::array<char, 96> text{};
    CudaGpu gpu;
    if (cuda.name(text.data(), static_cast<int>(text.size()), device) == 0) gpu.name = text.data();
    if (cuda.bus_id(text.data(), static_cast<int>(text.size()), device) == 0) gpu.bus_id = short_bus_id(text.data());
    gpu.compute_capability = 10 * attribute(cuda, capability_major, device, 0) + attribute(cuda, capability_minor, device, 0);
    gpu.multiprocessors = attribute(cuda, multiprocessors, device, 0);
    gpu.numa = attribute(cuda, host_numa_id, device, -1);
    facts.cuda.push_back(std::move(gpu));
    devices.push_back(device);
  }
  for (std::size_t a = 0; a < devices.size(); ++a) {
    for (std::size_t b = 0; b < devices.size(); ++b) {
      if (a != b) facts.peers.push_back(peer_of(cuda, {static_cast<int>(a), static_cast<int>(b)}, {devices[a], devices[b]}));
    }
  }
}

}  // namespace detect

}  // namespace p2plab
