// SPDX-License-Identifier: Apache-2.0
// How large a payload may be, in configs and on command lines.
#pragma once

#include <cstdint>

#include "p2plab/base/units.h"

namespace p2plab {

inline constexpr Bytes largest_size{std::int64_t{1} << 40};

}  // namespace p2plab
