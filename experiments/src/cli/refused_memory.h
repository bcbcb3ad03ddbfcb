// SPDX-License-Identifier: Apache-2.0
// How much memory was asked for when there was none left.
#pragma once

#include "p2plab/base/units.h"

namespace p2plab::cli {

/// What the last `new` that failed asked for, in any thread; zero if none did.
Bytes refused_memory();

}  // namespace p2plab::cli
