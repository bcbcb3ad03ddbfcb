// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "check/prove.h"
#include "folded/base_places.h"

namespace p2plab::checking {

/// Of the folded packets of `folded`, whose base lowered is `base`: what `check_packets` proves of whole ones, though with less order within a call.
/// Error verification_failed.
Result<ProgramProof> check_folded_packets(const PeerAccess& peer_access, const Program& folded, const Program& base, const BasePlaces& places,
                                          const Owed& owed_by_base, const LessOrder& less_order);

}  // namespace p2plab::checking
