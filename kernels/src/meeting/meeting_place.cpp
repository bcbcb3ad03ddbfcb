// SPDX-License-Identifier: Apache-2.0
#include "meeting/meeting_place.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "detect/interfaces.h"
#include "p2plab/detail/digest.h"
#include "p2plab/run/rendezvous.h"

namespace p2plab::processes {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view mark = "p2p1";
constexpr std::size_t most_visitors = 2048;
constexpr auto time_to_speak = std::chrono::seconds(5);
constexpr auto time_to_wait = std::chrono::seconds(600);  // for the others; who has gone is noticed before
constexpr int digits_of_byte = 2;

// All addresses as those of IPv6, where IPv4 has a part.
std::optional<in6_addr> number_of(const std::string& host) {
  in6_addr address{};
  if (inet_pton(AF_INET6, host.c_str(), &address) == 1) return address;
  if (inet_pton(AF_INET6, ("::ffff:" + host).c_str(), &address) == 1) return address;
  return std::nullopt;
}

std::string host_of(const in6_addr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (IN6_IS_ADDR_V4MAPPED(&address))
    inet_ntop(AF_INET, &address.s6_addr[12], text.data(), text.size());
  else
    inet_ntop(AF_INET6, &address, text.data(), text.size());
  return text.data();
}

Token fresh_token(const Invitation& invitation) { return token_of(invitation.place().substr(invitation.place().find('/') + 1)); }

bool send_all(int socket, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const auto sent = ::send(socket, at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

// Mark, port, address, token.
std::array<char, PlaceToMeet::size> PlaceToMeet::bytes() const {
  std::array<char, size> all{};
  const auto number = number_of(address.host);
  expects(number.has_value());
  auto* at = std::ranges::copy(mark, all.data()).out;
  *at++ = static_cast<char>(address.port >> 8);
  *at++ = static_cast<char>(address.port & 255);
  std::memcpy(at, number->s6_addr, sizeof number->s6_addr);
  at += sizeof number->s6_addr;
  for (std::size_t i = 0; i < token_size; i += digits_of_byte)
    *at++ = static_cast<char>(std::stoi(std::string(&token[i], digits_of_byte), nullptr, 16));
  return all;
}

std::optional<PlaceToMeet> PlaceToMeet::from(std::span<const char, size> bytes) {
  if (std::string_view(bytes.data(), mark.size()) != mark) return std::nullopt;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  constexpr auto port = mark.size();
  constexpr auto host = port + 2;
  in6_addr address{};
  std::memcpy(address.s6_addr, &bytes[host], sizeof address.s6_addr);
  std::string token;
  for (auto i = host + sizeof address.s6_addr; token.size() < token_size; ++i) token += fmt::format("{:02x}", byte(i));
  return PlaceToMeet{{.host = host_of(address), .port = byte(port) << 8 | byte(port + 1)}, token_of(token)};
}

Result<PlaceToMeet> MeetingPlace::of_process() {
  static const auto opened = []() -> Result<PlaceToMeet> {
    const auto invitation = Invitation::make();
    if (!invitation) return invitation.error();
    const auto here = detect::address_here();
    if (!here) return here.error();
    if (!number_of(*here)) return Error{ErrorCode::io, fmt::format("'{}' is an address of one link, which other machines do not reach", *here)};
    auto port = listen_at_any_port(*here);
    if (!port) return std::move(port).error();
    const PlaceToMeet place{port->address, fresh_token(*invitation)};
    // Never closed: ranks may come as long as the process lives, and one that was forked from it has no thread to wait for.
    static const std::shared_ptr<MeetingPlace> kept(new MeetingPlace(std::move(port->listener), place.token), [](MeetingPlace*) {});
    return place;
  }();
  return opened;
}

MeetingPlace::MeetingPlace(FileDescriptor listener, const Token& token)
    : listener_(std::move(listener)), token_(token), ended_(eventfd(0, EFD_CLOEXEC)), thread_([this] { serve(); }) {}

MeetingPlace::~MeetingPlace() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto told = write(ended_.get(), &one, sizeof one);
  thread_.join();
}

void MeetingPlace::serve() {
  while (true) {
    std::vector<pollfd> watched{{ended_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (visitors_.size() >= most_visitors) watched[1].fd = -1;
    for (const auto& visitor : visitors_) watched.push_back({visitor.socket.get(), POLLIN, 0});
    constexpr int second = 1000;
    poll(watched.data(), watched.size(), visitors_.empty() ? -1 : second);
    if (watched[0].revents != 0) return;
    if (watched[1].revents != 0) {
      if (auto socket = accept_at(listener_.get()); socket.get() >= 0) visitors_.push_back({std::move(socket), Clock::now()});
    }
    std::erase_if(visitors_, [this](Visitor& visitor) { return !goes_on(visitor); });
    for (auto& visitor : visitors_) {
      if (visitor.heard == sizeof(Said) && !std::exchange(visitor.counted, true)) answer(visitor);
    }
    std::erase_if(visitors_, [](const Visitor& visitor) { return visitor.socket.get() < 0; });
  }
}

// False: they have gone, or are shown out.
bool MeetingPlace::goes_on(Visitor& visitor) const {
  if (!visitor.admitted) {
    const auto state = visitor.shown.look(visitor.socket.get(), token_);
    if (state == ShownToken::State::awaited) return Clock::now() - visitor.came < time_to_speak;
    visitor.admitted = state == ShownToken::State::right;
    if (!visitor.admitted) refuse(visitor.socket.get());
    if (!visitor.admitted || !welcome(visitor.socket.get())) return false;
  }
  return hear(visitor);
}

// Reads what is there, without waiting; of who has said all, whether they are still there.
bool MeetingPlace::hear(Visitor& visitor) {
  auto* const said = reinterpret_cast<char*>(&visitor.said);
  while (visitor.heard < sizeof(Said)) {
    const auto got = recv(visitor.socket.get(), said + visitor.heard, sizeof(Said) - visitor.heard, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Clock::now() - visitor.came < time_to_speak;
    if (got <= 0) return false;
    visitor.heard += static_cast<std::size_t>(got);
  }
  char more = 0;
  const auto got = recv(visitor.socket.get(), &more, 1, MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) && Clock::now() - visitor.came < time_to_wait;
}

// All of an exchange are here once each of its ranks is; whoever came twice is there as they were last.
void MeetingPlace::answer(const Visitor& last) {
  const auto [name, ranks] = std::pair{last.said.name, last.said.ranks};
  if (ranks < 1 || ranks > most_joined) return;
  std::vector<Visitor*> by_rank(static_cast<std::size_t>(ranks));
  for (auto& visitor : visitors_) {
    const auto& said = visitor.said;
    const bool whole = visitor.heard == sizeof(Said) && visitor.socket.get() >= 0;
    if (whole && said.name == name && said.ranks == ranks && said.rank >= 0 && said.rank < ranks)
      by_rank[static_cast<std::size_t>(said.rank)] = &visitor;
  }
  if (std::ranges::find(by_rank, nullptr) != by_rank.end()) return;
  std::string all;
  for (const auto* visitor : by_rank) all.append(visitor->said.bytes.data(), visitor->said.bytes.size());
  for (auto* visitor : by_rank) {
    send_all(visitor->socket.get(), all.data(), all.size());
    visitor->socket = FileDescriptor{};
  }
}

Result<std::vector<std::string>> exchange_at(const PlaceToMeet& place, const std::string& name, int rank, int ranks, const std::string& mine,
                                             Seconds timeout) {
  expects(mine.size() <= most_exchanged);
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout);
  const auto socket = connect_to(place.address, place.token, timeout);
  if (!socket) return socket.error();
  Digest digest;
  digest.add(name);
  const auto key = to_string(digest.value());
  std::string said =
      key + std::string(reinterpret_cast<const char*>(&rank), sizeof rank) + std::string(reinterpret_cast<const char*>(&ranks), sizeof ranks);
  said += mine + std::string(most_exchanged - mine.size(), '\0');
  const auto lost = [&](const char* why) {
    return Error{ErrorCode::device_failure, fmt::format("{} at {}, where the ranks exchange how to meet", why, place.address.text())};
  };
  if (!send_all(socket->get(), said.data(), said.size())) return lost("the connection was lost");
  std::string all(static_cast<std::size_t>(ranks) * most_exchanged, '\0');
  for (std::size_t came = 0; came < all.size();) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd readable{socket->get(), POLLIN, 0};
    const int ready = left <= 0 ? 0 : poll(&readable, 1, static_cast<int>(left));
    if (ready == 0) return lost(fmt::format("not all {} ranks came within {:g} s", ranks, timeout.count()).c_str());
    if (ready < 0) continue;  // a signal; to receive now might wait without end
    const auto got = recv(socket->get(), all.data() + came, all.size() - came, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return lost("the connection was lost");
    came += static_cast<std::size_t>(got);
  }
  std::vector<std::string> by_rank;
  for (std::size_t at = 0; at < all.size(); at += most_exchanged) by_rank.push_back(all.substr(at, mine.size()));
  return by_rank;
}

}  // namespace p2plab::processes
