// SPDX-License-Identifier: Apache-2.0
#include "cuda/memory/own_process.h"

#include <unistd.h>

#include <map>
#include <mutex>
#include <random>

#include <cuda_runtime.h>

#include "cuda/api.h"

namespace p2plab::cuda {

namespace {

struct Owners {
  std::mutex mutex;
  std::map<std::uint64_t, std::weak_ptr<void>> by_address;
};
// Never destroyed: threads of the application may outlast static objects.
Owners& owners() {
  static auto* const all = new Owners;
  return *all;
}

}  // namespace

void remember_owner(std::uint64_t address, const std::shared_ptr<void>& owner) {
  auto& all = owners();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.by_address, [](const auto& each) { return each.second.expired(); });
  all.by_address[address] = owner;
}

std::shared_ptr<void> owner_of(std::uint64_t address) {
  auto& all = owners();
  const std::lock_guard lock(all.mutex);
  const auto found = all.by_address.find(address);
  return found == all.by_address.end() ? nullptr : found->second.lock();
}

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
  int able = 0;
  if (auto done = check(cudaDeviceCanAccessPeer(&able, current, attributes.device), "ask which GPUs reach each other"); !done) return done;
  if (able == 0) return {};  // then programs go through host memory
  const auto code = cudaDeviceEnablePeerAccess(attributes.device, 0);
  if (code != cudaErrorPeerAccessAlreadyEnabled) return check(code, "let a GPU use the memory of another one of this process");
  cudaGetLastError();
  return {};
}

}  // namespace p2plab::cuda
