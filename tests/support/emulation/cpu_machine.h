// SPDX-License-Identifier: Apache-2.0
// Runs the GPU kernels' own interpreter source on CPU threads: one thread a block, one after another where blocks are independent.
#pragma once

#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "device/packet.h"
#include "device/slice.h"
#include "lowered/kernel_args.h"

namespace p2plab::test {

/// The Machine that the interpreters ask for, with atomics in place of PTX. Blocks have one thread.
struct Cpu {
  static constexpr std::uint32_t spins_between_checks = 64;
  struct Place {
    std::uint32_t block = 0;
    std::uint32_t blocks = 1;
  };
  static Place& place() {
    static thread_local Place here;
    return here;
  }
  static std::uint32_t thread() { return 0; }
  static std::uint32_t threads() { return 1; }
  static std::uint32_t block() { return place().block; }
  static std::uint32_t blocks() { return place().blocks; }
  static void sync() {}
  static bool sync_any(bool mine) { return mine; }
  template <int Threads>
  static bool any(bool mine) {
    static_assert(Threads == 1, "blocks have one thread");
    return mine;
  }
  template <int Threads>
  static void converge() {
    static_assert(Threads == 1, "blocks have one thread");
  }
  static constexpr std::uint32_t warp_threads = 1;
  static device::Words<4> next_lane(const device::Words<4>& mine) { return mine; }
  static void fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

  template <class T>
  static T* at(std::uint64_t address) {
    return reinterpret_cast<T*>(address);
  }
  static void store_flag(std::uint64_t address, std::uint32_t value) { __atomic_store_n(at<std::uint32_t>(address), value, __ATOMIC_RELEASE); }
  static std::uint32_t acquire(std::uint64_t address) { return __atomic_load_n(at<std::uint32_t>(address), __ATOMIC_ACQUIRE); }
  static std::uint32_t peek(std::uint64_t address) { return acquire(address); }
  static void send(std::uint64_t address, const device::Words<4>& packet) {
    for (std::uint64_t half = 0; half < 2; ++half) {
      const auto word = packet.w[half * 2] | std::uint64_t{packet.w[half * 2 + 1]} << 32;
      __atomic_store_n(at<std::uint64_t>(address + half * 8), word, __ATOMIC_RELEASE);
    }
  }
  static device::Words<4> receive(std::uint64_t address) {
    device::Words<4> packet;
    for (std::uint64_t half = 0; half < 2; ++half) {
      const auto word = __atomic_load_n(at<std::uint64_t>(address + half * 8), __ATOMIC_ACQUIRE);
      packet.w[half * 2] = static_cast<std::uint32_t>(word);
      packet.w[half * 2 + 1] = static_cast<std::uint32_t>(word >> 32);
    }
    return packet;
  }
  template <int N>
  static device::Words<N> load(std::uint64_t address) {
    device::Words<N> words;
    std::memcpy(words.w, at<void>(address), sizeof words.w);
    return words;
  }
  template <int N>
  static void store(std::uint64_t address, const device::Words<N>& words) {
    std::memcpy(at<void>(address), words.w, sizeof words.w);
  }
  static device::Words<4> receive_if(std::uint32_t mine, std::uint64_t address) { return mine != 0 ? receive(address) : device::Words<4>{}; }
  static void store_if(std::uint32_t mine, std::uint64_t address, const device::Words<4>& words) {
    if (mine != 0) store<4>(address, words);
  }
  static void store_32_if(std::uint32_t mine, std::uint64_t address, std::uint32_t value) {
    if (mine != 0) store_32(address, value);
  }
  static std::uint32_t load_32_if(std::uint32_t mine, std::uint64_t address) { return mine != 0 ? load_32(address) : 0; }
  template <std::uint32_t Selector>
  static std::uint32_t pick(std::uint32_t low, std::uint32_t high) {
    const auto both = low | std::uint64_t{high} << 32;
    std::uint32_t picked = 0;
    for (std::uint32_t byte = 0; byte < 4; ++byte) picked |= static_cast<std::uint32_t>(both >> (Selector >> 4 * byte & 7) * 8 & 0xff) << 8 * byte;
    return picked;
  }
  static std::uint32_t hold(std::uint32_t value) { return value; }
  static void settle(std::uint64_t) {}
  template <class T>
  static std::uint32_t load_as(std::uint64_t address) {
    T value{};
    std::memcpy(&value, at<void>(address), sizeof value);
    return value;
  }
  template <class T>
  static void store_as(std::uint64_t address, std::uint32_t value) {
    const auto narrow = static_cast<T>(value);
    std::memcpy(at<void>(address), &narrow, sizeof narrow);
  }
  static std::uint32_t load_32(std::uint64_t address) { return load_as<std::uint32_t>(address); }
  static std::uint32_t load_16(std::uint64_t address) { return load_as<std::uint16_t>(address); }
  static std::uint32_t load_8(std::uint64_t address) { return load_as<std::uint8_t>(address); }
  static void store_32(std::uint64_t address, std::uint32_t value) { store_as<std::uint32_t>(address, value); }
  static void store_16(std::uint64_t address, std::uint32_t value) { store_as<std::uint16_t>(address, value); }
  static void store_8(std::uint64_t address, std::uint32_t value) { store_as<std::uint8_t>(address, value); }

  static std::uint64_t now() {
    std::this_thread::yield();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
  }
  static void report(std::uint64_t where, std::uint64_t abort, const args::HangReport& hang) {
    auto& report = *at<args::HangReport>(where);
    if (__atomic_exchange_n(&report.hung, 1U, __ATOMIC_ACQ_REL) == 0) {
      report.block = hang.block;
      report.item = hang.item;
      report.wait = hang.wait;
      report.position = hang.position;
    }
    store_flag(abort, 1);
  }
};

/// Runs body() as block 0 ... blocks - 1 of a grid, all at once.
template <class Body>
void run_blocks(std::vector<std::thread>& threads, std::uint32_t blocks, Body body) {
  for (std::uint32_t b = 0; b < blocks; ++b) {
    threads.emplace_back([=] {
      Cpu::place() = {b, blocks};
      body();
    });
  }
}

}  // namespace p2plab::test
