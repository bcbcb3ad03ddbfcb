// SPDX-License-Identifier: Apache-2.0
// The profiler plugin without GPUs: NCCL's calls of it as versions 4 to 7 make them, event by event, byte by byte as the structs of NCCL's own
// headers lie (2.27 to 2.32), which are not those of the plugin.
#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>

#include "p2plab/run/monitor.h"
#include "support/scratch.h"

namespace p2plab::nccl_profiler_test {
namespace {

// An event as NCCL lays it out: type (one byte in version 4, else eight), parent at 8, rank at 16, what is said of it from 24 on.
class Event {
 public:
  Event(int version, std::uint64_t type, void* parent) {
    bytes_.fill(std::byte{0xee});  // what a union leaves open holds anything
    if (version == 4)
      put(0, static_cast<std::uint8_t>(type));
    else
      put(0, type);
    put(8, parent);
    put(16, 0);
  }
  template <class T>
  Event& put(std::size_t at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
    return *this;
  }
  void* data() { return bytes_.data(); }

 private:
  std::array<std::byte, 192> bytes_{};
};

constexpr std::uint64_t coll = 1 << 1;
constexpr std::uint64_t proxy_op = 1 << 3;
constexpr std::uint64_t kernel = 1 << 6;
constexpr std::uint64_t coll_api = 1 << 9;

class Plugin {
 public:
  explicit Plugin(int version) : version_(version), handle_(dlopen(P2PLAB_NCCL_PROFILER, RTLD_NOW | RTLD_LOCAL)) {
    table_ = handle_ == nullptr ? nullptr : static_cast<void**>(dlsym(handle_, ("ncclProfiler_v" + std::to_string(version)).c_str()));
  }
  ~Plugin() {
    if (handle_ != nullptr) dlclose(handle_);
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  bool good() const { return table_ != nullptr && std::string{static_cast<const char*>(table_[0])} == "p2plab"; }
  int init(void** context, int rank) {
    int mask = -1;
    if (version_ == 4)
      at<int(void**, int*, const char*, std::uint64_t, int, int, int, void*)>(1)(context, &mask, "tp", 42, 1, 2, rank, nullptr);
    else
      at<int(void**, std::uint64_t, int*, const char*, int, int, int, void*)>(1)(context, 42, &mask, "tp", 1, 2, rank, nullptr);
    return mask;
  }
  void* start(void* context, Event event) {
    void* handle = this;
    EXPECT_EQ((at<int(void*, void**, void*)>(2)(context, &handle, event.data())), 0);
    return handle;
  }
  void stop(void* handle) { EXPECT_EQ(at<int(void*)>(3)(handle), 0); }
  void record(void* handle, int state, std::uint64_t value) { EXPECT_EQ((at<int(void*, int, void*)>(4)(handle, state, &value)), 0); }
  void finalize(void* context) { EXPECT_EQ(at<int(void*)>(5)(context), 0); }

 private:
  template <class F>
  F* at(int which) {
    return reinterpret_cast<F*>(table_[which]);
  }
  int version_;
  void* handle_;
  void** table_ = nullptr;
};

Event collective(int version, void* parent) {
  Event event(version, coll, parent);
  event.put(24, std::uint64_t{7}).put(32, "AllReduce").put(56, std::size_t{512}).put(64, 0).put(72, "ncclBfloat16");
  return event.put(80, std::uint8_t{2}).put(81, std::uint8_t{16}).put(88, "RING").put(96, "LL").put(104, static_cast<void*>(nullptr));
}
Event api(bool captured) {
  Event event(5, coll_api, nullptr);
  event.put(24, "AllReduce").put(32, std::size_t{512}).put(40, "ncclBfloat16").put(48, 0).put(56, reinterpret_cast<void*>(0xabcd0));
  return event.put(64, captured);
}
Event kernel_channel(int version, void* parent, std::uint8_t channel, std::uint64_t timer) {
  Event event(version, kernel, parent);
  return event.put(24, channel).put(32, timer);
}

class NcclProfiler : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    folder_ = test::scratch("records").parent_path().string();
    setenv("P2PLAB_MONITOR_DIR", folder_.c_str(), 1);
    setenv("P2PLAB_MONITOR", "detailed", 1);
  }
  void TearDown() override {
    unsetenv("P2PLAB_MONITOR_DIR");
    unsetenv("P2PLAB_MONITOR");
  }
  RecordedProcess record() const {
    const auto files = record_files(folder_);
    EXPECT_TRUE(files);
    EXPECT_EQ(files->size(), 1U);
    auto process = read_records(files->front());
    EXPECT_TRUE(process) << process.error().message;
    return process ? *process : RecordedProcess{};
  }
  std::string folder_;
};

TEST_P(NcclProfiler, RecordsACallOnceWithTheTimeOfOneChannel) {
  const int version = GetParam();
  Plugin plugin(version);
  ASSERT_TRUE(plugin.good());
  void* context = nullptr;
  const int mask = plugin.init(&context, 1);
  EXPECT_NE(mask & static_cast<int>(coll), 0);
  EXPECT_NE(mask & static_cast<int>(kernel), 0);
  EXPECT_EQ((mask & static_cast<int>(coll_api)) != 0, version > 4);
  void* const asked = version > 4 ? plugin.start(context, api(false)) : nullptr;
  void* const call = plugin.start(context, collective(version, asked));
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(plugin.start(context, Event(version, proxy_op, call)), nullptr);  // not asked for
  plugin.stop(call);
  if (asked != nullptr) plugin.stop(asked);
  // One channel tells the time; of others the thread may have read that of the 64th kernel after.
  void* const first = plugin.start(context, kernel_channel(version, call, 0, 5'000'000));
  EXPECT_EQ(plugin.start(context, kernel_channel(version, call, 1, 5'640'000)), nullptr);
  plugin.record(first, 22, 5'003'010);
  plugin.stop(first);
  plugin.stop(nullptr);
  plugin.finalize(context);
  const auto process = record();
  ASSERT_EQ(process.calls.size(), 1U);
  const auto& seen = process.calls.front();
  EXPECT_EQ(kind_word(seen.kind), "all_reduce");
  EXPECT_EQ(type_word(seen.type), "bfloat16");
  EXPECT_EQ(seen.count, 512U);
  EXPECT_EQ(process.name_of(seen.algorithm), "RING");
  EXPECT_EQ(process.name_of(seen.protocol), "LL");
  EXPECT_EQ(seen.blocks, 2);
  EXPECT_EQ(seen.device_time, 3010U);
  EXPECT_FALSE(seen.captured);
  EXPECT_EQ(seen.progress, CallProgress::queued);
  const auto& side = process.sides.at(seen.side);
  EXPECT_EQ(side.communicator, 42U);
  EXPECT_EQ(side.rank, 1);
  EXPECT_EQ(side.ranks, 2);
  EXPECT_EQ(side.name, "tp");
  EXPECT_NE(side.closed, 0U);
}

// NCCL's thread reads a start before it was written: 0 in the first round of the ring, the time of an earlier kernel later.
TEST_P(NcclProfiler, DoesNotBelieveAStartThatIsNotAfterTheLastOne) {
  const int version = GetParam();
  Plugin plugin(version);
  ASSERT_TRUE(plugin.good());
  void* context = nullptr;
  plugin.init(&context, 0);
  const std::uint64_t begin = 1'785'000'000'000'000'000;  // as the GPU's clock counts: ns since 1970
  struct Told {
    std::uint64_t start, end, time;
  };
  const Told told[] = {{0, begin + 3000, 0},
                       {begin + 4000, begin + 6000, 2000},
                       {begin + 4000, begin + 9000, 0},
                       {begin + 9100, begin + 9900, 800},
                       {begin + 9950, begin + 9900, 0}};
  for (const auto& [start, end, time] : told) {
    void* const call = plugin.start(context, collective(version, nullptr));
    void* const told_of = plugin.start(context, kernel_channel(version, call, 0, start));
    plugin.record(told_of, 22, end);
    plugin.stop(told_of);
    plugin.stop(call);
  }
  plugin.finalize(context);
  const auto process = record();
  ASSERT_EQ(process.calls.size(), std::size(told));
  for (std::size_t i = 0; i < std::size(told); ++i) EXPECT_EQ(process.calls[i].device_time, told[i].time) << i;
}

INSTANTIATE_TEST_SUITE_P(Versions, NcclProfiler, ::testing::Values(4, 5, 6, 7));

// NCCL tells of a captured call's collective and kernels at each replay, as parts of the one call that the program made.
TEST_F(NcclProfiler, MakesEachReplayOfAGraphACall) {
  Plugin plugin(5);
  void* context = nullptr;
  plugin.init(&context, 0);
  void* const asked = plugin.start(context, api(true));
  plugin.stop(asked);
  constexpr int replays = 5;
  std::uint64_t now = 1'785'000'000'000'000'000;
  for (int i = 0; i < replays; ++i, now += 10'000) {
    void* const call = plugin.start(context, collective(5, asked));
    ASSERT_NE(call, nullptr);
    plugin.stop(call);
    // The second replay's starts are both older than the kernel before.
    const auto shift = i == 1 ? 20'000U : 0U;
    void* const first = plugin.start(context, kernel_channel(5, call, 0, now - shift));
    void* const second = plugin.start(context, kernel_channel(5, call, 1, now + 100 - shift));
    for (void* const each : {first, second}) {
      if (each == nullptr) continue;  // NCCL tells no end of what it has no handle of
      plugin.record(each, 22, now + 3000);
      plugin.stop(each);
    }
  }
  plugin.finalize(context);
  const auto process = record();
  ASSERT_EQ(process.calls.size(), 1U + replays);
  EXPECT_TRUE(process.calls[0].captured);
  EXPECT_FALSE(process.calls[0].replayed);
  EXPECT_EQ(process.calls[0].device_time, 0U);
  EXPECT_EQ(process.name_of(process.calls[0].protocol), "LL");
  for (std::size_t i = 1; i < process.calls.size(); ++i) {
    EXPECT_TRUE(process.calls[i].replayed);
    EXPECT_EQ(process.calls[i].sequence, i - 1);
    EXPECT_EQ(process.calls[i].count, 512U);
    EXPECT_EQ(process.calls[i].graph, 0U);
    EXPECT_EQ(process.name_of(process.calls[i].protocol), "LL");
    EXPECT_EQ(process.calls[i].device_time, i == 2 ? 0U : 3000U) << i;
  }
  ASSERT_EQ(process.replays.size(), 1U);
  EXPECT_EQ(process.name_of(process.replays[0].call.protocol), "LL");
  EXPECT_EQ(process.replays[0].replays, 5U);
  EXPECT_EQ(process.replays[0].least, 3000U);
  EXPECT_EQ(process.replays[0].most, 3000U);
  EXPECT_EQ(process.replays[0].sum, 15'000U);
}

TEST_F(NcclProfiler, AsksForNoKernelEventsAtLevelBasicAndForNothingWhenOff) {
  setenv("P2PLAB_MONITOR", "off", 1);
  {
    Plugin plugin(5);
    void* context = nullptr;
    EXPECT_EQ(plugin.init(&context, 0), 0);
    EXPECT_EQ(plugin.start(context, api(false)), nullptr);
    plugin.finalize(context);
  }
  unsetenv("P2PLAB_MONITOR");
  Plugin plugin(5);
  void* context = nullptr;
  const int mask = plugin.init(&context, 0);
  EXPECT_NE(mask & static_cast<int>(coll), 0);
  EXPECT_EQ(mask & static_cast<int>(kernel), 0);
  plugin.finalize(context);
}

}  // namespace
}  // namespace p2plab::nccl_profiler_test
