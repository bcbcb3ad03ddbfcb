// SPDX-License-Identifier: Apache-2.0
// How a thread waits for what other threads or processes of this machine write.
#pragma once

#include <chrono>
#include <optional>
#include <thread>

namespace p2plab {

/// For the body of a loop that looks again and again. It yields at first, then sleeps between looks: where ranks outnumber processors, those that
/// wait would else take the time of those that they wait for.
class WaitLoop {
 public:
  void pause() {
    const auto now = Clock::now();
    if (!since_) since_ = now;
    if (now - *since_ < moment)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(moment);
  }
  /// Something came: the next wait is a new one.
  void came() { since_.reset(); }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds moment{50};

  std::optional<Clock::time_point> since_;
};

}  // namespace p2plab
