// SPDX-License-Identifier: Apache-2.0
#include "processes/tcp.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include <fmt/format.h>

namespace p2plab::processes {

namespace {

using Clock = std::chrono::steady_clock;

constexpr char taken_in = 'p';             // the byte that answers the right token
constexpr char turned_away = 'x';          // and any other
constexpr std::size_t longest_host = 60;   // so that an address fits into a unique id
constexpr timeval timeout_of_parts{1, 0};  // for the rest of a message whose beginning is there

using Found = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

Result<Found> resolve(const TcpAddress& address, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (code != 0) return Error{ErrorCode::io, fmt::format("'{}' is no host that this machine knows: {}", address.host, gai_strerror(code))};
  return Found{found, freeaddrinfo};
}

FileDescriptor socket_for(const addrinfo& where, int more = 0) {
  return FileDescriptor{socket(where.ai_family, where.ai_socktype | SOCK_CLOEXEC | more, where.ai_protocol)};
}

template <class T>
void set(int socket, int level, int option, const T& value) {
  setsockopt(socket, level, option, &value, sizeof value);
}

// A machine that is gone closes nothing: its connections end after 15 s without an answer, or 15 s after data that it does not take.
void notice_loss(int socket) {
  constexpr int seconds = 5;
  constexpr int probes = 2;
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, probes);
  set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, (probes + 1) * seconds * 1000U);
}

int milliseconds_until(Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000));
}

// Connected, and heard that we are taken in; else why not, as the system's number; ETIMEDOUT if nothing was heard of one that listens.
int try_once(const addrinfo& where, const Token& token, Clock::time_point until, FileDescriptor& taken) {
  auto socket = socket_for(where, SOCK_NONBLOCK);
  if (socket.get() < 0) return errno;
  if (connect(socket.get(), where.ai_addr, where.ai_addrlen) != 0 && errno != EINPROGRESS) return errno;
  pollfd writable{socket.get(), POLLOUT, 0};
  if (poll(&writable, 1, milliseconds_until(until)) <= 0) return EHOSTDOWN;  // not even connected
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return error;
  if (::send(socket.get(), token.data(), token.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(token.size())) return ECONNRESET;
  while (true) {
    pollfd readable{socket.get(), POLLIN, 0};
    const int ready = poll(&readable, 1, milliseconds_until(until));
    if (ready > 0) break;
    if (Clock::now() >= until) return ETIMEDOUT;
  }
  char byte = 0;
  const auto got = recv(socket.get(), &byte, 1, 0);
  if (got != 1) return ECONNRESET;  // one that has all its ranks, and ends listening
  if (byte == turned_away) return EACCES;
  if (byte != taken_in) return EPROTO;
  fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) & ~O_NONBLOCK);
  set(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  notice_loss(socket.get());
  taken = std::move(socket);
  return 0;
}

std::string why_not(int error) {
  if (error == ETIMEDOUT) return "who listens there does not answer as p2plab does";
  if (error == EHOSTDOWN) return "nothing answers there";
  if (error == EPROTO) return "who listens there is not p2plab";
  if (error == EACCES) return "who listens there has another secret";
  if (error == ECONNREFUSED) return "nobody listens there";
  return std::strerror(error);
}

}  // namespace

Result<TcpAddress> TcpAddress::parse(const std::string& text) {
  const auto bad = [&](const std::string& why) {
    return Error{
        ErrorCode::invalid_input, fmt::format("'{}' is no address to meet at: {}", text, why), std::nullopt, {"write it as 127.0.0.1:29500"}};
  };
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad("a host and a port are needed");
  TcpAddress address{.host = text.substr(0, colon)};
  const bool bracketed = address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']';
  if (bracketed) address.host = address.host.substr(1, address.host.size() - 2);
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_'; };
  const bool good = std::ranges::all_of(address.host, [&](char c) { return plain(c) || (bracketed && (c == ':' || c == '%')); });
  if (!good) return bad("its host has characters that no host's name has");
  if (address.host.size() > longest_host) return bad(fmt::format("a host's name may have {} letters", longest_host));
  const auto* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (code != std::errc{} || rest != end || address.port < 1 || address.port > 65535) return bad("ports are 1 to 65535");
  return address;
}

std::string TcpAddress::text() const {
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", host, brackets ? "]" : "", port);
}

