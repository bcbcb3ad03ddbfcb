// SPDX-License-Identifier: Apache-2.0
// Processes that nobody launched together, and what each says.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "p2plab/run/rendezvous.h"

namespace p2plab::test {

using Body = std::function<std::string(int rank)>;

/// Runs `body` in a process for each rank: what each said, "killed" where it said nothing.
inline std::vector<std::string> said_by(int ranks, const Body& body) {
  std::vector<std::pair<pid_t, int>> processes;
  for (int r = 0; r < ranks; ++r) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    const auto process = fork();
    if (process == 0) {
      const auto text = body(r);
      [[maybe_unused]] const auto written = write(ends[1], text.data(), text.size());
      _exit(0);
    }
    close(ends[1]);
    processes.emplace_back(process, ends[0]);
  }
  std::vector<std::string> all;
  for (const auto& [process, end] : processes) {
    std::array<char, 4096> text{};
    const auto size = read(end, text.data(), text.size());
    close(end);
    int status = 0;
    waitpid(process, &status, 0);
    all.push_back(size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string{"killed"});
  }
  return all;
}

inline std::string outcome(const Result<std::unique_ptr<Session>>& session) { return session ? "joined" : session.error().message; }

}  // namespace p2plab::test
