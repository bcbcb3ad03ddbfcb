// SPDX-License-Identifier: Apache-2.0
// A Machine on the CPU for moves alone: accesses must lie where they may and at multiples of their own size, as GPUs want it; blocks have several
// threads, which run together in groups.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>

#include "support/emulation/cpu_machine.h"

namespace p2plab::test {

/// What a move may read and write, and what it has done.
struct Guard {
  struct Region {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  std::vector<Region> readable = {};
  std::vector<Region> writable = {};
  std::atomic<int> outside = 0;
  std::atomic<int> misaligned = 0;
  std::atomic<int> narrow_stores = 0;  // of less than 16 bytes
};

/// Threads of a block of `Threads`, in groups of `WarpThreads`.
template <int WarpThreads, int Threads>
struct GuardedCpu : Cpu {
  static constexpr std::uint32_t warp_threads = WarpThreads;
  struct Group {
    std::barrier<> turn{WarpThreads};
    std::array<device::Words<4>, WarpThreads> given;
  };
  struct Block {
    Guard guard;
    std::array<Group, Threads / WarpThreads> groups;
  };
  struct Here {
    Block* block = nullptr;
    std::uint32_t thread = 0;
  };
  static Here& here() {
    static thread_local Here mine;
    return mine;
  }
  static std::uint32_t thread() { return here().thread; }
  static std::uint32_t threads() { return Threads; }
  static device::Words<4> next_lane(const device::Words<4>& mine) {
    if constexpr (WarpThreads == 1) return mine;
    auto& group = here().block->groups.at(thread() / WarpThreads);
    group.given.at(thread() % WarpThreads) = mine;
    group.turn.arrive_and_wait();
    const auto next = group.given.at((thread() + 1) % WarpThreads);
    group.turn.arrive_and_wait();
    return next;
  }

  // Counts what is wrong with an access; true if it may be made.
  static bool allowed(const std::vector<Guard::Region>& regions, std::uint64_t address, std::uint64_t bytes) {
    auto& guard = here().block->guard;
    const bool inside = std::ranges::any_of(regions, [=](const auto& region) { return region.begin <= address && address + bytes <= region.end; });
    if (!inside) ++guard.outside;
    if (address % bytes != 0) ++guard.misaligned;
    return inside;
  }
  static bool readable(std::uint64_t address, std::uint64_t bytes) { return allowed(here().block->guard.readable, address, bytes); }
  static bool writable(std::uint64_t address, std::uint64_t bytes) {
    if (bytes < 16) ++here().block->guard.narrow_stores;
    return allowed(here().block->guard.writable, address, bytes);
  }
  template <int N>
  static device::Words<N> load(std::uint64_t address) {
    return readable(address, N * 4) ? Cpu::load<N>(address) : device::Words<N>{};
  }
  template <int N>
  static void store(std::uint64_t address, const device::Words<N>& words) {
    if (writable(address, N * 4)) Cpu::store<N>(address, words);
  }
  static std::uint32_t load_32(std::uint64_t address) { return readable(address, 4) ? Cpu::load_32(address) : 0; }
  static std::uint32_t load_16(std::uint64_t address) { return readable(address, 2) ? Cpu::load_16(address) : 0; }
  static std::uint32_t load_8(std::uint64_t address) { return readable(address, 1) ? Cpu::load_8(address) : 0; }
  static void store_32(std::uint64_t address, std::uint32_t value) {
    if (writable(address, 4)) Cpu::store_32(address, value);
  }
  static void store_16(std::uint64_t address, std::uint32_t value) {
    if (writable(address, 2)) Cpu::store_16(address, value);
  }
  static void store_8(std::uint64_t address, std::uint32_t value) {
    if (writable(address, 1)) Cpu::store_8(address, value);
  }
};

}  // namespace p2plab::test
