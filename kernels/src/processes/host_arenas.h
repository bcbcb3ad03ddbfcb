// SPDX-License-Identifier: Apache-2.0
// What the host executor's ranks in several processes have in common.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "host/host_block.h"
#include "host/host_memory.h"
#include "processes/results.h"
#include "processes/shared_memory.h"

namespace p2plab::processes {

/// The arenas of all ranks, in memory that their processes share: first the counters of a rank's blocks, then its buffers.
class HostArenas {
 public:
  /// All ranks call it together. Errors: those of the session, io.
  static Result<HostArenas> create(Session& session, const Program& program) {
    HostArenas made;
    for (int r = 0; r < program.ranks(); ++r) made.blocks_.push_back(0);
    for (const auto& lane : program.lanes) made.blocks_[lane.rank.index()] += static_cast<std::size_t>(program.tuning.blocks_per_lane);
    const auto mine = static_cast<std::size_t>(session.rank());
    auto own = make_shared_file(made.size(program, mine));
    if (auto well = all_well(session, own ? Status{} : Status{own.error()}); !well) return std::move(well).error();
    auto files = session.share(own->get());
    if (!files) return std::move(files).error();
    Status mapped;
    for (std::size_t r = 0; r < files->size() && mapped; ++r) {
      auto mapping = Mapping::map((*files)[r].get(), made.size(program, r));
      if (!mapping)
        mapped = std::move(mapping).error();
      else
        made.mappings_.push_back(*std::move(mapping));
    }
    if (auto well = all_well(session, mapped); !well) return std::move(well).error();
    return made;
  }

  std::vector<std::span<ProgressCounter>> counters() const {
    std::vector<std::span<ProgressCounter>> all;
    for (std::size_t r = 0; r < mappings_.size(); ++r) {
      all.emplace_back(reinterpret_cast<ProgressCounter*>(mappings_[r].bytes().data()), blocks_[r]);  // zeros are counters at the start
    }
    return all;
  }
  std::vector<std::span<std::byte>> buffers() const {
    std::vector<std::span<std::byte>> all;
    for (std::size_t r = 0; r < mappings_.size(); ++r) all.push_back(mappings_[r].bytes().subspan(counter_bytes(r)));
    return all;
  }

 private:
  std::size_t counter_bytes(std::size_t rank) const { return (blocks_[rank] * sizeof(ProgressCounter) + 127) / 128 * 128; }
  Bytes size(const Program& program, std::size_t rank) const {
    return Bytes{static_cast<std::int64_t>(std::max<std::size_t>(counter_bytes(rank), 128))} +
           HostMemory::arena_size(program, Rank{static_cast<std::int64_t>(rank)});
  }

  std::vector<std::size_t> blocks_;  // per rank
  std::vector<Mapping> mappings_;
};

}  // namespace p2plab::processes
