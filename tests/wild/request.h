// SPDX-License-Identifier: Apache-2.0
// What is said between the driver and the program that waits before its main.
#pragma once

#include <cstdint>

namespace p2plab::wild {

constexpr int request_end = 198;  // descriptors of the program
constexpr int answer_end = 199;
constexpr int cannot_start = 125;

/// Followed by `bytes` of words that end in zeros.
struct Request {
  std::uint64_t address_space = 0;  // 0: no limit
  std::uint32_t timeout = 0;        // seconds until the copy is killed
  std::uint32_t bytes = 0;
};

struct Answer {
  std::int64_t most_memory = 0;  // bytes
  double seconds = 0;
  double processor_seconds = 0;
  int status = 0;
  int unused = 0;
};

}  // namespace p2plab::wild
