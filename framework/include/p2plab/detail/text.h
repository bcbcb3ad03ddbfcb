// SPDX-License-Identifier: Apache-2.0
// Foreign text: how messages show it, and how files are read whole.
#pragma once

#include <string>
#include <string_view>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// 'text' in quotes for a message: at most 60 bytes of it, bytes that are not printable ASCII or valid UTF-8 written in hexadecimal.
std::string quoted(std::string_view text);
/// The same. Without it a std::string would find std::quoted wherever iomanip is known.
inline std::string quoted(const std::string& text) { return quoted(std::string_view(text)); }

/// The whole content of a file, or of a pipe such as /dev/stdin. Errors: io (not there, not readable, a folder), invalid_input (longer than `limit`).
Result<std::string> read_text_file(const std::string& path, Bytes limit);

/// The first byte that cannot be part of a text: invalid UTF-8, or a control character other than tab, line feed and carriage return.
/// `text.size()` if there is none.
std::size_t first_binary_byte(std::string_view text);

/// The line and column of a byte of `text`, with that line.
SourceLocation locate(std::string_view text, std::size_t byte, const std::string& filename);

}  // namespace p2plab
