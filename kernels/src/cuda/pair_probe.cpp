// SPDX-License-Identifier: Apache-2.0
// Pairs of GPUs in one process. What arrived is read by the receiver's own GPU, never through the sender.
#include "p2plab/run/pair_probe.h"

#include <algorithm>

#include <fmt/format.h>

#include "cuda/api.h"
#include "cuda/timing.h"
#include "device/copies.h"
#include "executors/backend.h"
#include "lowered/probes.h"

namespace p2plab::backend {

namespace {

using cuda::Event;
using cuda::Stream;
using device::Probe;

constexpr Bytes size{std::int64_t{8} << 20};
constexpr std::int64_t flags_at = 2 * (std::int64_t{8} << 20);  // after what is sent and what is received
constexpr std::uint64_t data_after_flag = 4096;
constexpr std::uint32_t rounds = 256;
constexpr int starts_timed = 4;
constexpr std::uint32_t puts_timed = 8;  // of a kernel over its memory, so that launches do not count

// One GPU's share; its memory is [what it sends | what it receives | flag and its data].
struct ProbedGpu : cuda::TimedStream {
  int device = 0;
  cuda::DeviceMemory memory;

  std::uint64_t sends() const { return memory.address(); }
  std::uint64_t receives() const { return memory.address() + static_cast<std::uint64_t>(size.count()); }
  std::uint64_t flag() const { return memory.address() + static_cast<std::uint64_t>(flags_at); }

  static Result<ProbedGpu> create(int device, const std::vector<std::uint64_t>& words) {
    if (auto done = cuda::use_device(device); !done) return std::move(done).error();
    auto memory = cuda::allocate(Bytes{flags_at} + 64_KiB);
    if (!memory) return std::move(memory).error();
    auto timed = cuda::TimedStream::create();
    if (!timed) return std::move(timed).error();
    ProbedGpu gpu{*std::move(timed), device, *std::move(memory)};
    if (auto done = cuda::set_bytes(gpu.flag(), 0, 64_KiB); !done) return std::move(done).error();
    if (auto done = cuda::copy_to_device(gpu.sends(), words.data(), size); !done) return std::move(done).error();
    return gpu;
  }
};

struct Pair {
  std::size_t from = 0;
  std::size_t to = 1;
};

class CudaPairProber final : public PairProber {
 public:
  CudaPairProber(std::vector<ProbedGpu> gpus, cuda::PinnedMemory late) : gpus_(std::move(gpus)), late_(std::move(late)) {}

  Result<PairOutcome> run(const PairProbe& probe) override {
    const auto count = static_cast<int>(gpus_.size());
    if (probe.from < 0 || probe.to < 0 || probe.from >= count || probe.to >= count || probe.from == probe.to)
      return Error{ErrorCode::invalid_input, fmt::format("no pair {} -> {} of {} GPUs", probe.from, probe.to, count)};
    std::vector<Pair> pairs{{static_cast<std::size_t>(probe.from), static_cast<std::size_t>(probe.to)}};
    if (probe.access == PairAccess::both_ways) pairs.push_back({pairs[0].to, pairs[0].from});
    if (probe.access == PairAccess::all_at_once) {
      pairs.clear();
      for (int from = 0; from < count; ++from)
        pairs.push_back({static_cast<std::size_t>(from), static_cast<std::size_t>((from + probe.to - probe.from + count) % count)});
    }
    for (const auto& pair : pairs) {
      // A kernel of either end may touch the other's memory.
      for (const auto& [a, b] : {std::pair{pair.from, pair.to}, {pair.to, pair.from}}) {
        if (auto able = cuda::enable_peer_access(gpus_[a].device, gpus_[b].device); !able) return std::move(able).error();
      }
    }
    if (probe.access == PairAccess::atomics) return atomics(pairs[0]);
    return probe.access == PairAccess::flag ? flags(pairs[0]) : data(probe.access, pairs);
  }

