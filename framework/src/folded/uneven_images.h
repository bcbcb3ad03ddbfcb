// SPDX-License-Identifier: Apache-2.0
// Folded programs of payloads that images do not divide evenly: timed in place of these is the next larger payload that they do (even_payloads), and
// what runs is proved by a few programs in which each group of chunks has each size that images give it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "lowering/lowering.h"
#include "p2plab/program/even_payloads.h"

namespace p2plab {

struct FoldedPayload {
  EvenPayloads even;
  /// Images of the payload itself with groups of chunks that image 0 has in neither of the even ones.
  std::vector<int> apart = {};
};

/// None where images deal chunks out to channels unlike the base, and where they differ in more ways than are worth a proof each.
std::optional<FoldedPayload> folded_payload(const Schedule& schedule, const Proof& proof, const Payload& payload);

}  // namespace p2plab
