// SPDX-License-Identifier: Apache-2.0
// What a person sees on a terminal: `script` gives the program one of any width.
#include <algorithm>

#include "program.h"

namespace p2plab::terminal_test {
namespace {

using test::p2plab;

std::string on_a_terminal(int columns, const std::string& arguments, const std::string& environment = "TERM=xterm NO_COLOR=") {
  const auto log = test::scratch("typescript");
  const auto config = test::small_config();
  const auto inner = "stty cols " + std::to_string(columns) + "; " + environment + " '" + P2PLAB_PROGRAM + "' run " + config + " " + arguments;
  const auto file = test::scratch("inner.sh");
  std::ofstream(file) << inner << " 2>/dev/null\n";
  const auto outer = "script -qec \"sh '" + file.string() + "'\" '" + log.string() + "' >/dev/null </dev/null";
  EXPECT_EQ(std::system(outer.c_str()), 0) << outer;
  const auto text = test::content(log);
  const auto from = text.find("small: ");
  const auto end = text.find("Script done");
  EXPECT_NE(from, std::string::npos) << text;
  return from == std::string::npos ? std::string{} : text.substr(from, end == std::string::npos ? end : end - from);
}

std::size_t widest(const std::string& text) {
  std::istringstream lines(text);
  std::size_t most = 0;
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && line.back() == '\r') line.pop_back();
    most = std::max(most, line.size());
  }
  return most;
}

TEST(Terminal, TheReportFitsItsWidth) {
  for (const int columns : {80, 100}) EXPECT_LE(widest(on_a_terminal(columns, "", "NO_COLOR=1")), columns);
  EXPECT_LE(widest(on_a_terminal(200, "--columns 70", "NO_COLOR=1")), 70);
  EXPECT_GT(widest(on_a_terminal(60, "--wide", "NO_COLOR=1")), 80);
}

TEST(Terminal, ColourIsForTerminalsThatWantIt) {
  EXPECT_NE(on_a_terminal(100, "").find("\x1b[1m"), std::string::npos);
  EXPECT_EQ(on_a_terminal(100, "", "TERM=xterm NO_COLOR=1").find('\x1b'), std::string::npos);
  EXPECT_EQ(on_a_terminal(100, "", "TERM=dumb NO_COLOR=").find('\x1b'), std::string::npos);
  EXPECT_EQ(p2plab("run " + test::small_config()).out.find('\x1b'), std::string::npos);
}

TEST(Terminal, AWidthThatIsNoneIsAWrongUse) { EXPECT_EQ(p2plab("run " + test::small_config() + " --columns 3").exit, 2); }

}  // namespace
}  // namespace p2plab::terminal_test
