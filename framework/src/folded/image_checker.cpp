// SPDX-License-Identifier: Apache-2.0
#include "folded/image_checker.h"

#include <algorithm>

#include <fmt/format.h>

#include "folded/check_folded_packets.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/schedule/layout.h"

namespace p2plab::checking {

ImageChecker::ImageChecker(const Topology& topology, const PeerAccess& peer_access, const Schedule& schedule, const Proof& proof,
                           const FoldedPayload& payload)
    : topology_(topology),
      peer_access_(peer_access),
      schedule_(schedule),
      proof_(proof),
      payload_(payload),
      owed_by_base_(owed_by(payload.even.above, 0)) {
  if (!payload.even.same()) groups_.emplace(schedule, proof);
}

// The bytes of its chunks, by block.
Owed ImageChecker::owed_by(const Payload& payload, int image) const {
  const auto extents = cut(schedule_, payload);
  const auto size = size_of(payload.type);
  std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> ranges(schedule_.blocks().size());
  for (std::size_t c = 0; c < schedule_.base_chunk_count(); ++c) {
    const auto chunk = schedule_.in_image(image, ChunkId{static_cast<std::int64_t>(c)}).index();
    const auto [first, count] = extents[chunk];
    if (count > 0) ranges[static_cast<std::size_t>(schedule_.chunks()[chunk].block)].emplace_back(first * size, (first + count) * size);
  }
  for (auto& of_block : ranges) std::ranges::sort(of_block);
  return Owed(std::move(ranges));
}

LessOrder ImageChecker::less_order() const {
  if (!groups_) return {};
  return [this](const Program& program) { return with_less_order(program); };
}

Result<ProgramProof> ImageChecker::check_base(const Program& base) const {
  return check_owed(topology_, groups_ ? with_less_order(base) : base, owed_by_base_);
}

Result<ProgramProof> ImageChecker::check_packets(const Program& folded, const Program& base, const BasePlaces& places) const {
  return check_folded_packets(peer_access_, folded, base, places, owed_by_base_, less_order());
}

Status ImageChecker::check_others(const Program& folded) const {
  if (!groups_) return {};
  const auto wire = folded.packets ? std::optional(folded.packets->wire) : std::nullopt;
  const auto check = [&](const Payload& payload, int image) {
    Lowering lowering(schedule_, proof_, payload, folded.tuning, folded.in_place, folded.images, image);
    return check_image(lowering.run(Lowered::image), image, wire);
  };
  // Of a payload below that is nothing there is nothing to prove.
  if (payload_.even.below.elements > 0) {
    if (auto ok = check(payload_.even.below, 0); !ok) return ok;
  }
  for (const int image : payload_.apart) {
    if (auto ok = check(folded.payload, image); !ok) return ok;
  }
  return {};
}

Status ImageChecker::check_image(const Program& program, int image, std::optional<PacketWire> wire) const {
  const auto owed = owed_by(program.payload, image);
  auto proved = check_owed(topology_, groups_ ? with_less_order(program) : program, owed);
  if (proved && wire) proved = check_packets_of_call(peer_access_, program, make_packet_program(program, peer_access_, *wire), owed, less_order());
  if (proved) return {};
  auto error = std::move(proved).error();
  error.notes.push_back(fmt::format("of image {} of a payload of {} elements", image, program.payload.elements));
  return error;
}

}  // namespace p2plab::checking
