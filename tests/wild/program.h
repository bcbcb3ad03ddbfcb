// SPDX-License-Identifier: Apache-2.0
// The program under test, started once: each command runs in a copy of it.
#pragma once

#include <sys/wait.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "request.h"

namespace p2plab::wild {

/// How a command ended, and what it said.
struct Outcome {
  Answer end;
  std::string out;
  std::string err;
  int exit() const { return WIFEXITED(end.status) ? WEXITSTATUS(end.status) : -WTERMSIG(end.status); }
};

class Program {
 public:
  struct Limits {
    std::uint64_t address_space = 0;  // 0: none
    std::uint32_t timeout = 0;        // seconds
  };
  /// Files of commands lie in `folder`, where commands run.
  Program(const std::string& program, const std::string& server, std::filesystem::path folder);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  Program(Program&&) = delete;
  Program& operator=(Program&&) = delete;

  /// Nothing if the program that makes the copies has ended.
  std::optional<Outcome> run(const std::vector<std::string>& words, const Limits& limits) const;

 private:
  std::filesystem::path folder_;
  int requests_ = -1;
  int answers_ = -1;
  pid_t server_ = -1;
};

/// All of a file; empty if there is none.
std::string content(const std::filesystem::path& file);

}  // namespace p2plab::wild
