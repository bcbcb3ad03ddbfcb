// SPDX-License-Identifier: Apache-2.0
// std::bad_alloc does not say how much was asked for, so the program has a `new` that remembers it.
#include <atomic>
#include <cstdlib>
#include <new>

#include "cli/memory_use.h"

namespace p2plab::cli {

namespace {

std::atomic<std::size_t>& refused() {
  static constinit std::atomic<std::size_t> bytes = 0;
  return bytes;
}

}  // namespace

Bytes refused_memory() { return Bytes{static_cast<std::int64_t>(refused().load())}; }

}  // namespace p2plab::cli

void* operator new(std::size_t size) {
  while (true) {
    if (void* memory = std::malloc(size > 0 ? size : 1); memory != nullptr) return memory;
    p2plab::cli::refused() = size;
    const auto handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc{};
    handler();
  }
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }
