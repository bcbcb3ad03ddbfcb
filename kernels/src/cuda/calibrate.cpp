// SPDX-License-Identifier: Apache-2.0
// Times probes of growing amounts on two GPUs. Each time is the least of several: what disturbs a run only makes it longer.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cuda/api.h"
#include "cuda/timing.h"
#include "executors/backend.h"
#include "lowered/probes.h"

namespace p2plab::backend {

namespace {

using cuda::Event;
using cuda::Stream;
using device::Probe;

constexpr int repeats = 7;
constexpr std::uint32_t block_threads = 512;
constexpr Bytes area{std::int64_t{256} << 20};
constexpr std::int64_t flag_distance = 4096;

// One GPU's share.
struct Side : cuda::TimedStream {
  int device = 0;
  cuda::DeviceMemory memory;
  cuda::DeviceMemory flags;

  static Result<Side> create(int device) {
    if (auto done = cuda::use_device(device); !done) return std::move(done).error();
    auto memory = cuda::allocate(area);
    if (!memory) return std::move(memory).error();
    auto flags = cuda::allocate(Bytes{2 * flag_distance});
    if (!flags) return std::move(flags).error();
    auto timed = cuda::TimedStream::create();
    if (!timed) return std::move(timed).error();
    Side side{*std::move(timed), device, *std::move(memory), *std::move(flags)};
    if (auto done = cuda::set_bytes(side.memory.address(), 0, area); !done) return std::move(done).error();
    if (auto done = cuda::set_bytes(side.flags.address(), 0, Bytes{2 * flag_distance}); !done) return std::move(done).error();
    return side;
  }
};

struct Work {
  Probe probe = Probe::nothing;
  device::LaunchShape shape{};
  device::ProbeCall call;
};

class Measuring {
 public:
  Measuring(Side& first, Side& second, std::uint64_t late) : first_(first), second_(second), late_(late) {}

  Result<CalibrationData> run() {
    CalibrationData data;
    auto launches = times({1, 25, 50, 100, 200}, [&](std::uint32_t count) { return kernels_in_graph(count); });
    if (!launches) return std::move(launches).error();
    data.launches = *std::move(launches);
    if (auto done = signals(data); !done) return std::move(done).error();
    for (const auto& [probe, series] : {std::pair{Probe::stores, &data.stores}, {Probe::loads, &data.loads}}) {
      for (const std::uint32_t blocks : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 132U}) {
        auto one = moved(probe, {.blocks = blocks, .threads = block_threads}, second_.memory.address(), 1);
        if (!one) return std::move(one).error();
        series->push_back({static_cast<int>(blocks), *std::move(one)});
      }
    }
    const auto half = first_.memory.address() + static_cast<std::uint64_t>(area.count() / 2);
    auto sums = moved(Probe::sums, {.blocks = 1, .threads = block_threads}, half, 3);
    if (!sums) return std::move(sums).error();
    data.sums = *std::move(sums);
    auto copies = moved(Probe::copies, {.blocks = 264, .threads = block_threads}, half, 2);
    if (!copies) return std::move(copies).error();
    data.memory = *std::move(copies);
    return data;
  }

 private:
  using Once = std::function<Result<Seconds>(std::uint32_t)>;

  // The least time of each amount.
  Result<WorkTimes> times(const std::vector<std::uint32_t>& amounts, const Once& once, double unit = 1) {
    WorkTimes all;
    for (const auto amount : amounts) {
      std::vector<Seconds> found;
      for (int i = 0; i < repeats; ++i) {
        auto time = once(amount);
        if (!time) return std::move(time).error();
        found.push_back(*time);
      }
      all.push_back({amount * unit, *std::ranges::min_element(found)});
    }
    return all;
  }

  Status launch(Side& side, Work work) const {
    if (auto done = cuda::use_device(side.device); !done) return done;
    work.call.late = late_;
    return cuda::check(device::launch_probe(work.probe, work.shape, work.call, side.stream.get()), "launch a probe");
  }

  Result<Seconds> timed(const std::function<Status()>& body) {
    if (auto done = cuda::use_device(first_.device); !done) return std::move(done).error();
    if (auto done = cuda::record(first_.begin, first_.stream.get()); !done) return std::move(done).error();
    if (auto done = body(); !done) return std::move(done).error();
    if (auto done = cuda::use_device(first_.device); !done) return std::move(done).error();
    if (auto done = cuda::record(first_.end, first_.stream.get()); !done) return std::move(done).error();
    for (const auto* side : {&first_, &second_}) {
      if (auto done = cuda::synchronize(side->stream); !done) return std::move(done).error();
    }
    if (*reinterpret_cast<volatile std::uint32_t*>(late_) != 0) {
      return Error{.code = ErrorCode::device_failure,
                   .message = fmt::format("writes of flags are not visible between GPU {} and GPU {}", first_.device, second_.device)};
    }
    return cuda::elapsed(first_.begin, first_.end);
  }

