#include "json_reader.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "p2plab/text.h"

namespace p2plab {

namespace {

constexpr int most_levels = 8;

// Watches a document while it is parsed: nlohmann keeps the last of repeated keys without a word.
class Watcher {
 public:
  bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (depth >= most_levels) too_deep_ = true;
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end && !keys_.empty()) keys_.pop_back();
    if (event == Event::key && !keys_.empty()) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second && !repeated_) repeated_ = key;
    }
    return !too_deep_;
  }
  bool too_deep() const { return too_deep_; }
  const std::optional<std::string>& repeated() const& { return repeated_; }
  const std::optional<std::string>& repeated() && = delete;

 private:
  bool too_deep_ = false;
  std::optional<std::string> repeated_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, const std::string& filename) {
  const auto bad = [&](std::string message) { return Error{ErrorCode::invalid_input, std::move(message), SourceLocation{filename}}; };
  Watcher watcher;
  try {
    auto document = nlohmann::json::parse(text, std::ref(watcher));
    if (watcher.too_deep()) return bad(fmt::format("nested deeper than {} levels", most_levels));
    if (watcher.repeated()) return bad(fmt::format("key {} is given twice in one object", p2plab::quoted(*watcher.repeated())));
    return document;
  } catch (const nlohmann::json::exception& fault) {
    const auto* const place = dynamic_cast<const nlohmann::json::parse_error*>(&fault);
    const auto byte = place == nullptr || place->byte == 0 ? 0 : std::min(place->byte - 1, text.size());
    return Error{ErrorCode::invalid_input, "not JSON: found something else than was expected here", locate(text, byte, filename)};
  }
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
