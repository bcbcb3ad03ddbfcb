// SPDX-License-Identifier: Apache-2.0
// A watch of NVLinks whose NVML says what the test wants, or nothing.
#include "runtime/link_watch.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <thread>

#include <gtest/gtest.h>

namespace p2plab::runtime::link_watch_test {
namespace {

std::atomic<bool> down{false};
std::atomic<bool> hangs{false};
std::atomic<bool> hung{false};
std::atomic<bool> never_begins{false};

// Two GPUs with one link.
NvmlFunctions played() {
  using Device = NvmlFunctions::Device;
  const auto write = [](Device device, NvmlFunctions::PciInfo* info, int first) {
    const int gpu = device == reinterpret_cast<Device>(1) ? first : 3 - first;
    std::snprintf(info->bus_id.data(), info->bus_id.size(), "00000000:0%d:00.0", gpu);
    return 0;
  };
  NvmlFunctions nvml;
  nvml.init = [] {
    for (; never_begins; std::this_thread::yield()) hung = true;
    return 0;
  };
  nvml.device_count = [](unsigned* count) { return *count = 2, 0; };
  nvml.device = [](unsigned number, Device* device) { return *device = reinterpret_cast<Device>(std::uintptr_t{number} + 1), 0; };
  nvml.pci = [=](Device device, NvmlFunctions::PciInfo* info) { return write(device, info, 1); };
  nvml.link_state = [](Device, unsigned link, unsigned* active) {
    for (; hangs; std::this_thread::yield()) hung = true;
    *active = down ? 0 : 1;
    return link == 0 ? 0 : 2;
  };
  nvml.link_remote = [=](Device device, unsigned, NvmlFunctions::PciInfo* info) { return write(device, info, 2); };
  return nvml;
}

const std::vector<std::string> both{"0000:01:00.0", "0000:02:00.0"};

TEST(LinkWatch, TellsWhatIsLostSinceItFirstLooked) {
  down = false;
  LinkWatch watch(played, Seconds{2});
  EXPECT_TRUE(watch.look(both).empty());
  std::promise<Loss> told;
  const auto watched = watch.add(both, Seconds{0.001}, [&](const Loss& loss) { told.set_value(loss); });
  down = true;
  const auto loss = told.get_future().get();
  EXPECT_EQ(loss.pairs, (std::vector<std::pair<std::string, std::string>>{{both[0], both[1]}}));
  EXPECT_EQ(watch.look(both), loss);
}

// Never destroyed: its thread is left behind in NVML.
TEST(LinkWatch, AnNvmlThatHangsHindersNeitherQuestionsNorTheEnd) {
  down = false;
  static auto& watch = *new LinkWatch(played, Seconds{0.02});
  auto watched = watch.add(both, Seconds{0.001}, [](const Loss&) {});
  hangs = true;
  const auto loss = watch.look(both);
  EXPECT_TRUE(loss.unanswered);
  EXPECT_TRUE(loss.pairs.empty());
  watched.reset();
  hangs = false;
  EXPECT_FALSE(watch.look(both).unanswered);
}

TEST(LinkWatch, AnNvmlThatHangsAtItsFirstAnswerHindersNobody) {
  down = false;
  never_begins = true;
  static auto& watch = *new LinkWatch(played, Seconds{0.02});
  EXPECT_TRUE(watch.look(both).unanswered);
  auto watched = watch.add(both, Seconds{0.001}, [](const Loss&) {});
  EXPECT_TRUE(watch.look(both).unanswered);
  watched.reset();
  never_begins = false;
  EXPECT_FALSE(watch.look(both).unanswered);
}

TEST(LinkWatch, WhoAsksAsTheLastWatchedGpusGoIsAnswered) {
  down = hung = false;
  LinkWatch watch(played, Seconds{30});
  auto watched = watch.add(both, Seconds{60}, [](const Loss&) {});
  hangs = true;
  auto asked = std::async(std::launch::async, [&] { return watch.look(both); });
  while (!hung) std::this_thread::yield();
  auto ended = std::async(std::launch::async, [&] { watched.reset(); });
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  down = true;
  hangs = false;
  const auto loss = asked.get();
  EXPECT_FALSE(loss.unanswered);
  EXPECT_EQ(loss.pairs.size(), 1U);
}

}  // namespace
}  // namespace p2plab::runtime::link_watch_test
