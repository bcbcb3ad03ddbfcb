// SPDX-License-Identifier: Apache-2.0
#include "host/parallel.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace p2plab {

int worker_threads(int requested) {
  if (requested > 0) return requested;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void parallel_for(std::size_t count, int threads, const std::function<void(std::size_t)>& body) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (auto i = next.fetch_add(1); i < count; i = next.fetch_add(1)) body(i);
  };
  const auto helpers = std::min(static_cast<std::size_t>(std::max(threads, 1)), std::max<std::size_t>(count, 1)) - 1;
  std::vector<std::jthread> team;
  try {
    for (std::size_t t = 0; t < helpers; ++t) team.emplace_back(work);
  } catch (const std::system_error&) {  // the work is done by fewer
  }
  work();
}

}  // namespace p2plab
