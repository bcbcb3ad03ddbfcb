// SPDX-License-Identifier: Apache-2.0
// What every fuzz target has: the entry that libFuzzer and our own driver call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace p2plab::test {

/// The input as text; longer ones than 64 KiB only cost time.
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t longest = 1 << 16;
  return {reinterpret_cast<const char*>(data), size < longest ? size : longest};
}

}  // namespace p2plab::test