Result<FileDescriptor> listen_at(const TcpAddress& address) {
  const auto found = resolve(address, AI_PASSIVE);
  if (!found) return found.error();
  int last = 0;
  for (const auto* where = found->get(); where != nullptr; where = where->ai_next) {
    auto listener = socket_for(*where, SOCK_NONBLOCK);
    if (listener.get() < 0) {
      last = errno;
      continue;
    }
    set(listener.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(listener.get(), where->ai_addr, where->ai_addrlen) == 0 && listen(listener.get(), 128) == 0) return listener;
    last = errno;
  }
  const auto why = last == EADDRINUSE      ? std::string{"another program listens there"}
                   : last == EADDRNOTAVAIL ? std::string{"this machine has no such address"}
                                           : std::string{std::strerror(last)};
  return Error{ErrorCode::io, fmt::format("rank 0 cannot wait for the others at {}: {}", address.text(), why)};
}

Result<OpenPort> listen_at_any_port(const std::string& address) {
  const auto found = resolve({.host = address}, AI_PASSIVE | AI_NUMERICHOST);
  if (!found) return found.error();
  const auto& where = **found;
  auto listener = socket_for(where, SOCK_NONBLOCK);
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  auto* const name = reinterpret_cast<sockaddr*>(&at);
  if (listener.get() < 0 || bind(listener.get(), where.ai_addr, where.ai_addrlen) != 0 || listen(listener.get(), 128) != 0 ||
      getsockname(listener.get(), name, &size) != 0)
    return Error{ErrorCode::io, fmt::format("rank 0 cannot wait for the others at {}: {}", address, std::strerror(errno))};
  const auto port = at.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(name)->sin6_port : reinterpret_cast<sockaddr_in*>(name)->sin_port;
  return OpenPort{{.host = address, .port = ntohs(port)}, std::move(listener)};
}

FileDescriptor accept_at(int listener) {
  FileDescriptor socket{accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)};
  if (socket.get() < 0) return {};
  set(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  notice_loss(socket.get());
  set(socket.get(), SOL_SOCKET, SO_RCVTIMEO, timeout_of_parts);
  set(socket.get(), SOL_SOCKET, SO_SNDTIMEO, timeout_of_parts);
  return socket;
}

bool welcome(int socket) { return ::send(socket, &taken_in, 1, MSG_NOSIGNAL) == 1; }
void refuse(int socket) { [[maybe_unused]] const auto sent = ::send(socket, &turned_away, 1, MSG_NOSIGNAL | MSG_DONTWAIT); }

Result<FileDescriptor> connect_to(const TcpAddress& address, const Token& token, Seconds timeout) {
  const auto found = resolve(address, 0);
  if (!found) return found.error();
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout);
  while (true) {
    int last = 0;
    for (const auto* where = found->get(); where != nullptr; where = where->ai_next) {
      FileDescriptor socket;
      last = try_once(*where, token, until, socket);
      if (last == 0) return socket;
    }
    if (last == EACCES)
      return Error{ErrorCode::device_failure,
                   fmt::format("rank 0 was not met at {}: {}", address.text(), why_not(last)),
                   std::nullopt,
                   {"give all ranks of a job the same P2PLAB_SECRET, or none of them one"}};
    if (Clock::now() >= until || last == EPROTO) {
      return Error{ErrorCode::device_failure,
                   fmt::format("rank 0 was not met at {} within {:g} s: {}", address.text(), timeout.count(), why_not(last)),
                   std::nullopt,
                   {"all ranks must name the same address, one of rank 0's; one job meets there at a time"}};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Which process has it open under which number, and what file it is, wherever its numbers lead elsewhere.
std::string name_of_file(int file) {
  struct stat is {};
  fstat(file, &is);
  return fmt::format("{} {} {} {}", getpid(), file, is.st_dev, is.st_ino);
}

Result<FileDescriptor> open_file(const std::string& name) {
  long process = 0;
  int number = 0;
  unsigned long device = 0;
  unsigned long inode = 0;
  if (std::sscanf(name.c_str(), "%ld %d %lu %lu", &process, &number, &device, &inode) != 4)
    return Error{ErrorCode::unsupported, "a rank sent no file"};
  const auto path = fmt::format("/proc/{}/fd/{}", process, number);
  FileDescriptor file{open(path.c_str(), O_RDWR | O_CLOEXEC)};
  const int error = errno;
  struct stat is {};
  const bool same = file.get() >= 0 && fstat(file.get(), &is) == 0 && is.st_dev == device && is.st_ino == inode;
  if (same) return file;
  return Error{
      ErrorCode::unsupported,
      fmt::format("memory of process {} cannot be opened ({}: {})", process, path, file.get() < 0 ? std::strerror(error) : "it is another file"),
      std::nullopt,
      {"ranks that meet over TCP must be of one user and see each other's processes: containers need one PID namespace (--pid=host)"}};
}

}  // namespace p2plab::processes
