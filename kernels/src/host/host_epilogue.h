// SPDX-License-Identifier: Apache-2.0
// The epilogue of a program on the host executor: inputs of its own for every rank, the rows, and their comparison with float64.
#pragma once

#include <vector>

#include "host/host_memory.h"
#include "p2plab/program/epilogue.h"
#include "rows/epilogue_args.h"

namespace p2plab {

class HostEpilogue {
 public:
  /// `program` must have one; its ranks' outputs are in `memory`.
  HostEpilogue(const Program& program, const HostMemory& memory);

  /// The rows of all ranks that have a sum; outputs are poisoned before. The time of the rows alone.
  Seconds run(int threads);
  /// What the last run made.
  DataCheck check(int threads) const;

 private:
  std::uint64_t take(std::int64_t bytes);
  std::uint64_t drawn(std::int64_t elements, std::uint64_t seed, float least, float most);
  void add_rank(const HostMemory& memory, Rank rank);

  const Program& program_;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<std::size_t> outputs_;  // of memory_
  std::vector<args::EpilogueCall> calls_;
};

}  // namespace p2plab
