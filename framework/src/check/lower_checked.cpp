// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/check.h"

namespace p2plab {

Result<Program> lower_checked(const Topology& topology, const Routes& routes, const Schedule& schedule, const Proof& proof, const Payload& payload,
                              const Tuning& tuning) {
  auto program = lower(schedule, proof, payload, tuning, PeerAccess(topology, routes));
  if (!program) return program;
  if (auto proved = check(topology, routes, *program); !proved) return std::move(proved).error();
  return program;
}

}  // namespace p2plab
