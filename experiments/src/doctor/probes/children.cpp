// SPDX-License-Identifier: Apache-2.0
// Both ends of a child process that probes: how it is started, and what it does.
#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>

#include "doctor/probes/matrix.h"

extern char** environ;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

namespace p2plab::doctor {

namespace {

Status say(int output, const std::string& line) {
  const auto text = line + "\n";
  for (std::size_t at = 0; at < text.size();) {
    const auto count = write(output, text.data() + at, text.size() - at);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Error{ErrorCode::io, fmt::format("cannot tell what was probed: {}", std::strerror(errno))};
    at += static_cast<std::size_t>(count);
  }
  return {};
}

// One line, whatever the message holds.
std::string flat(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

Error no_child(const char* what, int code) {
  return {ErrorCode::io, fmt::format("cannot start a process that probes: {}: {}", what, std::strerror(code))};
}

}  // namespace

Status serve_probes(const Result<std::unique_ptr<PairProber>>& prober, const std::vector<PairProbe>& probes, std::size_t first, int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a probe that hangs must not outlive who asked
  if (!prober) {
    if (auto said = say(output, "no " + flat(prober.error().message)); !said) return said;
    return prober.error();
  }
  for (auto i = first; i < probes.size(); ++i) {
    if (auto said = say(output, fmt::format("begin {}", i)); !said) return said;
    const auto outcome = (*prober)->run(probes[i]);
    const auto line = outcome ? fmt::format("done {} {} {} {} {} {} {}", i, outcome->compared, outcome->unwritten, outcome->zeros, outcome->wrong,
                                            outcome->late, outcome->rate.bytes_per_second())
                              : fmt::format("failed {} {}", i, flat(outcome.error().message));
    if (auto said = say(output, line); !said) return said;
  }
  return {};
}

StartProbes forked(std::function<Result<std::unique_ptr<PairProber>>()> prober, std::vector<PairProbe> probes) {
  return [prober = std::move(prober), probes = std::move(probes)](std::size_t first) -> Result<ProbeChild> {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return no_child("pipe", errno);
    const auto process = fork();
    if (process < 0) {
      const int code = errno;
      close(ends[0]);
      close(ends[1]);
      return no_child("fork", code);
    }
    if (process == 0) {
      close(ends[0]);
      const auto served = serve_probes(prober(), probes, first, ends[1]);
      _exit(served ? 0 : 1);
    }
    close(ends[1]);
    return ProbeChild{process, ends[0]};
  };
}

StartProbes spawned(std::string program, std::vector<std::string> arguments) {
  return [program = std::move(program), arguments = std::move(arguments)](std::size_t first) -> Result<ProbeChild> {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return no_child("pipe", errno);
    auto words = arguments;
    words.insert(words.begin(), program);
    words.push_back(std::to_string(first));
    std::vector<char*> pointers;
    for (auto& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    pid_t process = -1;
    const int code = posix_spawn(&process, program.c_str(), &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (code == 0) return ProbeChild{process, ends[0]};
    close(ends[0]);
    return no_child(program.c_str(), code);
  };
}

}  // namespace p2plab::doctor
