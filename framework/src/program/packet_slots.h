// SPDX-License-Identifier: Apache-2.0
// Landing slots of a packet program while it is made, and the order of its items.
#pragma once

#include <optional>

#include "p2plab/program/packet_program.h"

namespace p2plab {

/// A message of `bytes`; `host`: whose pinned host memory it lands in, if it does not land in the reader's GPU.
struct SlotRequest {
  PacketMessage message;
  std::optional<Rank> host = std::nullopt;
  std::int64_t bytes = 0;
  RouteId route = default_route;
};

/// Ranks as one of them sees them: where ranks do the same, as its representative does.
class RankView {
 public:
  /// Null: each rank is alone.
  explicit RankView(const RankImages* images) : images_(images) {}
  Rank self(Rank rank) const { return images_ == nullptr ? rank : images_->representative(rank); }
  Rank other(Rank seen_from, Rank rank) const { return images_ == nullptr ? rank : images_->moved(images_->back(seen_from), rank); }
  const RankImages* images() const { return images_; }

 private:
  const RankImages* images_;
};

/// A fresh slot, in the area of `request`'s reader or host, or of another rank that stands for it.
PacketOperand add_slot(PacketProgram& program, const SlotRequest& request, std::optional<Rank> area = std::nullopt);

/// The items of a program, but for their last order. `counted`: slots are counted by representative, so that those of all images can lie there.
PacketProgram list_packets(const Program& program, const PeerAccess& peer_access, PacketWire wire, const RankView& counted);

/// Gives items their order (pure sends first, each rank's next neighbour first), columns, tokens and joins. `made_of`: what was listed.
void finish_packets(PacketProgram& program, const Program& made_of, const PeerAccess& peer_access, const RankView& view);

/// Where some rank has more items than code for its threads would be made of, deals those that touch no memory of each other out to columns.
void deal_to_columns(PacketProgram& program, const Program& made_of);

/// Only code that is made for a program sends LL128: where such a one, with its tokens, is too long for that, it goes by LL.
void send_as_interpreted(PacketProgram& program);

/// Adds the tokens that a packet program needs. A rank must not end a call before everyone into whose slots it writes has begun it: else it could be
/// two calls ahead and overwrite a slot that is still to be read. Where the data itself does not tell, a token does: sent first of all, awaited last.
void add_tokens(PacketProgram& program, const PeerAccess& peer_access, const RankView& view);

/// Marks the items whose packets are loaded together with those of the item before.
void mark_joins(PacketProgram& program);

inline constexpr StepId no_step{-1};
inline constexpr std::int64_t first_order = -1;
inline constexpr std::int64_t last_order = std::int64_t{1} << 62;  // from here on: what stores outputs
inline constexpr std::int64_t token_order = last_order + (last_order >> 1);

}  // namespace p2plab
