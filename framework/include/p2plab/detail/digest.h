// SPDX-License-Identifier: Apache-2.0
// A number that tells values apart: what is equal has the same; that two different values share one is too rare to reckon with (2^-128 a pair).
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace p2plab {

struct Program;

/// 128 bits.
struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

/// 32 hexadecimal digits.
std::string to_string(const Hash128& hash);

/// XXH3 of 128 bits (xxHash) over what is added. The same on every machine of little-endian numbers.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void add(std::int64_t value);
  void add(std::string_view text);
  Hash128 value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Of everything that a program says: payload, tuning, collective, memory, lanes, instructions, operands, waits, routes.
Hash128 digest(const Program& program);

}  // namespace p2plab
