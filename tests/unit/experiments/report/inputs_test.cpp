// SPDX-License-Identifier: Apache-2.0
// The copy of a config names the copies of its files.
#include "folder/inputs.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/scratch.h"

namespace p2plab::inputs_test {
namespace {

TEST(Inputs, AbsoluteNamesOfWhichOneBeginsTheOtherAreEachRenamedOnce) {
  const auto folder = test::scratch("inputs");
  std::filesystem::create_directories(folder);
  const auto name = (folder / "m").string();
  for (const char* end : {"", ".yaml", ".yaml,2"}) std::ofstream(name + end) << "of " << end;
  const auto config = [&](const std::string& where) {
    return fmt::format("version: 1\none: {{file: {1}{0}, profile: '{1}{0}.yaml'}}  # {0}\ntwo:\n  file: {1}{0}.yaml,2\n  nccl_xml: \"{1}{0}\"\n",
                       name, where);
  };
  const auto inputs = inputs_of(config(""), (folder / "config.yaml").string());
  ASSERT_TRUE(inputs) << inputs.error().message;
  ASSERT_EQ(inputs->files.size(), 4U);
  EXPECT_EQ(inputs->files.front().text, config("absolute"));
  for (std::size_t f = 1; f < inputs->files.size(); ++f) EXPECT_EQ(inputs->files[f].name, "absolute" + inputs->given[f]);
}

}  // namespace
}  // namespace p2plab::inputs_test
