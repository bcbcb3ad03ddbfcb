// SPDX-License-Identifier: Apache-2.0
// Proof of single images of a folded schedule. Where images do not divide a payload evenly, what runs is not lowered whole to be proved. Groups of
// chunks touch no byte together (ChunkGroups), so a group is proved by any program in which it has its sizes, wherever nothing but its own lanes and
// waits orders it: these are the programs of the next payloads below and above that come out even, and of the images that FoldedPayload names.
#pragma once

#include <optional>

#include "check/prove.h"
#include "folded/base_places.h"
#include "folded/uneven_images.h"
#include "lowering/chunk_groups.h"

namespace p2plab::checking {

class ImageChecker {
 public:
  ImageChecker(const Topology& topology, const PeerAccess& peer_access, const Schedule& schedule, const Proof& proof, const FoldedPayload& payload);

  /// Of image 0, lowered for the even payload above.
  Result<ProgramProof> check_base(const Program& base) const;
  /// Of the packets of `folded`, whose base that is.
  Result<ProgramProof> check_packets(const Program& folded, const Program& base, const BasePlaces& places) const;
  /// Of all else that images do with the payload of `folded`.
  Status check_others(const Program& folded) const;
  /// Of one image, lowered for any payload (Lowered::image), and of the packets that it becomes if a wire is given.
  Status check_image(const Program& program, int image, std::optional<PacketWire> wire) const;

 private:
  Owed owed_by(const Payload& payload, int image) const;
  Program with_less_order(const Program& program) const { return lanes_by_group(program, proof_, *groups_); }
  LessOrder less_order() const;

  const Topology& topology_;
  const PeerAccess& peer_access_;
  const Schedule& schedule_;
  const Proof& proof_;
  const FoldedPayload& payload_;
  std::optional<ChunkGroups> groups_;  // where images do not divide the payload evenly
  Owed owed_by_base_;
};

}  // namespace p2plab::checking
