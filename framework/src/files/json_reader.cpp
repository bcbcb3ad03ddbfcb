// SPDX-License-Identifier: Apache-2.0
#include "files/json_reader.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

constexpr int most_levels = 8;

// Looks through a document before it is kept: nlohmann keeps the last of repeated keys without a word. (Its parser would tell a watcher of its own
// while it keeps the document, but takes time in the square of the objects in one array then.)
class Watcher final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return value(); }
  bool boolean(bool /*value*/) override { return value(); }
  bool number_integer(number_integer_t /*value*/) override { return value(); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return value(); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return value(); }
  bool string(string_t& /*value*/) override { return value(); }
  bool binary(binary_t& /*value*/) override { return value(); }
  bool start_object(std::size_t /*elements*/) override {
    keys_.emplace_back();
    return enter();
  }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second && !repeated_) repeated_ = key;
    return value();
  }
  bool end_object() override {
    keys_.pop_back();
    return leave();
  }
  bool start_array(std::size_t /*elements*/) override { return enter(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t /*position*/, const std::string& /*last*/, const nlohmann::json::exception& fault) override {
    const auto* const place = dynamic_cast<const nlohmann::json::parse_error*>(&fault);
    fault_at_ = place == nullptr || place->byte == 0 ? 0 : place->byte - 1;
    return false;
  }

  /// The byte at which the document stops being JSON.
  std::optional<std::size_t> fault_at() const { return fault_at_; }
  bool too_deep() const { return too_deep_; }
  const std::optional<std::string>& repeated() const& { return repeated_; }
  const std::optional<std::string>& repeated() && = delete;

 private:
  bool value() {
    too_deep_ = too_deep_ || levels_ >= most_levels;
    return !too_deep_;
  }
  bool enter() {
    const bool fits = value();
    ++levels_;
    return fits;
  }
  bool leave() {
    --levels_;
    return true;
  }

  int levels_ = 0;
  bool too_deep_ = false;
  std::optional<std::size_t> fault_at_;
  std::optional<std::string> repeated_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, const std::string& filename) {
  const auto bad = [&](std::string message) { return Error{ErrorCode::invalid_input, std::move(message), SourceLocation{filename}}; };
  Watcher watcher;
  const bool complete = nlohmann::json::sax_parse(text, &watcher);
  if (watcher.too_deep()) return bad(fmt::format("nested deeper than {} levels", most_levels));
  if (!complete) {
    return Error{ErrorCode::invalid_input, "not JSON: found something else than was expected here",
                 locate(text, std::min(watcher.fault_at().value_or(0), text.size()), filename)};
  }
  if (watcher.repeated()) return bad(fmt::format("key {} is given twice in one object", p2plab::quoted(*watcher.repeated())));
  return nlohmann::json::parse(text, nullptr, false);
}

void JsonValue::fail(const std::string& message) const {
  if (mistake_->error) return;
  mistake_->error =
      Error{ErrorCode::invalid_input, fmt::format("at {}: {}", pointer_.empty() ? "the top" : pointer_, message), SourceLocation{mistake_->filename}};
}

void JsonValue::expect_keys(const std::vector<std::string>& keys) const {
  if (node_ == nullptr || !node_->is_object()) return fail("expected an object");
  std::vector<std::string> names;
  for (const auto& key : keys) {
    const bool optional = key.ends_with('?');
    names.push_back(optional ? key.substr(0, key.size() - 1) : key);
    if (!optional && !node_->contains(key)) fail(fmt::format("key '{}' is missing", key));
  }
  for (const auto& item : node_->items()) {
    if (std::ranges::find(names, item.key()) != names.end()) continue;
    const auto near = nearest_name(item.key(), names);
    fail(fmt::format("unknown key {}{}", p2plab::quoted(item.key()), near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near)));
  }
}

JsonValue JsonValue::operator[](const std::string& key) const {
  const bool there = node_ != nullptr && node_->is_object() && node_->contains(key);
  return {there ? &(*node_)[key] : nullptr, mistake_, pointer_ + "/" + key};
}

std::int64_t JsonValue::integer(std::int64_t least, std::int64_t most) const {
  const bool whole = node_ != nullptr && node_->is_number_integer();
  const bool fits =
      whole && !(node_->is_number_unsigned() && node_->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  const auto value = fits ? node_->get<std::int64_t>() : least - (least == std::numeric_limits<std::int64_t>::lowest() ? 0 : 1);
  if (fits && value >= least && value <= most) return value;
  fail(fmt::format("expected a whole number from {} to {}", least, most));
  return least;
}

bool JsonValue::boolean() const {
  if (node_ != nullptr && node_->is_boolean()) return node_->get<bool>();
  fail("expected true or false");
  return false;
}

std::string JsonValue::string() const {
  if (node_ != nullptr && node_->is_string()) return node_->get<std::string>();
  fail("expected a text");
  return {};
}

std::size_t JsonValue::size() const {
  if (node_ != nullptr && node_->is_array()) return node_->size();
  fail("expected an array");
  return 0;
}

std::vector<std::pair<std::string, std::string>> JsonValue::strings() const {
  std::vector<std::pair<std::string, std::string>> result;
  if (node_ == nullptr || !node_->is_object()) {
    fail("expected an object");
    return result;
  }
  for (const auto& item : node_->items()) result.emplace_back(item.key(), (*this)[item.key()].string());
  return result;
}

std::vector<std::int64_t> JsonValue::integers(std::int64_t least, std::int64_t most) const {
  std::vector<std::int64_t> result;
  const auto count = size();
  result.reserve(count);
  for (std::size_t i = 0; i < count; ++i) result.push_back(at(i).integer(least, most));
  return result;
}

}  // namespace p2plab
