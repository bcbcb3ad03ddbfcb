// SPDX-License-Identifier: Apache-2.0
#include "p2plab/base/result.h"

#include <gtest/gtest.h>

#include <string>
#include <type_traits>
#include <vector>

namespace p2plab::result_test {
namespace {

const std::string long_text(64, 'x');  // beyond what a string holds in itself
Result<std::vector<std::string>> texts() { return std::vector{long_text, long_text}; }
Result<std::vector<std::string>> nothing() { return Error{.code = ErrorCode::io, .message = long_text, .notes = {long_text}}; }

// A sanitizer sees it if they do not.
TEST(Result, LastsAsLongAsTheLoopOverIt) {
  for (const auto& text : *texts()) EXPECT_EQ(text, long_text);
  for (const auto& note : nothing().error().notes) EXPECT_EQ(note, long_text);
}

TEST(Result, GivesNoReferenceIntoATemporary) {
  EXPECT_FALSE(std::is_reference_v<decltype(*texts())>);
  EXPECT_FALSE(std::is_reference_v<decltype(nothing().error())>);
  EXPECT_FALSE(std::is_reference_v<decltype(Status{}.error())>);
}

}  // namespace
}  // namespace p2plab::result_test
