// SPDX-License-Identifier: Apache-2.0
// The version of p2plab.
#pragma once

#include <string_view>

namespace p2plab {

/// "0.1.0".
std::string_view version();

}  // namespace p2plab
