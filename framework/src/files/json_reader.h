// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON: a value knows its place, and the first mistake is kept.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "p2plab/base/result.h"
#include "p2plab/detail/json_place.h"

namespace p2plab {

/// Parses a whole document of at most 8 levels. Errors: not JSON (with line and column), too deep, a repeated key.
Result<nlohmann::json> parse_json(std::string_view text, const std::string& filename);

/// The first mistake found while reading one document; `text` is the document as it was written, where its lines can be shown.
struct JsonMistake {
  std::string filename;
  std::string_view text = {};
  std::optional<Error> error = std::nullopt;
};

/// One value of a document, or the absence of one. A getter that meets a mistake keeps it, if it is the first, and returns a fallback.
class JsonValue {
 public:
  JsonValue(const nlohmann::json* node, JsonMistake* mistake, std::string pointer = "")
      : node_(node), mistake_(mistake), pointer_(std::move(pointer)) {}

  /// Must be an object with exactly these keys, those that end in '?' being optional.
  void expect_keys(const std::vector<std::string>& keys) const;
  /// The value of a key; absent if it is not there.
  JsonValue operator[](const std::string& key) const;
  bool present() const { return node_ != nullptr; }
  std::int64_t integer(std::int64_t least, std::int64_t most) const;
  /// The version of a kind of file ("plan files"), of which only `known` can be read.
  void version(int known, const std::string& files) const;
  bool boolean() const;
  std::string string() const;
  std::size_t size() const;
  bool is_array() const { return node_ != nullptr && node_->is_array(); }
  /// Element i of an array.
  JsonValue at(std::size_t i) const { return {&(*node_)[i], mistake_, pointer_ + "/" + std::to_string(i)}; }
  /// The entries of an object whose values are strings.
  std::vector<std::pair<std::string, std::string>> strings() const;
  /// The elements of an array of whole numbers.
  std::vector<std::int64_t> integers(std::int64_t least, std::int64_t most) const;

  void fail(const std::string& message) const;

 private:
  const nlohmann::json* node_;
  JsonMistake* mistake_;
  std::string pointer_;
};

}  // namespace p2plab
