// SPDX-License-Identifier: Apache-2.0
#include "folded/fold_packets.h"
#include "folded/reached_images.h"
#include "folded/uneven_images.h"
#include "lowering/lowering.h"
#include "p2plab/program/alike.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/packet_choice.h"

namespace p2plab {

namespace {

// Does each rank reach what it touches there, in every image? Of a program of the representatives.
bool covers_images(const PeerAccess& peer_access, const Program& program) {
  const auto& images = *program.images;
  for (const auto& lane : program.lanes) {
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      const auto& instruction = program.instructions[i];
      for (const auto operands : {program.sources(instruction), program.destinations(instruction)}) {
        for (const auto& operand : operands) {
          if (operand.buffer == Buffer::host) return false;
          if (operand.rank != lane.rank && image_out_of_reach(peer_access, images, lane.rank, operand.rank)) return false;
        }
      }
    }
  }
  return true;
}

}  // namespace

Result<std::optional<Program>> lower_folded(const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning,
                                            const PeerAccess& peer_access, std::size_t alike_from) {
  if (auto ok = check_ranges(payload, tuning); !ok) return std::move(ok).error();
  if (tuning.protocol == Protocol::copy) return std::optional<Program>{};
  const auto& images = proof.images();
  if (images == nullptr || steps_as_copies(schedule) < alike_from) return std::optional<Program>{};
  const auto folded = folded_payload(schedule, proof, payload);
  if (!folded) return std::optional<Program>{};
  const auto& timed = folded->even.above;
  auto program = Lowering{schedule, proof, timed, tuning, proof.in_place(), images}.run(Lowered::representatives);
  program.payload = payload;
  if (!covers_images(peer_access, program)) return std::optional<Program>{};
  if (tuning.protocol == Protocol::simple) return std::optional{std::move(program)};
  Lowering lowering(schedule, proof, timed, tuning, proof.in_place(), images);
  const auto base = lowering.run(Lowered::image);
  auto packets = fold_packets(base, peer_access, wire_for(tuning.protocol, base, peer_access), BasePlaces(schedule, lowering, base));
  if (!packets) return std::optional<Program>{};
  program.packets = std::make_shared<const PacketProgram>(*std::move(packets));
  return std::optional{std::move(program)};
}

}  // namespace p2plab
