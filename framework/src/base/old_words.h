// SPDX-License-Identifier: Apache-2.0
// Words that files of former versions use: read for one version more, with a warning.
#pragma once

#include <string_view>

namespace p2plab {

/// What files of version 0.1 call `lamport`; version 0.3 will not read it.
inline constexpr std::string_view old_lamport = "flagless";  // old word

/// What files of version 0.1 call `blocks_per_lane`.
inline constexpr const char* old_blocks_per_lane = "parts";  // old word

/// Folded plans of version 0.1 say where phases end, in which images take turns; now they do so step by step, and version 0.3 will not read it.
inline constexpr const char* old_phases = "phases";  // old word

}  // namespace p2plab
