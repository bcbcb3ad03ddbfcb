// SPDX-License-Identifier: Apache-2.0
// Preloaded into the program under test: it stops before main, and each request makes a copy of the process that runs main. So a command costs a
// fork, not the start of a program (10 ms, 100 with sanitizers). See program.h.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <vector>

#include "request.h"

namespace p2plab::wild {
namespace {

using Main = int (*)(int, char**, char**);

// Of the program; a preloaded library has nowhere else to keep it between the start and main.
Main& main_of_program() {
  static Main main = nullptr;
  return main;
}

bool read_all(void* to, std::size_t size) {
  for (auto* at = static_cast<char*>(to); size > 0;) {
    const auto count = read(request_end, at, size);
    if (count <= 0) return false;
    at += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void redirect(const char* path, int to) {
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || dup2(file, to) < 0) _exit(cannot_start);
  close(file);
}

// In the copy: its words are stdout's file, stderr's file, its folder, then the program's own arguments.
int begin(const Request& request, std::vector<char>& words, char** environment) {
  std::vector<char*> arguments;
  for (char* at = words.data(); at < words.data() + words.size(); at += 1 + __builtin_strlen(at)) arguments.push_back(at);
  constexpr std::size_t before = 3;
  if (arguments.size() <= before) _exit(cannot_start);
  redirect(arguments[0], STDOUT_FILENO);
  redirect(arguments[1], STDERR_FILENO);
  if (chdir(arguments[2]) != 0) _exit(cannot_start);
  close(request_end);
  close(answer_end);
  if (request.address_space > 0) {
    const rlimit limit{request.address_space, request.address_space};
    setrlimit(RLIMIT_AS, &limit);
  }
  alarm(request.timeout);
  arguments.erase(arguments.begin(), arguments.begin() + before);
  const auto count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  return main_of_program()(count, arguments.data(), environment);
}

int serve(int, char**, char** environment) {
  unsetenv("LD_PRELOAD");
  Request request;
  while (read_all(&request, sizeof request)) {
    std::vector<char> words(request.bytes);
    if (!read_all(words.data(), words.size())) return 1;
    const auto start = now();
    const auto child = fork();
    if (child == 0) return begin(request, words, environment);
    Answer answer;
    rusage usage{};
    if (child < 0 || wait4(child, &answer.status, 0, &usage) != child) return 1;
    answer.seconds = now() - start;
    answer.processor_seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                               1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    answer.most_memory = static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
    if (write(answer_end, &answer, sizeof answer) != static_cast<ssize_t>(sizeof answer)) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace p2plab::wild

extern "C" __attribute__((visibility("default"))) int __libc_start_main(p2plab::wild::Main main, int count, char** arguments, void (*before)(),
                                                                        void (*after)(), void (*at_exit)(), void* stack) {
  using Start = int (*)(p2plab::wild::Main, int, char**, void (*)(), void (*)(), void (*)(), void*);
  p2plab::wild::main_of_program() = main;
  const auto start = reinterpret_cast<Start>(dlsym(RTLD_NEXT, "__libc_start_main"));
  return start(p2plab::wild::serve, count, arguments, before, after, at_exit, stack);
}
