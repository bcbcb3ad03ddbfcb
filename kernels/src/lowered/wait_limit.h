// SPDX-License-Identifier: Apache-2.0
// How long a kernel, or a thread of the host executor, waits for another rank before it gives up.
#pragma once

#include <string>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// `given`, if it is not zero; else what the variable P2PLAB_DEADLINE says, in seconds; else 2 s. From 0.1 s, below which a busy machine's ranks
/// would miss each other, to 24 hours. Errors: invalid_input, naming what was given.
Result<Seconds> wait_limit(Seconds given = Seconds{0});

/// The same as a kernel counts it.
inline std::uint64_t nanoseconds(Seconds limit) { return static_cast<std::uint64_t>(limit.count() * 1e9); }

/// "250 ms", "2 s".
std::string wait_text(Seconds limit);

}  // namespace p2plab
