// SPDX-License-Identifier: Apache-2.0
// Every console block of the README runs, command by command, and prints what is shown: the whole of it, in that order. `...` on a line stands for
// any lines, at the end of a line for the rest of that line.
#include <algorithm>
#include <regex>
#include <string_view>
#include <vector>

#include "program.h"

namespace p2plab::readme_test {
namespace {

using Lines = std::vector<std::string>;

struct Shown {
  std::string command;
  Lines output;
};
void PrintTo(const Shown& shown, std::ostream* out) { *out << shown.command; }

using Block = std::vector<Shown>;

std::vector<Block> console_blocks() {
  std::istringstream readme(test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "README.md"));
  std::vector<Block> blocks;
  bool inside = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("```")) {
      inside = line == "```console";
      if (inside) blocks.push_back({});
    } else if (inside && line.starts_with("$ ")) {
      blocks.back().push_back({line.substr(2), {}});
    } else if (inside && !blocks.back().empty()) {
      blocks.back().back().output.push_back(line);
    }
  }
  return blocks;
}

bool same_line(std::string_view shown, std::string_view real) {
  constexpr std::string_view rest = " ...";
  if (shown.ends_with(rest)) return real.starts_with(shown.substr(0, shown.size() - rest.size()));
  return shown == real;
}

// The first line of `shown` that the real output does not have where it should; nothing if all is there. Between two "..." lie lines that follow one
// another.
std::string missing(const Lines& shown, const Lines& real) {
  std::size_t at = 0;
  bool gap = false;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (shown[i] == "...") {
      gap = true;
      continue;
    }
    if (gap) {
      // The run of lines up to the next "..." must occur as a whole.
      const auto end = std::find(shown.begin() + static_cast<std::ptrdiff_t>(i), shown.end(), "...");
      const auto found = std::search(real.begin() + static_cast<std::ptrdiff_t>(at), real.end(), shown.begin() + static_cast<std::ptrdiff_t>(i), end,
                                     [](const std::string& r, const std::string& s) { return same_line(s, r); });
      if (found == real.end()) return shown[i];
      at = static_cast<std::size_t>(found - real.begin());
      gap = false;
    }
    if (at == real.size() || !same_line(shown[i], real[at])) return shown[i];
    ++at;
  }
  return gap || at == real.size() ? "" : "the end, not: " + real[at];
}

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool replace_start(std::string& text, const std::string& from, const std::string& to) {
  if (!text.starts_with(from)) return false;
  text.replace(0, from.size(), to);
  return true;
}

// Plans and traces that the README's commands write go to a folder of this test.
std::string redirected(const std::string& arguments) {
  const std::regex file(R"((^| )(\w+\.(?:json|yaml|xml)|out)\b)");
  return std::regex_replace(arguments, file, "$1" + test::scratch("").string() + "$2");
}

// ./dev test and its like would run this test again: it is enough that ./dev knows the word.
void expect_dev_command(const std::string& command) {
  const auto script = test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "dev");
  const auto word = command.substr(0, command.find(' '));
  EXPECT_NE(script.find("\n    " + word + ")"), std::string::npos) << "./dev has no command " << word;
}

class Readme : public ::testing::TestWithParam<Block> {};

TEST_P(Readme, CommandsRunAndPrintTheWholeOfWhatIsShown) {
  for (auto [command, expected] : GetParam()) {
    SCOPED_TRACE(command);
    if (replace_start(command, "./dev ", "")) {
      expect_dev_command(command);
      continue;
    }
    ASSERT_TRUE(replace_start(command, "build/p2plab ", "")) << "neither ./dev nor build/p2plab";
    const auto outcome = test::p2plab(redirected(command));
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    EXPECT_EQ(missing(expected, lines_of(outcome.out)), "") << outcome.out;
  }
}

std::string block_name(const ::testing::TestParamInfo<Block>& info) { return "Block" + std::to_string(info.index + 1); }

INSTANTIATE_TEST_SUITE_P(Blocks, Readme, ::testing::ValuesIn(console_blocks()), block_name);

TEST(ReadmeBlocks, AreComparedAsAWhole) {
  const Lines real = {"a", "b", "c", "d 1 us", "e"};
  EXPECT_EQ(missing({"a", "b", "...", "d ...", "e"}, real), "");
  EXPECT_EQ(missing({"...", "c", "..."}, real), "");
  EXPECT_EQ(missing({"a", "c", "..."}, real), "c");
  EXPECT_EQ(missing({"...", "b", "d ...", "..."}, real), "b");
  EXPECT_EQ(missing({"a", "b"}, real), "the end, not: c");
  EXPECT_EQ(missing({}, {}), "");
}

}  // namespace
}  // namespace p2plab::readme_test
