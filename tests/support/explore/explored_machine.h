// SPDX-License-Identifier: Apache-2.0
// The Machine that interpreters ask for, for an Explorer: every access to memory that ranks share is a place where orders may differ.
#pragma once

#include "support/emulation/cpu_machine.h"
#include "support/explore/explorer.h"

namespace p2plab::test {

/// `Piece`: bytes of a packet that become visible at once, at an address that is a multiple of them. `Fences`: false leaves them out, for tests of
/// the test.
template <std::size_t Piece, bool Fences = true>
struct ExploredMachine : Cpu {
  static constexpr std::uint32_t spins_between_checks = 1U << 31;  // no deadline
  static std::uint32_t block() { return Explorer::here().grid().first; }
  static std::uint32_t blocks() { return Explorer::here().grid().second; }
  static void fence() {
    if (Fences) Explorer::here().fence();
  }
  static void store_flag(std::uint64_t address, std::uint32_t value) {
    fence();
    Explorer::here().write(address, &value, sizeof value, sizeof value);
  }
  static std::uint32_t acquire(std::uint64_t address) {
    std::uint32_t value = 0;
    Explorer::here().poll(address, &value, sizeof value, sizeof value);
    return value;
  }
  static std::uint32_t peek(std::uint64_t) { return 0; }
  static void send(std::uint64_t address, const device::Words<4>& packet) { Explorer::here().write(address, packet.w, sizeof packet.w, Piece); }
  static device::Words<4> receive(std::uint64_t address) {
    device::Words<4> packet;
    Explorer::here().poll(address, packet.w, sizeof packet.w, Piece);
    return packet;
  }
  template <int N>
  static device::Words<N> load(std::uint64_t address) {
    device::Words<N> words;
    Explorer::here().read(address, words.w, sizeof words.w);
    return words;
  }
  template <int N>
  static void store(std::uint64_t address, const device::Words<N>& words) {
    Explorer::here().write(address, words.w, sizeof words.w, Piece);
  }
  template <class T>
  static std::uint32_t load_as(std::uint64_t address) {
    T value{};
    Explorer::here().read(address, &value, sizeof value);
    return value;
  }
  template <class T>
  static void store_as(std::uint64_t address, std::uint32_t value) {
    const auto narrow = static_cast<T>(value);
    Explorer::here().write(address, &narrow, sizeof narrow, sizeof narrow);
  }
  static std::uint32_t load_32(std::uint64_t address) { return load_as<std::uint32_t>(address); }
  static std::uint32_t load_16(std::uint64_t address) { return load_as<std::uint16_t>(address); }
  static std::uint32_t load_8(std::uint64_t address) { return load_as<std::uint8_t>(address); }
  static void store_32(std::uint64_t address, std::uint32_t value) { store_as<std::uint32_t>(address, value); }
  static void store_16(std::uint64_t address, std::uint32_t value) { store_as<std::uint16_t>(address, value); }
  static void store_8(std::uint64_t address, std::uint32_t value) { store_as<std::uint8_t>(address, value); }
  static std::uint64_t now() { return 0; }
};

}  // namespace p2plab::test
