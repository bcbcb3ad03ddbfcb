// SPDX-License-Identifier: Apache-2.0
// NCCL's kernels wait for their peers without end: this gives calls up when a rank is gone, or when nothing has been heard of them for too long.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "p2plab/base/units.h"

namespace p2plab::cuda {

class CallLimit {
 public:
  /// Calls `give_up`, once and from another thread, when `touch` was not called for so long, or `gone` was.
  CallLimit(Seconds limit, std::function<void()> give_up);
  ~CallLimit();
  CallLimit(const CallLimit&) = delete;
  CallLimit& operator=(const CallLimit&) = delete;
  CallLimit(CallLimit&&) = delete;
  CallLimit& operator=(CallLimit&&) = delete;

  void touch();
  void gone();
  /// Was it too long?
  bool expired() const { return expired_.load(); }

 private:
  void watch();

  Seconds limit_;
  std::function<void()> give_up_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::steady_clock::time_point touched_;
  bool gone_ = false;
  bool quit_ = false;
  std::atomic<bool> expired_{false};
  std::thread thread_;
};

}  // namespace p2plab::cuda
