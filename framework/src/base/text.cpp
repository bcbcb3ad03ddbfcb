// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/text.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>

namespace p2plab {

namespace {

// Length of the UTF-8 sequence that starts `text`, 0 if it starts none (overlong forms, surrogates and cut sequences included).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool outside = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return overlong || outside ? 0 : length;
}

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string shown;
  for (std::size_t i = 0; i < text.size();) {
    if (i >= longest) return fmt::format("'{}...'", shown);
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto length = utf8_length(text.substr(i));
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      shown += fmt::format("\\x{:02x}", byte);
      ++i;
      continue;
    }
    shown += text.substr(i, length);
    i += length;
  }
  return fmt::format("'{}'", shown);
}

std::size_t first_binary_byte(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) return i;
    const auto length = utf8_length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return text.size();
}

SourceLocation locate(std::string_view text, std::size_t byte, const std::string& filename) {
  constexpr std::size_t longest_line = 4096;  // of an endless line nothing is shown
  byte = std::min(byte, text.size());
  const auto before = text.substr(0, byte);
  const auto start = before.rfind('\n') + 1;
  auto line = text.substr(start, text.find('\n', start) - start);
  if (line.ends_with('\r')) line.remove_suffix(1);
  const auto number = std::ranges::count(before, '\n');
  const auto column = std::ranges::count_if(before.substr(start), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  const bool printable = line.size() <= longest_line && first_binary_byte(line) == line.size();
  return {filename, static_cast<int>(number) + 1, static_cast<int>(column) + 1, printable ? std::string{line} : std::string{}};
}

Result<std::string> read_text_file(const std::string& path, Bytes limit) {
  const std::unique_ptr<std::FILE, Close> file{std::fopen(path.c_str(), "rb")};
  if (!file) return Error{ErrorCode::io, fmt::format("cannot open {}: {}", quoted(path), std::strerror(errno))};
  std::string text;
  std::string buffer(1 << 16, '\0');
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    text.append(buffer, 0, count);
    if (static_cast<std::int64_t>(text.size()) > limit.count()) {
      return Error{ErrorCode::invalid_input, fmt::format("{} is longer than {} bytes", quoted(path), limit.count())};
    }
  }
  if (std::ferror(file.get()) != 0) return Error{ErrorCode::io, fmt::format("cannot read {}: {}", quoted(path), std::strerror(errno))};
  return text;
}

}  // namespace p2plab
