// SPDX-License-Identifier: Apache-2.0
// Which commit this program was built from.
#pragma once

#include <string_view>

namespace p2plab::cli {

/// Nine hexadecimal digits; empty where the sources came without git and not from `git archive`.
std::string_view commit();

}  // namespace p2plab::cli
