// SPDX-License-Identifier: Apache-2.0
// Does data arrive, whole, in order and how fast, from one GPU to another by one way of access? On GPUs, and on CPU memory that can be broken.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// copy_engine: a copy by the driver; stores: a kernel of the sender writes; loads: a kernel of the receiver reads; atomics: both add into
/// the receiver's memory at the same time; flag: the sender stores data, then a flag, and the receiver looks at the data as soon as it sees the flag;
/// both_ways: copies there and back at the same time; all_at_once: every GPU to the one that stands `to - from` after it.
enum class PairAccess { copy_engine, stores, loads, atomics, flag, both_ways, all_at_once };

std::string_view to_string(PairAccess access);
/// All of them, in the order above.
std::span<const PairAccess> pair_accesses();

struct PairProbe {
  PairAccess access = PairAccess::copy_engine;
  int from = 0;
  int to = 1;
  bool operator==(const PairProbe&) const = default;
};

/// What the receiver's own memory holds afterwards, in words of 8 bytes; or rounds, for flags; or counters, for atomics.
struct PairOutcome {
  std::int64_t compared = 0;   // 0: the pair has no such access, and does not claim to
  std::int64_t unwritten = 0;  // as before: nothing arrived
  std::int64_t zeros = 0;
  std::int64_t wrong = 0;  // something else
  std::int64_t late = 0;   // flags that came before their data
  Bandwidth rate = {};     // of one direction; zero: not timed
  bool right() const { return unwritten == 0 && zeros == 0 && wrong == 0 && late == 0; }
  bool operator==(const PairOutcome&) const = default;
};

/// Runs probes one after another. What hangs, hangs: call it in a process that can be ended.
class PairProber {
 public:
  virtual ~PairProber() = default;
  /// Errors: unsupported, device_failure.
  virtual Result<PairOutcome> run(const PairProbe& probe) = 0;
};

/// Of atomics: what each end adds to a counter, so that the sum says whose additions are missing.
inline constexpr std::uint32_t sender_adds = 1U << 16;
inline constexpr std::uint32_t receiver_adds = 1;
/// Counters to which both ends added so many times.
PairOutcome compared_counters(std::span<const std::uint32_t> found, std::uint32_t times);

/// Words that were sent by `sender` against what stands where they should be, and `word_before` stood before.
PairOutcome compared_words(std::span<const std::uint64_t> found, int sender);
/// Word `index` of what `sender` sends: never zero, never `before`.
std::uint64_t sent_word(int sender, std::size_t index);
inline constexpr std::uint64_t word_before = 0xa5a5a5a5a5a5a5a5U;

/// The GPUs that CUDA shows. Errors: not_built, no_device, device_failure.
Result<std::unique_ptr<PairProber>> cuda_pair_prober();

/// How memory between two devices is broken.
struct MemoryFault {
  enum class Kind { lost, zeros, corrupted, delayed, reordered, slow, refused, stuck, crash };
  Kind kind = Kind::lost;
  PairAccess access = PairAccess::copy_engine;
  int from = 0;
  int to = 1;
  double factor = 0.5;  // slow: of the rate that it should have
};

/// Devices that are CPU memory, whose accesses do as `faults` say. Rates are not measured: they are those of `rate`, times a fault's factor.
struct HostPairs {
  int devices = 2;
  std::vector<MemoryFault> faults = {};
  std::function<Bandwidth(const PairProbe&)> rate = {};
};
std::unique_ptr<PairProber> host_pair_prober(HostPairs pairs);

}  // namespace p2plab
