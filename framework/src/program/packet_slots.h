// SPDX-License-Identifier: Apache-2.0
// Landing slots of a packet program while it is made.
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

/// A fresh slot.
PacketOperand add_slot(PacketProgram& program, const SlotRequest& request);

/// Adds the tokens that a packet program needs. A rank must not end a call before everyone into whose slots it writes has begun it: else it could be
/// two calls ahead and overwrite a slot that is still to be read. Where the data itself does not tell, a token does: sent first of all, awaited last.
void add_tokens(PacketProgram& program, const PeerAccess& peer_access);

/// Marks the items whose packets are loaded together with those of the item before.
void mark_joins(PacketProgram& program);

inline constexpr StepId no_step{-1};
inline constexpr std::int64_t first_order = -1;
inline constexpr std::int64_t last_order = std::int64_t{1} << 62;

}  // namespace p2plab
