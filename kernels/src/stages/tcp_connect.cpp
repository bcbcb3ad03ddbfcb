// SPDX-License-Identifier: Apache-2.0
#include "stages/tcp_connect.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "processes/token.h"

namespace p2plab::stages {

namespace {

constexpr std::size_t word_size = processes::token_size;
constexpr std::size_t most_strangers = 256;  // who have not shown it

struct Greeting {
  std::array<char, word_size> word{};
  std::int32_t rank = 0;
};

using Found = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

Found resolve(const std::string& address, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.c_str(), port.c_str(), &hints, &found) != 0) found = nullptr;
  return {found, freeaddrinfo};
}

void without_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int port_of(int socket) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size) != 0) return 0;
  return ntohs(at.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(at).sin6_port : reinterpret_cast<sockaddr_in&>(at).sin_port);
}

std::string random_word() {
  std::array<unsigned char, word_size / 2> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) return {};
  std::string word;
  for (const auto byte : random) word += fmt::format("{:02x}", byte);
  return word;
}

Error failed(Rank peer, const std::string& place, int error) {
  return Error{ErrorCode::device_failure,
               fmt::format("rank {} cannot be reached at {}: {}", peer.value, place.substr(0, place.rfind(' ')), std::strerror(error)),
               std::nullopt,
               {"the address is that of the interface which reaches the place where the ranks meet"}};
}

}  // namespace

Result<Listener> Listener::open(const std::string& address) {
  Listener made;
  made.address_ = address;
  made.word_ = random_word();
  const auto where = resolve(address, "0");
  if (where) made.socket_ = FileDescriptor{socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (made.word_.empty() || made.socket_.get() < 0 || bind(made.socket_.get(), where->ai_addr, where->ai_addrlen) != 0 ||
      listen(made.socket_.get(), 128) != 0) {
    return Error{ErrorCode::io, fmt::format("cannot listen at {}: {}", address, std::strerror(errno))};
  }
  made.port_ = port_of(made.socket_.get());
  return made;
}

std::string Listener::place() const { return fmt::format("{} {} {}", address_, port_, word_); }

void Listener::admit() {
  FileDescriptor caller{accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (caller.get() < 0) return;
  if (strangers_.size() >= most_strangers) strangers_.erase(strangers_.begin());  // who came first and still has not shown it
  strangers_.push_back({std::move(caller)});
}

// Whoever shows another word is shut out: without its socket. Not before all of one is there, or it could be guessed digit by digit.
std::optional<Listener::Caller> Listener::hear(Stranger& stranger) const {
  Greeting greeting;
  std::array<char, sizeof greeting> bytes{};
  const auto got = recv(stranger.socket.get(), bytes.data(), bytes.size() - stranger.said.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return std::nullopt;
  auto socket = std::move(stranger.socket);
  if (got <= 0) return std::nullopt;
  stranger.said.append(bytes.data(), static_cast<std::size_t>(got));
  using processes::token_of;
  if (stranger.said.size() >= word_size && !processes::equal(token_of(word_), token_of(stranger.said.substr(0, word_size)))) return std::nullopt;
  if (stranger.said.size() < sizeof greeting) {
    stranger.socket = std::move(socket);
    return std::nullopt;
  }
  std::memcpy(&greeting, stranger.said.data(), sizeof greeting);
  without_delay(socket.get());
  return Caller{Rank{greeting.rank}, std::move(socket)};
}

std::optional<Listener::Caller> Listener::accept(int milliseconds) {
  std::vector<pollfd> ready{{socket_.get(), POLLIN, 0}};
  for (const auto& stranger : strangers_) ready.push_back({stranger.socket.get(), POLLIN, 0});
  if (poll(ready.data(), ready.size(), milliseconds) <= 0) return std::nullopt;
  std::optional<Caller> caller;
  for (std::size_t i = 0; i < strangers_.size() && !caller; ++i) {
    if (ready[i + 1].revents != 0) caller = hear(strangers_[i]);
  }
  std::erase_if(strangers_, [](const Stranger& stranger) { return stranger.socket.get() < 0; });
  if (ready[0].revents != 0) admit();
  return caller;
}

Result<FileDescriptor> connect_to(Rank self, Rank peer, const std::string& place, Seconds timeout) {
  const auto first = place.find(' ');
  const auto second = place.find(' ', first + 1);
  if (first == std::string::npos || second == std::string::npos || place.size() != second + 1 + word_size)
    return Error{ErrorCode::device_failure, fmt::format("rank {} does not listen", peer.value)};
  const auto where = resolve(place.substr(0, first), place.substr(first + 1, second - first - 1));
  if (!where) return failed(peer, place, EADDRNOTAVAIL);
  FileDescriptor made{socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (made.get() < 0) return failed(peer, place, errno);
  if (connect(made.get(), where->ai_addr, where->ai_addrlen) != 0 && errno != EINPROGRESS) return failed(peer, place, errno);
  pollfd writable{made.get(), POLLOUT, 0};
  if (poll(&writable, 1, static_cast<int>(timeout.count() * 1000)) <= 0) return failed(peer, place, ETIMEDOUT);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return failed(peer, place, error);
  Greeting greeting{.rank = self.value};
  std::memcpy(greeting.word.data(), place.data() + second + 1, word_size);
  if (send(made.get(), &greeting, sizeof greeting, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof greeting)) return failed(peer, place, errno);
  without_delay(made.get());
  return made;
}

}  // namespace p2plab::stages
