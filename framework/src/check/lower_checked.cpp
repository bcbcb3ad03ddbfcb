// SPDX-License-Identifier: Apache-2.0
#include "check/access.h"
#include "check/memory.h"
#include "check/prove.h"

namespace p2plab {

Result<ProgramProof> check(const Topology& topology, const Program& program) { return checking::check_owed(topology, program, {}); }

Result<ProgramProof> checking::check_owed(const Topology& topology, const Program& program, const Owed& owed) {
  if (auto ok = check_consistency(program, {.ranks = topology.ranks(), .links = topology.links().size()}); !ok) return std::move(ok).error();
  auto blocks = contract(program.collective, program.ranks());
  if (!blocks) return std::move(blocks).error();
  const BufferLayout layout(program.collective, *blocks, program.ranks(), program.payload);
  if (auto ok = checking::check_stated_memory(program, layout); !ok) return std::move(ok).error();
  if (auto ok = checking::check_access(topology, program); !ok) return std::move(ok).error();
  auto proof = checking::prove_accesses(program, *std::move(blocks), owed);
  if (!proof || !program.packets) return proof;
  if (auto packets = check_packets(PeerAccess(topology), program, *program.packets); !packets) return packets;
  return proof;
}

Result<Program> lower_checked(const Topology& topology, const Schedule& schedule, const Proof& proof, const Payload& payload, const Tuning& tuning) {
  auto program = lower(schedule, proof, payload, tuning, PeerAccess(topology));
  if (!program) return program;
  if (auto proved = check(topology, *program); !proved) return std::move(proved).error();
  return program;
}

}  // namespace p2plab
