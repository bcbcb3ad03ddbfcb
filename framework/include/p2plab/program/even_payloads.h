// SPDX-License-Identifier: Apache-2.0
// Payloads of which all images of a folded schedule have chunks of the same sizes.
#pragma once

#include <optional>

#include "p2plab/schedule/payload.h"
#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// The next payloads below and above one, it itself included, that images divide evenly.
struct EvenPayloads {
  Payload below;
  Payload above;
  /// Is that the payload itself?
  bool same() const { return below.elements == above.elements; }
};

/// Those of `payload`, less than 16 bytes a rank away. None of a schedule that is not folded, where there are none so near, and where images have
/// parts of other weights of a block.
std::optional<EvenPayloads> even_payloads(const Schedule& schedule, const Payload& payload);

}  // namespace p2plab
