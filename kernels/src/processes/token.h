// SPDX-License-Identifier: Apache-2.0
// What whoever connects over TCP must show before anything else that they say is read.
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace p2plab::processes {

/// 128 bits as hexadecimal digits; zeros: the job has none, and anybody may show that.
inline constexpr std::size_t token_size = 32;
using Token = std::array<char, token_size>;

/// Of a text that is a token, else zeros.
Token token_of(const std::string& text);
/// In a time that does not tell where they differ.
bool equal(const Token& a, const Token& b);

/// A token as it comes in over a socket: never waits for it.
class ShownToken {
 public:
  enum class State { awaited, right, wrong };
  /// Reads what is there, at most a token. `wrong` stands also for one that has gone.
  State look(int socket, const Token& wanted);
  /// Was it whole, right or wrong?
  bool complete() const { return came_ == token_size; }

 private:
  Token bytes_{};
  std::size_t came_ = 0;
};

}  // namespace p2plab::processes
