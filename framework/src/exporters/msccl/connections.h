// SPDX-License-Identifier: Apache-2.0
// Which channel and which thread blocks of MSCCL serve each message.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "exporters/msccl/moves.h"

namespace p2plab {

/// What a reader takes.
struct MscclLimits {
  std::string_view format = "MSCCL XML";
  std::size_t steps = 256;   // in a thread block
  std::size_t blocks = 216;  // of a GPU
};

/// A thread block before it has steps: its peers, or -1.
struct MscclEnds {
  std::int32_t channel = 0;
  std::int32_t send = -1;
  std::int32_t receive = -1;
  friend auto operator<=>(const MscclEnds&, const MscclEnds&) = default;
};

/// How far thread blocks are shared: each channel of the plan has blocks for each peer and direction; one block sends to a peer and receives from
/// another; the plan's channels share their connections.
enum class MscclSharing : std::uint8_t { none, both_directions, channels };
inline constexpr std::array all_msccl_sharings{MscclSharing::none, MscclSharing::both_directions, MscclSharing::channels};

class MscclConnections {
 public:
  /// At most 32 peers send to, and 32 receive from, a GPU on a channel, and channels are 0 to 31: what is more moves to other channels, and where
  /// none is left, shares a connection. Errors: unsupported, where that does not do.
  static Result<MscclConnections> make(const MscclMoves& moves, MscclSharing sharing);

  /// The blocks of a rank, in order.
  const std::vector<MscclEnds>& blocks(Rank rank) const& { return blocks_[rank.index()]; }
  std::size_t sender(const MscclMove& message) const;
  std::size_t receiver(const MscclMove& message) const;
  std::size_t local(const MscclMove& move) const;
  int channels() const { return channels_; }

 private:
  struct Stream {
    std::int32_t channel = 0;  // the plan's
    Rank from;
    Rank to;
    friend auto operator<=>(const Stream&, const Stream&) = default;
  };
  Stream stream_of(const MscclMove& message) const;
  Status choose_channels(const MscclMoves& moves);
  void make_blocks(const MscclMoves& moves);

  MscclSharing sharing_ = MscclSharing::none;
  std::map<Stream, std::int32_t> channel_of_;
  std::vector<std::vector<MscclEnds>> blocks_;                                         // by rank
  std::vector<std::map<std::pair<std::int32_t, std::int32_t>, std::size_t>> senders_;  // by rank: channel and peer -> block
  std::vector<std::map<std::pair<std::int32_t, std::int32_t>, std::size_t>> receivers_;
  std::vector<std::map<std::int32_t, std::size_t>> locals_;  // by rank: channel -> block
  int channels_ = 1;
};

}  // namespace p2plab