 private:
  // Puts a transfer on the stream of the GPU that does it, so many times.
  Status put(PairAccess access, const Pair& pair, std::uint32_t times) const {
    const auto& from = gpus_[pair.from];
    const auto& to = gpus_[pair.to];
    const auto& works = access == PairAccess::loads ? to : from;
    if (auto done = cuda::use_device(works.device); !done) return done;
    if (access != PairAccess::stores && access != PairAccess::loads) {
      Status done;
      for (std::uint32_t i = 0; i < times && done; ++i)
        done = cuda::check(device::copy_between(to.receives(), from.sends(), size.count(), works.stream.get()), "copy between GPUs");
      return done;
    }
    const device::ProbeCall call{
        .here = to.receives(), .there = from.sends(), .bytes = static_cast<std::uint64_t>(size.count()), .late = late_.address(), .count = times};
    return cuda::check(device::launch_probe(Probe::copies, {.blocks = 128, .threads = 512}, call, works.stream.get()), "launch a probe");
  }

  const ProbedGpu& worker(PairAccess access, const Pair& pair) const { return gpus_[access == PairAccess::loads ? pair.to : pair.from]; }

  Result<PairOutcome> data(PairAccess access, const std::vector<Pair>& pairs) {
    for (const auto& pair : pairs) {
      if (auto done = cuda::use_device(gpus_[pair.to].device); !done) return std::move(done).error();
      if (auto done = cuda::set_bytes(gpus_[pair.to].receives(), static_cast<int>(word_before & 0xff), size); !done) return std::move(done).error();
    }
    for (const auto& pair : pairs) {
      if (auto done = put(access, pair, 1); !done) return std::move(done).error();
    }
    if (auto done = wait(access, pairs); !done) return std::move(done).error();
    PairOutcome sum;
    std::vector<std::uint64_t> found(static_cast<std::size_t>(size.count()) / 8);
    for (const auto& pair : pairs) {
      if (auto done = cuda::use_device(gpus_[pair.to].device); !done) return std::move(done).error();
      if (auto done = cuda::copy_from_device(found.data(), gpus_[pair.to].receives(), size); !done) return std::move(done).error();
      const auto one = compared_words(found, gpus_[pair.from].device);
      sum.compared += one.compared;
      sum.unwritten += one.unwritten;
      sum.zeros += one.zeros;
      sum.wrong += one.wrong;
    }
    auto rate = timed(access, pairs);
    if (!rate) return std::move(rate).error();
    sum.rate = *rate;
    return sum;
  }

  Status wait(PairAccess access, const std::vector<Pair>& pairs) const {
    for (const auto& pair : pairs) {
      if (auto done = cuda::synchronize(worker(access, pair).stream); !done) return done;
    }
    return {};
  }

  // Of the slowest way, when all run at the same time; the best of three.
  Result<Bandwidth> timed(PairAccess access, const std::vector<Pair>& pairs) {
    Bandwidth best;
    for (int attempt = 0; attempt < 3; ++attempt) {
      for (int i = 0; i < starts_timed; ++i) {
        for (const auto& pair : pairs) {
          const auto& works = worker(access, pair);
          if (auto done = cuda::use_device(works.device); !done) return std::move(done).error();
          if (i == 0) {
            if (auto done = cuda::record(works.begin, works.stream.get()); !done) return std::move(done).error();
          }
          if (auto done = put(access, pair, puts_timed); !done) return std::move(done).error();
          if (i + 1 < starts_timed) continue;
          if (auto done = cuda::record(works.end, works.stream.get()); !done) return std::move(done).error();
        }
      }
      if (auto done = wait(access, pairs); !done) return std::move(done).error();
      Seconds longest{0};
      for (const auto& pair : pairs) {
        auto time = cuda::elapsed(worker(access, pair).begin, worker(access, pair).end);
        if (!time) return std::move(time).error();
        longest = std::max(longest, *time);
      }
      best = std::max(best, size * (starts_timed * static_cast<std::int64_t>(puts_timed)) / longest);
    }
    return best;
  }

  static Status start(const ProbedGpu& gpu, Probe probe, const device::ProbeCall& call) {
    if (auto done = cuda::use_device(gpu.device); !done) return done;
    return cuda::check(device::launch_probe(probe, {.blocks = 1, .threads = 256}, call, gpu.stream.get()), "launch a probe");
  }

