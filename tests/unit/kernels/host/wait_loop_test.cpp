// SPDX-License-Identifier: Apache-2.0
#include "host/wait_loop.h"

#include <ctime>

#include <gtest/gtest.h>

namespace p2plab::wait_loop_test {
namespace {

using Clock = std::chrono::steady_clock;

double processor_seconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

// However busy the machine is, who sleeps between looks uses no more than a part of the time; who only yields on an idle one uses all of it.
TEST(WaitLoop, LeavesTheProcessorToThoseThatItWaitsFor) {
  constexpr std::chrono::milliseconds awaited{100};
  const auto used = processor_seconds();
  WaitLoop waiting;
  for (const auto until = Clock::now() + awaited; Clock::now() < until;) waiting.pause();
  EXPECT_LT(processor_seconds() - used, 0.07);
}

}  // namespace
}  // namespace p2plab::wait_loop_test
