// Every command that the README shows runs, and prints what the README shows: lines of a block that hold no measured or computed time must
// stand in the real output too.
#include <algorithm>
#include <regex>
#include <vector>

#include "program.h"

namespace p2plab {
namespace {

struct Shown {
  std::string command;
  std::vector<std::string> output;
};

// The "$ command" lines of the README's console blocks, each with the lines shown after it.
std::vector<Shown> shown_commands() {
  std::istringstream readme(test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "README.md"));
  std::vector<Shown> shown;
  bool inside = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("```")) {
      inside = line == "```console";
    } else if (inside && line.starts_with("$ ")) {
      shown.push_back({line.substr(2), {}});
    } else if (inside && !shown.empty()) {
      shown.back().output.push_back(line);
    }
  }
  return shown;
}

bool replace_start(std::string& text, const std::string& from, const std::string& to) {
  if (!text.starts_with(from)) return false;
  text.replace(0, from.size(), to);
  return true;
}

// Plans and traces that the README's commands write go to a folder of this test.
std::string redirected(std::string arguments) {
  const std::regex file(R"((^| )(\w+\.(?:json|yaml|xml)|out)\b)");
  return std::regex_replace(arguments, file, "$1" + test::scratch("").string() + "$2");
}

TEST(Readme, EveryCommandRunsAndPrintsWhatIsShown) {
  const auto help = test::content(std::filesystem::path(P2PLAB_SOURCE_DIR) / "dev");
  std::string all;
  for (const auto& shown : shown_commands()) all += shown.command + '\n';
  int ran = 0;
  for (auto [command, expected] : shown_commands()) {
    SCOPED_TRACE(command);
    if (command.starts_with("git ") || command.starts_with("cd ")) continue;
    if (!replace_start(command, "build/p2plab ", "") && !replace_start(command, "./dev run ", "run ")) {
      // ./dev test and its like would run this test again: it is enough that ./dev knows the word.
      ASSERT_TRUE(replace_start(command, "./dev ", ""));
      const auto word = command.substr(0, command.find(' '));
      EXPECT_NE(help.find("\n    " + word + ")"), std::string::npos) << "./dev has no command " << word;
      continue;
    }
    // What the page shows again with more options runs there.
    if (expected.empty() && all.find("p2plab " + command + " --") != std::string::npos) continue;
    const auto outcome = test::p2plab(redirected(command));
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    ++ran;
    for (const auto& line : expected) {
      if (line == "..." || line.find("planned in") != std::string::npos) continue;
      EXPECT_NE((outcome.out + outcome.err).find(line), std::string::npos) << "not printed: " << line;
    }
  }
  EXPECT_GE(ran, 16);
}

}  // namespace
}  // namespace p2plab