  Result<PairOutcome> flags(const Pair& pair) {
    auto* const words = static_cast<volatile std::uint32_t*>(late_.get());
    words[0] = 0;
    words[1] = 0;
    const auto base = base_;
    base_ += rounds;
    const auto& from = gpus_[pair.from];
    const auto& to = gpus_[pair.to];
    const device::ProbeCall sends{
        .here = from.flag(), .there = to.flag(), .bytes = data_after_flag, .late = late_.address(), .count = rounds, .base = base};
    auto looks = sends;
    std::swap(looks.here, looks.there);
    if (auto done = start(to, Probe::observe, looks); !done) return std::move(done).error();
    if (auto done = start(from, Probe::publish, sends); !done) return std::move(done).error();
    for (const auto* gpu : {&from, &to}) {
      if (auto done = cuda::synchronize(gpu->stream); !done) return std::move(done).error();
    }
    return PairOutcome{.compared = rounds, .unwritten = words[0] != 0 ? 1 : 0, .late = static_cast<std::int64_t>(words[1])};
  }

  // Over PCIe the driver promises none, and then nothing is asked.
  Result<PairOutcome> atomics(const Pair& pair) {
    const auto& from = gpus_[pair.from];
    const auto& to = gpus_[pair.to];
    int native = 0;
    const auto asked = cudaDeviceGetP2PAttribute(&native, cudaDevP2PAttrNativeAtomicSupported, from.device, to.device);
    if (auto done = cuda::check(asked, "ask for atomics between GPUs"); !done) return std::move(done).error();
    if (native == 0) return PairOutcome{};
    constexpr device::LaunchShape shape{.blocks = 16, .threads = 256};
    constexpr std::uint32_t times = 64;
    std::vector<std::uint32_t> counters(std::size_t{16} * 256);
    const Bytes bytes{static_cast<std::int64_t>(counters.size() * sizeof(std::uint32_t))};
    if (auto done = cuda::use_device(to.device); !done) return std::move(done).error();
    if (auto done = cuda::set_bytes(to.receives(), 0, bytes); !done) return std::move(done).error();
    for (const auto& [gpu, value] : {std::pair{&from, sender_adds}, {&to, receiver_adds}}) {
      if (auto done = cuda::use_device(gpu->device); !done) return std::move(done).error();
      const device::ProbeCall call{.there = to.receives(), .count = times, .base = value};
      if (auto done = cuda::check(device::launch_probe(Probe::adds, shape, call, gpu->stream.get()), "launch a probe"); !done)
        return std::move(done).error();
    }
    for (const auto* gpu : {&from, &to}) {
      if (auto done = cuda::synchronize(gpu->stream); !done) return std::move(done).error();
    }
    if (auto done = cuda::use_device(to.device); !done) return std::move(done).error();
    if (auto done = cuda::copy_from_device(counters.data(), to.receives(), bytes); !done) return std::move(done).error();
    return compared_counters(counters, times);
  }

  std::vector<ProbedGpu> gpus_;
  cuda::PinnedMemory late_;  // two words: a flag did not come; rounds whose data was not there with the flag
  std::uint32_t base_ = 1;
};

}  // namespace

Result<std::unique_ptr<PairProber>> cuda_pair_prober() {
  auto count = cuda::device_count();
  if (!count) return std::move(count).error();
  auto late = cuda::allocate_pinned(64_B);
  if (!late) return std::move(late).error();
  std::vector<ProbedGpu> gpus;
  std::vector<std::uint64_t> words(static_cast<std::size_t>(size.count()) / 8);
  for (int device = 0; device < *count; ++device) {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = sent_word(device, i);
    auto gpu = ProbedGpu::create(device, words);
    if (!gpu) return std::move(gpu).error();
    gpus.push_back(*std::move(gpu));
  }
  return std::unique_ptr<PairProber>{std::make_unique<CudaPairProber>(std::move(gpus), *std::move(late))};
}

}  // namespace p2plab::backend
