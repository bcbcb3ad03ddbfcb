// SPDX-License-Identifier: Apache-2.0
// Runs a test's other programs, and shared libraries beside them.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace p2plab::test {

struct Ran {
  int code = 0;
  std::string text = {};  // stdout and stderr
};

inline Ran ran(const std::string& command) {
  auto* const pipe = popen((command + " 2>&1").c_str(), "r");
  Ran result;
  std::array<char, 4096> piece{};
  for (std::size_t size = 0; (size = fread(piece.data(), 1, piece.size(), pipe)) > 0;) result.text.append(piece.data(), size);
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

}  // namespace p2plab::test
