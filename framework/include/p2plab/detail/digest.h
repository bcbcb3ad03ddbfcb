// SPDX-License-Identifier: Apache-2.0
// A number that tells values apart: what is equal has the same, what differs has another, but for one chance in 2^64.
#pragma once

#include <cstdint>
#include <string_view>

namespace p2plab {

struct Program;

/// FNV-1a, 64 bit (Fowler, Noll, Vo). The same on every machine.
class Digest {
 public:
  void add(std::int64_t value) {
    for (int byte = 0; byte < 8; ++byte) add_byte(static_cast<unsigned char>((value >> (8 * byte)) & 0xff));
  }
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
  }
  std::uint64_t value() const { return hash_; }

 private:
  void add_byte(unsigned char byte) { hash_ = (hash_ ^ byte) * 1099511628211ULL; }

  std::uint64_t hash_ = 14695981039346656037ULL;
};

/// Of everything that a program says: payload, tuning, collective, memory, lanes, instructions, operands, waits, routes.
std::uint64_t digest(const Program& program);

}  // namespace p2plab
