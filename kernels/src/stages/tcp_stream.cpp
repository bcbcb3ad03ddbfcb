// SPDX-License-Identifier: Apache-2.0
#include "stages/tcp_stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace p2plab::stages {

namespace {

constexpr std::size_t most_parts = 64;  // of one system call

Error about(std::string phrase) { return Error{ErrorCode::device_failure, std::move(phrase)}; }

msghdr message_of(std::span<iovec> parts) {
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = std::min(parts.size(), most_parts);
  return message;
}

bool would_wait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

void Pending::advance(std::size_t bytes) {
  while (bytes > 0) {
    auto& part = parts_[next_];
    const auto gone = std::min(bytes, part.iov_len);
    part.iov_base = static_cast<char*>(part.iov_base) + gone;
    part.iov_len -= gone;
    bytes -= gone;
    if (part.iov_len == 0) ++next_;
  }
}

void TcpStream::begin() {
  sent_.bytes = expected_.bytes = 0;
  header_seen_ = false;
  out_.clear();
  in_.clear();
  out_.add(&sent_, sizeof sent_);
  in_.add(&came_, sizeof came_);
}

void TcpStream::send(void* memory, std::size_t bytes) {
  out_.add(memory, bytes);
  sent_.bytes += bytes;
}

void TcpStream::receive(void* memory, std::size_t bytes) {
  in_.add(memory, bytes);
  expected_.bytes += bytes;
}

void TcpStream::ready() {
  if (sent_.bytes == 0)
    out_.clear();
  else
    ++sent_.number;
  if (expected_.bytes == 0)
    in_.clear();
  else
    ++expected_.number;
}

Result<bool> TcpStream::move() {
  auto out = move_out();
  if (!out) return out;
  auto in = move_in();
  if (!in) return in;
  return *out || *in;
}

Result<bool> TcpStream::move_out() {
  bool moved = false;
  while (!out_.done()) {
    const auto message = message_of(out_.parts());
    const auto gone = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (gone < 0 && would_wait()) break;
    if (gone < 0) return about(fmt::format("takes no more data ({})", std::strerror(errno)));
    out_.advance(static_cast<std::size_t>(gone));
    moved = true;
  }
  return moved;
}

// The header first and alone: before it is known to be right, nothing is written.
Result<bool> TcpStream::move_in() {
  bool moved = false;
  while (!in_.done()) {
    auto message = message_of(header_seen_ ? in_.parts() : in_.parts().first(1));
    const auto came = recvmsg(socket_.get(), &message, MSG_DONTWAIT);
    if (came < 0 && would_wait()) break;
    if (came < 0) return about(fmt::format("gives no more data ({})", std::strerror(errno)));
    if (came == 0) return about("has closed its connection");
    const auto left = in_.parts().size();
    in_.advance(static_cast<std::size_t>(came));
    moved = true;
    if (header_seen_ || in_.parts().size() == left) continue;
    header_seen_ = true;
    if (came_ != expected_) {
      return about(fmt::format("sends {} bytes as group {}, where {} bytes of group {} are due", came_.bytes, came_.number, expected_.bytes,
                               expected_.number));
    }
  }
  return moved;
}

}  // namespace p2plab::stages
