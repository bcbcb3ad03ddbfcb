// The user's side of a collective on GPUs: input and output of every rank, filled with test data and checked where they lie.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/api.h"
#include "p2plab/layout.h"
#include "p2plab/measurement.h"
#include "p2plab/schedule.h"

namespace p2plab::cuda {

class Buffers {
 public:
  /// Input and output of rank r on GPU devices[r]; one memory for both if `in_place`.
  /// Errors: unsupported (in place where no common block exists, more than 64 ranks), device_failure.
  static Result<Buffers> create(const Schedule& schedule, const Payload& payload, bool in_place, const std::vector<int>& devices);

  std::uint64_t input(Rank rank) const { return inputs_[rank.index()]; }
  std::uint64_t output(Rank rank) const { return outputs_[rank.index()]; }

  /// Writes the test data of `seed` to all inputs and poison to all outputs (where they are not the inputs). Returns when it is done.
  Status generate(std::uint64_t seed) const;
  /// The same of one rank's inputs, put on its stream; poisons nothing.
  Status generate_on(Rank rank, std::uint64_t seed, const Stream& stream) const;
  /// Compares one rank's outputs, put on its stream; adds to the CheckResult at address `found` of its GPU. No averages.
  Status compare_on(Rank rank, std::uint64_t seed, std::uint64_t found, const Stream& stream) const;
  /// Compares all outputs with the reduction of the data of `seed`.
  Result<DataCheck> compare(std::uint64_t seed) const;

 private:
  Buffers(const Schedule& schedule, const Payload& payload, const std::vector<int>& devices)
      : schedule_(&schedule), payload_(payload), layout_(schedule, payload), devices_(devices) {}
  Status allocate_rank(Rank rank);
  device::BlockSpan span(Rank rank, std::size_t block, bool output) const;

  const Schedule* schedule_;
  Payload payload_;
  BufferLayout layout_;
  std::vector<int> devices_;
  bool in_place_ = false;
  std::vector<DeviceMemory> memory_;
  std::vector<std::uint64_t> inputs_;
  std::vector<std::uint64_t> outputs_;
  std::vector<std::int64_t> elements_;  // per block
};

}  // namespace p2plab::cuda
