// SPDX-License-Identifier: Apache-2.0
// paced_calls FOLDER CALLS_A_SECOND SECONDS RING: two ranks record calls, some of them sends and steps, at that pace; prints how many there were, and
// stays until its input ends.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "monitor/recorder.h"

using namespace p2plab::monitor;

namespace {

void rank_main(Recorder& recorder, int side, int rank, std::uint64_t calls, std::chrono::nanoseconds between) {
  const auto begun = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < calls; ++i) {
    std::this_thread::sleep_until(begun + static_cast<std::int64_t>(i) * between);
    constexpr std::uint64_t pairs_between = 50;
    CallInfo info{.count = 4096, .bytes = 16384, .kind = all_reduce, .type = 7, .op = 0, .backend = Backend::cpu, .algorithm = recorder.name("ring")};
    if (i % pairs_between == 0) {
      info.kind = rank == 0 ? send : receive;
      info.peer = static_cast<std::int16_t>(1 - rank);
    }
    const auto number = recorder.begin(side, info);
    for (std::uint32_t step = 0; step < 2; ++step) recorder.step({.call = number, .begun = now(), .ended = now() + 1000, .step = step});
    recorder.end(number, Progress::done);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  const double pace = std::strtod(arguments[2], nullptr);
  const double seconds = std::strtod(arguments[3], nullptr);
  const auto recorder = Recorder::open({.source = "host",
                                        .level = Level::steps,
                                        .folder = arguments[1],
                                        .calls = static_cast<std::uint32_t>(std::strtoul(arguments[4], nullptr, 10))});
  if (recorder == nullptr) return 1;
  const auto each = static_cast<std::uint64_t>(pace * seconds / 2);
  {
    std::jthread ranks[2];
    for (int rank = 0; rank < 2; ++rank) {
      const int side = recorder->add_side({.communicator = 5, .rank = rank, .ranks = 2, .device = rank, .name = "world"});
      ranks[rank] = std::jthread([&recorder, side, rank, each, pace] {
        rank_main(*recorder, side, rank, each, std::chrono::nanoseconds{static_cast<std::int64_t>(2e9 / pace)});
      });
    }
  }
  std::printf("%llu\n", static_cast<unsigned long long>(2 * each));
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
