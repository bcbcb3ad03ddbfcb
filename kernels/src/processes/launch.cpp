// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>

#include <fmt/format.h>

#include "p2plab/run/rendezvous.h"
#include "processes/launcher_server.h"
#include "processes/session.h"

namespace p2plab {

namespace {

using processes::Hub;
using processes::Member;
using processes::SocketSession;

struct Ends {
  FileDescriptor launcher;
  FileDescriptor rank;
};

Result<std::vector<Ends>> connect(int ranks) {
  std::vector<Ends> all;
  for (int r = 0; r < ranks; ++r) {
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
      return Error{ErrorCode::io, fmt::format("cannot make a socket for rank {}: {}", r, std::strerror(errno))};
    }
    all.push_back({FileDescriptor{pair[0]}, FileDescriptor{pair[1]}});
  }
  return all;
}

// No exception may leave the process that is a copy.
Status guarded(Session& session, const std::function<Status(Session&)>& body) {
  try {
    return body(session);
  } catch (const std::exception& fault) {
    return Error{ErrorCode::unsupported, fmt::format("this rank cannot go on: {}", fault.what())};
  }
}

// What a rank's process does. It exits with `_exit`: no destructors of the parent run.
[[noreturn]] void live(FileDescriptor socket, const SocketSession::Place& place, const std::function<Status(Session&)>& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none{};
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);  // what the launcher holds back is not held back here
  SocketSession session(std::move(socket), place);
  const auto outcome = guarded(session, body);
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  session.farewell(outcome);
  _exit(0);
}

}  // namespace

Result<std::vector<Status>> run_processes(const LaunchOptions& options, const std::function<Status(Session&)>& body) {
  if (options.ranks < 1 || options.ranks > most_joined) {
    return Error{ErrorCode::invalid_input, fmt::format("a job has 1 to {} processes, not {}", most_joined, options.ranks)};
  }
  auto ends = connect(options.ranks);
  if (!ends) return std::move(ends).error();
  std::cout.flush();
  std::fflush(nullptr);  // else each process would write it again
  std::vector<Member> members;
  for (int r = 0; r < options.ranks; ++r) {
    const auto process = fork();
    if (process == 0) {
      auto socket = std::move((*ends)[static_cast<std::size_t>(r)].rank);
      members.clear();
      ends->clear();
      SocketSession::Place place{.rank = r, .ranks = options.ranks, .timeout = options.timeout};
      if (r == options.ranks - 1 && options.version_of_last_rank > 0) place.version = static_cast<std::uint16_t>(options.version_of_last_rank);
      live(std::move(socket), place, body);
    }
    if (process < 0) {
      for (const auto& member : members) kill(member.process, SIGKILL);
      Hub(std::move(members), options.timeout).serve();
      return Error{ErrorCode::io, fmt::format("cannot make a process for rank {}: {}", r, std::strerror(errno))};
    }
    Member member;
    member.process = process;
    member.socket = std::move((*ends)[static_cast<std::size_t>(r)].launcher);
    members.push_back(std::move(member));
  }
  ends->clear();
  return Hub(std::move(members), options.timeout).serve();
}

}  // namespace p2plab
