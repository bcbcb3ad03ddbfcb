// SPDX-License-Identifier: Apache-2.0
// How much memory this process has.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "p2plab/base/units.h"

namespace p2plab::cli {

// The second number of /proc/self/statm: pages that are in memory. Read without an allocation, which may be what fails.
inline Bytes memory_in_use(int statm) {
  std::array<char, 128> text{};
  if (pread(statm, text.data(), text.size() - 1, 0) <= 0) return Bytes{0};
  char* end = nullptr;
  std::strtoll(text.data(), &end, 10);
  return Bytes{std::strtoll(end, nullptr, 10) * sysconf(_SC_PAGESIZE)};
}

// The most that was in memory so far.
inline Bytes memory_taken() {
  rusage usage{};
  return Bytes{getrusage(RUSAGE_SELF, &usage) == 0 ? std::int64_t{usage.ru_maxrss} * 1024 : 0};
}

}  // namespace p2plab::cli
