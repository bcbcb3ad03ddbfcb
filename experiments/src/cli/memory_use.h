// SPDX-License-Identifier: Apache-2.0
// How much memory this process has.
#pragma once

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <string>

#include <fmt/format.h>

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

// What is allocated now, whether it was written to or not.
inline Bytes memory_allocated() {
  const auto all = mallinfo2();
  return Bytes{static_cast<std::int64_t>(all.uordblks + all.hblkhd)};
}

/// What the last `new` that failed asked for, in any thread; zero if none did.
Bytes refused_memory();

/// Half of the memory that this machine, or the group of processes this one is in, may take.
inline Bytes usual_memory_limit() {
  auto most = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const auto* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::int64_t limit = 0;
    if (std::ifstream(path) >> limit && limit > 0) most = std::min(most, limit);  // "max" is no number
  }
  return Bytes{most / 2};
}

/// "640 B", "63 MiB", "1.4 GiB".
inline std::string about_memory(Bytes size) {
  if (size < 1_KiB) return fmt::format("{} B", size.count());
  if (size < 1_MiB) return fmt::format("{} KiB", size.count() / 1024);
  const auto mib = static_cast<double>(size.count()) / 0x1p20;
  return mib < 1024 ? fmt::format("{:.0f} MiB", mib) : fmt::format("{:.1f} GiB", mib / 1024);
}

/// For messages: ", which needs at least 96 MiB: 16 MiB more".
inline std::string at_least_needed(Bytes needed, Bytes more) {
  return fmt::format(", which needs at least {}: {} more", about_memory(needed), about_memory(more));
}

}  // namespace p2plab::cli