  Result<Seconds> kernels_in_graph(std::uint32_t count) {
    if (auto done = cuda::use_device(first_.device); !done) return std::move(done).error();
    if (auto done = cuda::begin_capture(first_.stream); !done) return std::move(done).error();
    Status queued;
    for (std::uint32_t k = 0; k < count && queued; ++k)
      queued = launch(first_, {.probe = Probe::nothing, .shape = {.blocks = 32, .threads = 128}, .call = {}});
    auto graph = cuda::end_capture(first_.stream);
    if (!queued) return std::move(queued).error();
    if (!graph) return std::move(graph).error();
    return timed([&] { return cuda::launch(*graph, first_.stream); });
  }

  // Both sides at once, each in its own GPU; the answering side is started first.
  Result<Seconds> conversation(Probe ask, Probe answer, std::uint32_t count) {
    const auto base = std::exchange(base_, base_ + count);
    const device::ProbeCall asking{.here = first_.flags.address(), .there = second_.flags.address(), .count = count, .base = base};
    const device::ProbeCall answering{.here = asking.there, .there = asking.here, .count = count, .base = base};
    if (auto done = launch(second_, {.probe = answer, .shape = {.blocks = 1, .threads = 1}, .call = answering}); !done)
      return std::move(done).error();
    return timed([&] { return launch(first_, {.probe = ask, .shape = {.blocks = 1, .threads = 1}, .call = asking}); });
  }

  Result<Seconds> alone(Probe probe, const device::LaunchShape& shape, std::uint64_t there, std::uint32_t count) {
    const auto base = std::exchange(base_, base_ + count);
    const device::ProbeCall call{.here = first_.flags.address(), .there = there, .count = count, .base = base};
    return timed([&] { return launch(first_, {.probe = probe, .shape = shape, .call = call}); });
  }

  Status signals(CalibrationData& data) {
    const std::vector<std::uint32_t> counts{250, 500, 1000, 2000};
    const auto own = first_.flags.address() + flag_distance;
    const auto theirs = second_.flags.address() + flag_distance;
    const std::array<std::pair<WorkTimes*, Once>, 5> all{{
        {&data.peer_round_trips, [&](std::uint32_t count) { return conversation(Probe::ping, Probe::pong, count); }},
        {&data.packet_round_trips, [&](std::uint32_t count) { return conversation(Probe::packet_ping, Probe::packet_pong, count); }},
        {&data.local_round_trips, [&](std::uint32_t count) { return alone(Probe::local_ping, {.blocks = 2, .threads = 1}, own, count); }},
        {&data.fences, [&](std::uint32_t count) { return alone(Probe::fences, {.blocks = 1, .threads = 1}, theirs, count); }},
        {&data.slices, [&](std::uint32_t count) { return alone(Probe::slices, {.blocks = 1, .threads = block_threads}, own, count); }},
    }};
    for (const auto& [to, once] : all) {
      auto found = times(counts, once);
      if (!found) return std::move(found).error();
      *to = *std::move(found);
    }
    return {};
  }

  // Turns over a buffer that is long for one block and for many; `operands` of each byte are counted.
  Result<WorkTimes> moved(Probe probe, const device::LaunchShape& shape, std::uint64_t there, int operands) {
    const auto bytes = std::min(area.count() / 2, std::int64_t{2} << 20 << std::min(shape.blocks, 64U) / 8);
    const auto part = static_cast<std::int64_t>(shape.blocks) * block_threads * 64;  // what all blocks move at a time
    const auto whole = bytes / part * part;
    const auto once = [&](std::uint32_t count) {
      const device::ProbeCall call{.here = first_.memory.address(), .there = there, .bytes = static_cast<std::uint64_t>(whole), .count = count};
      return timed([&] { return launch(first_, {.probe = probe, .shape = shape, .call = call}); });
    };
    return times({1, 2, 4, 6}, once, static_cast<double>(whole) * operands);
  }

  Side& first_;
  Side& second_;
  std::uint64_t late_;
  std::uint32_t base_ = 1;
};

}  // namespace

Result<CalibrationData> measure_calibration() {
  auto count = cuda::device_count();
  if (!count) return std::move(count).error();
  if (*count < 2) return Error{.code = ErrorCode::unsupported, .message = "calibration needs two GPUs; this machine shows one"};
  for (const auto& [a, b] : {std::pair{0, 1}, {1, 0}}) {
    if (auto able = cuda::enable_peer_access(a, b); !able) return std::move(able).error();
  }
  auto late = cuda::allocate_pinned(Bytes{64});
  if (!late) return std::move(late).error();
  auto first = Side::create(0);
  if (!first) return std::move(first).error();
  auto second = Side::create(1);
  if (!second) return std::move(second).error();
  auto data = Measuring(*first, *second, late->address()).run();
  if (data) data->machine = fmt::format("{} GPUs, the first {}", *count, cuda::describe_device(0));
  return data;
}

}  // namespace p2plab::backend
