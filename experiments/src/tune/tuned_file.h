// SPDX-License-Identifier: Apache-2.0
// Tuned files: one table of one collective on one machine, in YAML or as JSON, which is YAML too. The plans lie in it as plan files do (plan_io.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace p2plab::tuned_file {

inline constexpr std::int64_t version = 2;
inline constexpr std::size_t longest = std::size_t{1} << 25;  // bytes of a file

}  // namespace p2plab::tuned_file
