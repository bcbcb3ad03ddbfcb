// SPDX-License-Identifier: Apache-2.0
// Strict reading of YAML: a value knows its place, and every mistake of a file is reported in one run.
//
//   auto file = ConfigFile::load("experiment.yaml");             // errors: not YAML at all
//   if (!file) return std::move(file).error();
//   const auto root = file->root();
//   root.expect_keys({.required = {"name"}, .optional = {"dtype", "measure"}});
//   const auto type = root["dtype"].as(data_type, DataType::float32);   // the default where the key is not given
//   const auto warmup = root["measure"]["warmup"].integer({.least = 0, .most = 1000}, 2);
//   if (auto ok = file->status(); !ok) return std::move(ok).error();    // all mistakes, in order of place
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

struct ConfigDocument;

/// What a map must and may have.
struct ConfigKeys {
  std::vector<std::string> required = {};
  std::vector<std::string> optional = {};
};

/// Both ends belong to the range.
template <class T>
struct Range {
  T least = std::numeric_limits<T>::lowest();
  T most = std::numeric_limits<T>::max();
};

/// One value of a file, or the absence of one. A getter that meets a mistake notes it in the file and returns its fallback, so reading goes on
/// to find the others; results count only once `ConfigFile::status` is good. Getters of an absent value return the fallback.
class ConfigValue {
 public:
  bool present() const { return node_ >= 0; }
  bool is_map() const;
  bool is_list() const;
  /// Text, number or truth value: anything that is neither map nor list nor nothing.
  bool is_scalar() const;

  /// Must be a map with these keys. Notes a wrong type, unknown keys with the nearest known one, missing keys; false if it is no map.
  bool expect_keys(const ConfigKeys& keys) const;
  /// The value of a key; absent if there is no such key or this is no map.
  ConfigValue operator[](std::string_view key) const;
  /// All keys with their values, in order; must be a map.
  std::vector<std::pair<std::string, ConfigValue>> entries() const;
  /// The elements; must be a list of at least `least` and at most `most`.
  std::vector<ConfigValue> list(std::size_t least = 0, std::size_t most = std::numeric_limits<std::size_t>::max()) const;

  /// A text that is not empty; numbers and truth values count as the text they are written as.
  std::string string(std::string fallback = {}) const;
  /// `true` or `false`.
  bool boolean(bool fallback = false) const;
  /// A whole number within the range.
  std::int64_t integer(Range<std::int64_t> range = {}, std::int64_t fallback = 0) const;
  /// A decimal number within the range.
  double number(Range<double> range = {}, double fallback = 0) const;
  /// Quantities, as parse_bytes, parse_bandwidth and parse_time read them.
  Bytes size(Bytes fallback = Bytes{}) const;
  Bandwidth bandwidth(Bandwidth fallback = Bandwidth{}) const;
  Seconds time(Seconds fallback = Seconds{0}) const;

  /// Whatever `parse` makes of the text: any `Result<T>(std::string_view)`, such as `data_type` or `collective_kind`. `wanted` is the word
  /// for messages when a list or a map stands here.
  template <class Parse, class T>
  T as(Parse parse, T fallback, std::string_view wanted = "a name") const {
    const auto* text = scalar(wanted);
    if (text == nullptr) return fallback;
    auto result = parse(std::string_view{*text});
    if (result) return *std::move(result);
    add_error(std::move(result).error());
    return fallback;
  }

  /// Where it stands. An absent value stands where its map does.
  SourceLocation where() const;
  /// Notes a mistake at this place.
  void add_error(Error error) const;
  void add_error(std::string message, std::vector<std::string> notes = {}) const;
  /// How many mistakes the whole file has so far; beyond 50 they are only counted.
  std::size_t mistakes() const;

 private:
  friend class ConfigFile;
  ConfigValue(std::shared_ptr<ConfigDocument> document, std::int32_t node, std::int32_t parent)
      : document_(std::move(document)), node_(node), parent_(parent) {}
  const std::string* scalar(std::string_view wanted) const;
  void expected(std::string_view wanted) const;

  std::shared_ptr<ConfigDocument> document_;
  std::int32_t node_ = -1;
  std::int32_t parent_ = -1;
};

/// No longer text is read: what would be longer is not written.
inline constexpr Bytes longest_config{std::int64_t{16} << 20};

/// A parsed file with the mistakes found so far. Copies share both.
class ConfigFile {
 public:
  /// Reads one YAML document. Errors: not YAML, several documents, binary bytes, too long (16 MiB), too deep (32 levels), too many values
  /// (4,000,000, aliases expanded), an alias within its own anchor, tags. Repeated keys are mistakes that `status` reports with the others.
  static Result<ConfigFile> parse(std::string_view text, const std::string& filename);
  /// The same from a file; also errors of reading it.
  static Result<ConfigFile> load(const std::string& path);

  ConfigValue root() const;
  /// Every mistake noted so far, in order of place, as one error with the others in `more`; at most 50, the rest counted.
  Status status() const;

 private:
  explicit ConfigFile(std::shared_ptr<ConfigDocument> document) : document_(std::move(document)) {}
  std::shared_ptr<ConfigDocument> document_;
};

}  // namespace p2plab
