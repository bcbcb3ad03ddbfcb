// SPDX-License-Identifier: Apache-2.0
// Independent pieces of work on all cores; results go where their index says, so the outcome is the same on any number of cores.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace p2plab {

/// Calls work(0) .. work(count - 1), each once, from as many threads as there are cores (`threads` of them, if given). An exception of one (memory
/// that is not there) ends the others after their present work, and is thrown here.
template <class Work>
void for_each_index(std::size_t count, const Work& work, unsigned threads = std::thread::hardware_concurrency()) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr fault;
  const auto loop = [&] {
    try {
      for (auto i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!fault) fault = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> helpers;
    try {
      for (unsigned t = 1; t < threads && t < count; ++t) helpers.emplace_back(loop);
    } catch (const std::system_error&) {  // the work is done by fewer
    }
    loop();
  }
  if (fault) std::rethrow_exception(fault);
}

}  // namespace p2plab
