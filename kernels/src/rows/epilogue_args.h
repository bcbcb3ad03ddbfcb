// SPDX-License-Identifier: Apache-2.0
// What the epilogue of a program is given (rows/worker.h): plain data, absolute addresses.
#pragma once

#include <cstdint>

namespace p2plab::args {

/// As in p2plab/program/epilogue.h; numbers instead of enumerators, which code made at run time does not see.
inline constexpr std::uint8_t norm_none = 0;
inline constexpr std::uint8_t norm_rms = 1;
inline constexpr std::uint8_t norm_layer = 2;
inline constexpr std::uint8_t float8_none = 0;
inline constexpr std::uint8_t float8_tensor = 1;
inline constexpr std::uint8_t float8_token = 2;
inline constexpr std::uint8_t float8_group = 3;
inline constexpr std::uint32_t float8_group_elements = 128;

/// Rows of one rank. Addresses are multiples of 16; 0: there is no such input, or the output is not wanted.
struct EpilogueCall {
  std::uint64_t source = 0;  // the complete sums
  std::uint64_t residual = 0;
  std::uint64_t weight = 0;
  std::uint64_t bias = 0;
  std::uint64_t sum = 0;
  std::uint64_t normed = 0;
  std::uint64_t quantised = 0;
  std::uint64_t scales = 0;    // float32: read for float8_tensor, else written
  std::uint64_t arrivals = 0;  // a counter of blocks that have come; arrivals_stride behind it, what it showed when the call began, one word a block
  std::uint32_t rows = 0;
  std::uint32_t hidden = 0;  // elements of a row
  float epsilon = 0;
  std::uint8_t norm = norm_none;
  std::uint8_t float8 = float8_none;
};

inline constexpr std::uint64_t arrivals_stride = 64;

/// Where a HangReport of an epilogue says that other blocks of the rank did not come.
inline constexpr std::uint32_t item_arrivals = 0xfffffffd;

}  // namespace p2plab::args
