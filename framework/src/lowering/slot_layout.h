// SPDX-License-Identifier: Apache-2.0
// Byte offsets of scratch and host slots: each slot as large as the largest chunk that lies in it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "p2plab/base/units.h"
#include "p2plab/schedule/verify.h"

namespace p2plab {

class SlotLayout {
 public:
  /// `alike`: chunks of all images of a folded schedule have the bytes of this one's, so that looking at it is enough.
  SlotLayout(const Schedule& schedule, const Proof& proof, const std::vector<std::int64_t>& chunk_bytes, std::optional<int> alike);

  std::int64_t offset(const Location& location) const { return offsets_[index(location)]; }
  Bytes size(Rank rank, Buffer buffer) const { return Bytes{sizes_[area(rank, buffer)]}; }
  /// Does every slot hold chunks of one size only?
  bool even() const { return even_; }

 private:
  static std::size_t area(Rank rank, Buffer buffer) { return rank.index() * 2 + (buffer == Buffer::host ? 1 : 0); }
  std::size_t index(const Location& location) const { return base_[area(location.rank, location.buffer)] + location.slot; }
  void take(std::size_t slot, std::int64_t bytes);
  void spread(const Schedule& schedule, int from);

  std::vector<std::size_t> base_;      // per rank: scratch, host
  std::vector<std::int64_t> offsets_;  // sizes while they are collected, then offsets
  std::vector<std::int64_t> sizes_;
  bool even_ = true;
};

}  // namespace p2plab
