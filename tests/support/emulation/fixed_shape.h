// SPDX-License-Identifier: Apache-2.0
// What specialise.h writes of a two-shot all-reduce of three ranks (a test compares), compiled for the CPU.
#pragma once

#include "device/fixed_tables.h"

namespace p2plab::test {

// clang-format off
struct Shape {
  static constexpr int waves = 3;
  static constexpr int sources = 7;
  static constexpr int stores = 3;
  static constexpr int all_stores = 7;
  static constexpr int width = 3;
  static constexpr int first_landing = 1;
  static constexpr int stages = 3;
  static constexpr bool odd = true;
  static constexpr bool once = false;
  static constexpr bool recorded = true;
  static constexpr bool steps = false;
  static constexpr args::PacketWave wave(std::uint32_t i) {
    constexpr args::PacketWave table[] = {{0, 0, 2, 2, 0, 0}, {2, 2, 3, 3, 7, 6}, {5, 5, 2, 2, 0, 3}};
    return table[i];
  }
  static constexpr std::uint8_t stage(std::uint32_t i) {
    constexpr std::uint8_t table[] = {0, 1, 2};
    return table[i];
  }
  static constexpr std::uint8_t store_kind(std::uint32_t i) {
    constexpr std::uint8_t table[] = {8, 9, 8, 8, 0, 0, 1};
    return table[i];
  }
};
// clang-format on

/// The same of calls that nobody records.
struct UnrecordedShape : Shape {
  static constexpr bool recorded = false;
};

/// The same of calls whose steps are noted.
struct NotingShape : Shape {
  static constexpr bool steps = true;
};

/// The same as a program of too many stages has it.
struct UnstagedShape : Shape {
  static constexpr int stages = 1;
  static constexpr std::uint8_t stage(std::uint32_t) { return 0; }
};

/// The same where all packets are whole and every thread has one.
struct OnceShape : Shape {
  static constexpr bool odd = false;
  static constexpr bool once = true;
};

}  // namespace p2plab::test
