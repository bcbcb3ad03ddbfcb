// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

namespace p2plab::wild {

std::string content(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Program::Program(const std::string& program, const std::string& server, std::filesystem::path folder) : folder_(std::move(folder)) {
  std::array<int, 2> request{};
  std::array<int, 2> answer{};
  if (pipe(request.data()) != 0 || pipe(answer.data()) != 0) return;
  server_ = fork();
  if (server_ == 0) {
    dup2(request[0], request_end);
    dup2(answer[1], answer_end);
    for (const int end : {request[0], request[1], answer[0], answer[1]}) close(end);
    setenv("LD_PRELOAD", server.c_str(), 1);
    // A sanitizer's report ends the copy with a code that nothing else has. It need not be the first library, for it is not the only preloaded one.
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0:exitcode=86:detect_leaks=0:allocator_may_return_null=0", 0);
    setenv("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=86", 0);
    execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
    _exit(cannot_start);
  }
  close(request[0]);
  close(answer[1]);
  requests_ = request[1];
  answers_ = answer[0];
  std::signal(SIGPIPE, SIG_IGN);
}

Program::~Program() {
  close(requests_);
  close(answers_);
  if (server_ > 0) waitpid(server_, nullptr, 0);
}

std::optional<Outcome> Program::run(const std::vector<std::string>& words, const Limits& limits) const {
  const auto out = folder_ / "stdout";
  const auto err = folder_ / "stderr";
  std::string text;
  for (const auto& word : {out.string(), err.string(), folder_.string(), std::string{"p2plab"}}) text += word + '\0';
  for (const auto& word : words) text += word + '\0';
  const Request request{limits.address_space, limits.timeout, static_cast<std::uint32_t>(text.size())};
  Outcome outcome;
  if (write(requests_, &request, sizeof request) != static_cast<ssize_t>(sizeof request) ||
      write(requests_, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      read(answers_, &outcome.end, sizeof outcome.end) != static_cast<ssize_t>(sizeof outcome.end))
    return std::nullopt;
  outcome.out = content(out);
  outcome.err = content(err);
  return outcome;
}

}  // namespace p2plab::wild
