// SPDX-License-Identifier: Apache-2.0
#include "processes/message.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

namespace p2plab::processes {

namespace {

constexpr std::uint32_t magic = 0x70327031;  // "p2p1"

struct Header {
  std::uint32_t mark = magic;
  std::uint16_t kind = 0;
  std::uint16_t version = 0;
  std::int32_t rank = 0;
  std::uint32_t number = 0;
};

// A message in pieces as the system wants it, with room for one file.
struct Envelope {
  Header header;
  std::array<char, longest_text> text;
  std::array<iovec, 2> pieces;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
  msghdr outer;

  Envelope() : header(), text(), pieces(), control(), outer() {
    pieces = {iovec{&header, sizeof header}, iovec{text.data(), text.size()}};
    outer.msg_iov = pieces.data();
    outer.msg_iovlen = pieces.size();
  }
};

void attach(Envelope& envelope, int file) {
  envelope.outer.msg_control = envelope.control.data();
  envelope.outer.msg_controllen = envelope.control.size();
  auto* const part = CMSG_FIRSTHDR(&envelope.outer);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(part), &file, sizeof file);
}

FileDescriptor attached(msghdr& outer) {
  auto* const part = CMSG_FIRSTHDR(&outer);
  if (part == nullptr || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS || part->cmsg_len != CMSG_LEN(sizeof(int))) return {};
  int file = -1;
  std::memcpy(&file, CMSG_DATA(part), sizeof file);
  return FileDescriptor{file};
}

// TCP keeps no borders: there the header tells how long the text is.
struct StreamHeader {
  Header header;
  std::uint32_t size = 0;
};

bool keeps_borders(int socket) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM;
}

// All of it; one who does not take it all is told no more, for what follows would mean nothing.
bool send_all(int socket, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto sent = ::send(socket, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) {
      shutdown(socket, SHUT_RDWR);
      return false;
    }
    at += static_cast<std::size_t>(sent);
  }
  return true;
}

// One message's bytes. The first may be long in coming; the rest follows soon, or never: who sends a byte now and then would keep the receiver.
class MessageBytes {
 public:
  explicit MessageBytes(int socket) : socket_(socket) {}

  bool receive(void* to, std::size_t size) {
    for (std::size_t at = 0; at < size;) {
      if (begun_ && Clock::now() - *begun_ > longest_message) return false;
      const auto got = recv(socket_, static_cast<char*>(to) + at, size - at, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      if (!begun_) begun_ = Clock::now();
      at += static_cast<std::size_t>(got);
    }
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds longest_message{2};

  int socket_;
  std::optional<Clock::time_point> begun_;
};

Header header_of(const Message& message) { return {magic, static_cast<std::uint16_t>(message.kind), message.version, message.rank, message.number}; }
bool known(const Header& header) { return header.mark == magic && header.kind <= static_cast<std::uint16_t>(MessageKind::alive); }

bool send_stream(int socket, std::span<const Message* const> messages) {
  std::string bytes;
  for (const auto* message : messages) {
    const StreamHeader header{header_of(*message), static_cast<std::uint32_t>(message->text.size())};
    bytes.append(reinterpret_cast<const char*>(&header), sizeof header).append(message->text);
  }
  return send_all(socket, bytes);
}

std::optional<Message> receive_stream(int socket) {
  StreamHeader all;
  MessageBytes bytes(socket);
  if (!bytes.receive(&all, sizeof all) || !known(all.header) || all.size > longest_text) return std::nullopt;
  const auto& header = all.header;
  Message message{static_cast<MessageKind>(header.kind), header.version, header.rank, header.number, std::string(all.size, '\0'), {}};
  if (!bytes.receive(message.text.data(), all.size)) return std::nullopt;
  return message;
}

}  // namespace

bool send(int socket, const Message& message) {
  expects(message.text.size() <= longest_text);
  const auto* const one = &message;
  if (!keeps_borders(socket)) return send_stream(socket, {&one, 1});
  Envelope envelope;
  envelope.header = header_of(message);
  std::memcpy(envelope.text.data(), message.text.data(), message.text.size());
  envelope.pieces[1].iov_len = message.text.size();
  if (message.file.get() >= 0) attach(envelope, message.file.get());
  ssize_t sent = -1;
  do sent = sendmsg(socket, &envelope.outer, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof(Header) + message.text.size());
}

bool send(int socket, std::span<const Message* const> messages) {
  if (!keeps_borders(socket)) return send_stream(socket, messages);
  bool all = true;
  for (const auto* message : messages) all = send(socket, *message) && all;
  return all;
}

bool send_if_room(int socket, const Message& message) {
  pollfd ready{socket, POLLOUT, 0};
  if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return (ready.revents & (POLLERR | POLLHUP)) == 0;
  return send(socket, message);
}

std::optional<Message> receive(int socket) {
  if (!keeps_borders(socket)) return receive_stream(socket);
  Envelope envelope;
  envelope.outer.msg_control = envelope.control.data();
  envelope.outer.msg_controllen = envelope.control.size();
  ssize_t got = -1;
  // A peer that leaves with something unread resets the connection, which is told once, before what it had sent can be read.
  bool reset = false;
  do got = recvmsg(socket, &envelope.outer, MSG_CMSG_CLOEXEC);
  while (got < 0 && (errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true))));
  if (got < static_cast<ssize_t>(sizeof(Header)) || (envelope.outer.msg_flags & MSG_TRUNC) != 0) return std::nullopt;
  const auto& header = envelope.header;
  if (!known(header)) return std::nullopt;
  return Message{static_cast<MessageKind>(header.kind),
                 header.version,
                 header.rank,
                 header.number,
                 {envelope.text.data(), static_cast<std::size_t>(got) - sizeof(Header)},
                 attached(envelope.outer)};
}

// The code, then the message and the notes, each after a zero byte.
std::string outcome_text(const Status& status) {
  if (status) return {};
  const auto& error = status.error();
  auto text = std::to_string(static_cast<int>(error.code));
  text += '\0' + (error.where ? error.where->file + ": " : std::string{}) + error.message;
  for (const auto& note : error.notes) text += '\0' + note;
  if (text.size() > longest_text) text.resize(longest_text);
  return text;
}

Status outcome_of(const std::string& text) {
  if (text.empty()) return {};
  const auto first = text.find('\0');
  Error error{static_cast<ErrorCode>(std::atoi(text.c_str())), {}};
  for (auto at = first; at != std::string::npos;) {
    const auto next = text.find('\0', at + 1);
    const auto word = text.substr(at + 1, next == std::string::npos ? next : next - at - 1);
    if (at == first)
      error.message = word;
    else
      error.notes.push_back(word);
    at = next;
  }
  return error;
}

}  // namespace p2plab::processes
