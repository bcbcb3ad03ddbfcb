// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/digest.h"

#include <array>
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

namespace p2plab {

// Numbers are collected into blocks, for hashing eight bytes at a time costs more than hashing them.
struct Digest::State {
  XXH3_state_t hash = {};
  std::array<char, 4096> block = {};
  std::size_t filled = 0;

  State() { XXH3_128bits_reset(&hash); }

  void flush() {
    XXH3_128bits_update(&hash, block.data(), filled);
    filled = 0;
  }
};

std::string to_string(const Hash128& hash) { return fmt::format("{:016x}{:016x}", hash.high, hash.low); }

Digest::Digest() : state_(std::make_unique<State>()) {}
Digest::~Digest() = default;

void Digest::add(std::int64_t value) {
  auto& [hash, block, filled] = *state_;
  if (filled + sizeof value > block.size()) state_->flush();
  std::memcpy(block.data() + filled, &value, sizeof value);
  filled += sizeof value;
}

void Digest::add(std::string_view text) {
  state_->flush();
  XXH3_128bits_update(&state_->hash, text.data(), text.size());
}

Hash128 Digest::value() const {
  State whole = *state_;
  whole.flush();
  const auto hash = XXH3_128bits_digest(&whole.hash);
  return {hash.high64, hash.low64};
}

}  // namespace p2plab
