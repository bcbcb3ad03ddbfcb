// SPDX-License-Identifier: Apache-2.0
#include "cuda/memory/own_process.h"

#include <unistd.h>

#include <random>

#include <cuda_runtime.h>

#include "cuda/api.h"

namespace p2plab::cuda {

ProcessName this_process() {
  static const std::uint64_t drawn = [] {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }();
  return {drawn, getpid()};
}

Status reach_own_memory(std::uint64_t address) {
  cudaPointerAttributes attributes{};
  if (auto done = check(cudaPointerGetAttributes(&attributes, reinterpret_cast<void*>(address)), "ask which GPU memory is of"); !done) return done;
  int current = 0;
  if (auto done = check(cudaGetDevice(&current), "ask for the current GPU"); !done || attributes.device == current) return done;
  const auto code = cudaDeviceEnablePeerAccess(attributes.device, 0);
  if (code != cudaErrorPeerAccessAlreadyEnabled) return check(code, "let a GPU use the memory of another one of this process");
  cudaGetLastError();
  return {};
}

}  // namespace p2plab::cuda
