// SPDX-License-Identifier: Apache-2.0
// A text with one place changed.
#pragma once

#include <string>

#include <gtest/gtest.h>

namespace p2plab::test {

/// `text` with the first `from`, which it must hold, replaced by `to`.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto place = text.find(from);
  EXPECT_NE(place, std::string::npos) << from << " in " << text;
  return place == std::string::npos ? text : text.replace(place, from.size(), to);
}

}  // namespace p2plab::test
