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
  bool parse_error(std::size_t position, const std::string& /*last*/, const nlohmann::json::exception& fault) override {
    const auto* const place = dynamic_cast<const nlohmann::json::parse_error*>(&fault);
    if (place == nullptr) {
      too_large_ = true;
      fault_at_ = position == 0 ? 0 : position - 1;
    } else {
      fault_at_ = place->byte == 0 ? 0 : place->byte - 1;
    }
    return false;
  }

  /// The byte at which the document stops being JSON.
  std::optional<std::size_t> fault_at() const { return fault_at_; }
  /// It does so at a number that no double holds.
  bool too_large() const { return too_large_; }
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
  bool too_large_ = false;
  std::optional<std::size_t> fault_at_;
  std::optional<std::string> repeated_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

namespace {

// Walks over a document that is known to be JSON.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) { skip_space(); }
  std::size_t at() const { return at_; }
  /// Goes to the value of `key` or, in an array, to the element of that number; false, and stays, if it is not there.
  bool enter(std::string_view key) {
    const auto begin = at_;
    const char open = peek();
    if (open != '{' && open != '[') return false;
    next();
    for (std::size_t i = 0; peek() != '}' && peek() != ']' && at_ < text_.size(); ++i) {
      const auto name = open == '{' ? name_and_colon() : std::string_view{};
      if (open == '{' ? name == key : std::to_string(i) == key) return true;
      skip_value();
      if (peek() == ',') next();
    }
    at_ = begin;
    return false;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  void next() {
    ++at_;
    skip_space();
  }
  void skip_string() {
    for (++at_; peek() != '"' && at_ < text_.size(); ++at_) at_ += peek() == '\\' ? 1 : 0;
    next();
  }
  std::string_view name_and_colon() {
    const auto begin = at_ + 1;
    skip_string();
    const auto name = text_.substr(begin, text_.find_last_of('"', at_ - 1) - begin);
    next();
    return name;
  }
  void skip_value() {
    std::size_t depth = 0;
    do {
      const char c = peek();
      if (c == '"') {
        skip_string();
      } else if (c == '{' || c == '[') {
        ++depth;
        next();
      } else if (c == '}' || c == ']') {
        --depth;
        next();
      } else if (c == ',' || c == ':') {
        next();
      } else {
        at_ = std::min(text_.find_first_of(" \t\r\n,]}", at_), text_.size());
        skip_space();
      }
    } while (depth > 0 && at_ < text_.size());
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::size_t json_place(std::string_view text, std::string_view pointer) {
  Walker walker(text);
  while (pointer.starts_with('/')) {
    pointer.remove_prefix(1);
    const auto end = std::min(pointer.find('/'), pointer.size());
    if (!walker.enter(pointer.substr(0, end))) break;
    pointer.remove_prefix(end);
  }
  return walker.at();
}

Result<nlohmann::json> parse_json(std::string_view text, const std::string& filename) {
  const auto bad = [&](std::string message) { return Error{ErrorCode::invalid_input, std::move(message), SourceLocation{filename}}; };
  Watcher watcher;
  const bool complete = nlohmann::json::sax_parse(text, &watcher);
  if (watcher.too_deep()) return bad(fmt::format("nested deeper than {} levels", most_levels));
  if (!complete) {
    const auto at = std::min(watcher.fault_at().value_or(0), text.size());
    const auto* const what = watcher.too_large() ? "this number is too large"
                             : text.find_first_not_of(" \t\r\n", at) == std::string_view::npos
                                 ? "not JSON: the text ends before the document does"
                                 : "not JSON: found something else than was expected here";
    return Error{ErrorCode::invalid_input, what, locate(text, at, filename)};
  }
  if (watcher.repeated()) return bad(fmt::format("key {} is given twice in one object", p2plab::quoted(*watcher.repeated())));
  return nlohmann::json::parse(text, nullptr, false);
}

void JsonValue::fail(const std::string& message) const {
  if (mistake_->error) return;
  const auto where =
      mistake_->text.empty() ? SourceLocation{mistake_->filename} : locate(mistake_->text, json_place(mistake_->text, pointer_), mistake_->filename);
  mistake_->error = Error{ErrorCode::invalid_input, fmt::format("at {}: {}", pointer_.empty() ? "the top" : pointer_, message), where};
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

void JsonValue::version(int known, const std::string& files) const {
  if (node_ != nullptr && node_->is_number_integer() && *node_ == known) return;
  const auto found = node_ == nullptr ? std::string{"none"} : node_->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).substr(0, 20);
  fail(fmt::format("this p2plab reads version {} of {}, found {}", known, files, found));
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
