// SPDX-License-Identifier: Apache-2.0
// Independent pieces of work on all cores; results go where their index says, so the outcome is the same on any number of cores.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

namespace p2plab {

/// Calls work(0) .. work(count - 1), each once, from as many threads as there are cores (`threads` of them, if given).
template <class Work>
void for_each_index(std::size_t count, const Work& work, unsigned threads = std::thread::hardware_concurrency()) {
  std::atomic<std::size_t> next{0};
  const auto loop = [&] {
    for (auto i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
  };
  std::vector<std::jthread> helpers;
  for (unsigned t = 1; t < threads && t < count; ++t) helpers.emplace_back(loop);
  loop();
}

}  // namespace p2plab
