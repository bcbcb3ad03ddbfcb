// SPDX-License-Identifier: Apache-2.0
#include "processes/token.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace p2plab::processes {

Token token_of(const std::string& text) {
  Token token{};
  if (text.size() == token_size) std::ranges::copy(text, token.begin());
  return token;
}

bool equal(const Token& a, const Token& b) {
  unsigned differs = 0;
  for (std::size_t i = 0; i < token_size; ++i) differs |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return differs == 0;
}

ShownToken::State ShownToken::look(int socket, const Token& wanted) {
  while (came_ < token_size) {
    const auto got = recv(socket, bytes_.data() + came_, token_size - came_, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return State::awaited;
    if (got <= 0) return State::wrong;
    came_ += static_cast<std::size_t>(got);
  }
  return equal(bytes_, wanted) ? State::right : State::wrong;
}

}  // namespace p2plab::processes
