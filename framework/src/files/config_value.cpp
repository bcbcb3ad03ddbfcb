// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/config_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

#include <fmt/format.h>

#include "files/config_document.h"
#include "p2plab/base/quantity.h"
#include "p2plab/detail/text.h"

namespace p2plab {

SourceLocation ConfigDocument::locate(ConfigMark mark) const {
  const auto line = std::min(static_cast<std::size_t>(mark.line), line_starts.size() - 1);
  const auto start = line_starts[line];
  const auto end = std::min(text.find('\n', start), text.size());
  auto shown = text.substr(start, end - start);
  const auto bytes = std::min(static_cast<std::size_t>(mark.column), shown.size());
  const auto characters = std::count_if(shown.begin(), shown.begin() + static_cast<std::ptrdiff_t>(bytes),
                                        [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  // Of an endless line only the surroundings are kept.
  constexpr std::size_t longest = 4096;
  if (shown.size() > longest) shown.clear();
  return {file, static_cast<int>(line) + 1, static_cast<int>(characters) + 1, std::move(shown)};
}

bool ConfigDocument::full() const {
  constexpr std::size_t most_kept = 50;
  return mistakes.size() >= most_kept;
}

void ConfigDocument::add(Error mistake) {
  const auto same = [&](const Error& other) {
    return other.message == mistake.message && other.where && mistake.where && other.where->line == mistake.where->line &&
           other.where->column == mistake.where->column;
  };
  if (std::ranges::any_of(mistakes, same)) return;
  if (full()) {
    ++unreported;
    return;
  }
  mistakes.push_back(std::move(mistake));
}

namespace {

const ConfigNode* find(const std::shared_ptr<ConfigDocument>& document, std::int32_t id) {
  return id < 0 ? nullptr : &document->nodes[static_cast<std::size_t>(id)];
}

std::string shown(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigKind::nothing: return "nothing";
    case ConfigKind::plain: return quoted(node.text);
    case ConfigKind::quoted: return fmt::format("the text {}", quoted(node.text));
    case ConfigKind::list: return "a list";
    case ConfigKind::map: return "a map";
  }
  return {};
}

template <class T>
bool reads_wholly(const std::string& text, T& value) {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc{} && end == text.data() + text.size();
}

// A whole number too long for 64 bits is out of range, not of the wrong type.
bool is_whole_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

template <class T>
std::string range_text(std::string_view noun, const Range<T>& range) {
  const Range<T> all;
  if (range.least == all.least && range.most == all.most) return std::string{noun};
  if (range.least == range.most) return fmt::format("{}", range.least);
  if (range.most == all.most) return fmt::format("{} of at least {}", noun, range.least);
  if (range.least == all.least) return fmt::format("{} of at most {}", noun, range.most);
  return fmt::format("{} from {} to {}", noun, range.least, range.most);
}

}  // namespace

bool ConfigValue::is_map() const { return present() && find(document_, node_)->kind == ConfigKind::map; }
bool ConfigValue::is_list() const { return present() && find(document_, node_)->kind == ConfigKind::list; }
bool ConfigValue::is_scalar() const {
  return present() && (find(document_, node_)->kind == ConfigKind::plain || find(document_, node_)->kind == ConfigKind::quoted);
}

SourceLocation ConfigValue::where() const {
  const auto* node = find(document_, present() ? node_ : parent_);
  return node == nullptr ? SourceLocation{document_->file} : document_->locate(node->mark);
}

void ConfigValue::add_error(Error error) const {
  if (document_->full()) {
    ++document_->unreported;
    return;
  }
  if (!error.where) error.where = where();
  document_->add(std::move(error));
}

void ConfigValue::add_error(std::string message, std::vector<std::string> notes) const {
  add_error(Error{ErrorCode::invalid_input, std::move(message), std::nullopt, std::move(notes)});
}

std::size_t ConfigValue::mistakes() const { return document_->mistakes.size() + document_->unreported; }

void ConfigValue::expected(std::string_view wanted) const { add_error(fmt::format("expected {}, got {}", wanted, shown(*find(document_, node_)))); }

bool ConfigValue::expect_keys(const ConfigKeys& keys) const {
  if (!present()) return false;
  if (!is_map()) {
    expected("a map");
    return false;
  }
  auto known = keys.required;
  known.insert(known.end(), keys.optional.begin(), keys.optional.end());
  const auto& given = find(document_, node_)->keys;
  for (const auto& key : given) {
    if (std::ranges::find(known, key.name) != known.end()) continue;
    if (document_->full()) {
      ++document_->unreported;
      continue;
    }
    auto error = unknown_name("key", key.name, known);
    error.where = document_->locate(key.mark);
    document_->add(std::move(error));
  }
  for (const auto& name : keys.required) {
    if (std::ranges::find(given, name, &ConfigKey::name) == given.end()) add_error(fmt::format("key '{}' is missing", name));
  }
  return true;
}

ConfigValue ConfigValue::operator[](std::string_view key) const {
  if (!is_map()) return {document_, -1, present() ? node_ : parent_};
  const auto& node = *find(document_, node_);
  const auto found = std::ranges::find(node.keys, key, &ConfigKey::name);
  if (found == node.keys.end()) return {document_, -1, node_};
  return {document_, node.children[static_cast<std::size_t>(found - node.keys.begin())], node_};
}

std::vector<std::pair<std::string, ConfigValue>> ConfigValue::entries() const {
  if (!present()) return {};
  if (!is_map()) {
    expected("a map");
    return {};
  }
  const auto& node = *find(document_, node_);
  std::vector<std::pair<std::string, ConfigValue>> all;
  for (std::size_t i = 0; i < node.keys.size(); ++i) all.emplace_back(node.keys[i].name, ConfigValue{document_, node.children[i], node_});
  return all;
}

std::vector<ConfigValue> ConfigValue::list(std::size_t least, std::size_t most) const {
  if (!present()) return {};
  if (!is_list()) {
    expected("a list");
    return {};
  }
  const auto& children = find(document_, node_)->children;
  if (children.size() < least || children.size() > most) {
    const auto wanted = least == most ? fmt::format("{}", least) : range_text("a number", Range<std::size_t>{least, most});
    add_error(fmt::format("expected a list of {} elements, got {}", wanted, children.size()));
    return {};
  }
  std::vector<ConfigValue> all;
  for (const auto child : children) all.push_back(ConfigValue{document_, child, node_});
  return all;
}

const std::string* ConfigValue::scalar(std::string_view wanted) const {
  if (!present()) return nullptr;
  if (is_scalar()) return &find(document_, node_)->text;
  expected(wanted);
  return nullptr;
}

std::string ConfigValue::string(std::string fallback) const {
  const auto* text = scalar("a text");
  if (text == nullptr) return fallback;
  if (!text->empty()) return *text;
  expected("a text");
  return fallback;
}

bool ConfigValue::boolean(bool fallback) const {
  const auto* text = scalar("true or false");
  if (text == nullptr) return fallback;
  const bool plain = find(document_, node_)->kind == ConfigKind::plain;
  if (plain && (*text == "true" || *text == "false")) return *text == "true";
  expected("true or false");
  return fallback;
}

std::int64_t ConfigValue::integer(Range<std::int64_t> range, std::int64_t fallback) const {
  const auto wanted = range_text("a whole number", range);
  const auto* text = scalar(wanted);
  if (text == nullptr) return fallback;
  std::int64_t value = 0;
  const bool plain = find(document_, node_)->kind == ConfigKind::plain;
  if (plain && reads_wholly(*text, value) && value >= range.least && value <= range.most) return value;
  const bool too_long = plain && range_text("", range).empty() && is_whole_number(*text);
  expected(too_long ? "a whole number of 64 bits" : wanted);
  return fallback;
}

double ConfigValue::number(Range<double> range, double fallback) const {
  const auto wanted = range_text("a number", range);
  const auto* text = scalar(wanted);
  if (text == nullptr) return fallback;
  double value = 0;
  const bool plain = find(document_, node_)->kind == ConfigKind::plain;
  if (plain && reads_wholly(*text, value) && std::isfinite(value) && value >= range.least && value <= range.most) return value;
  expected(wanted);
  return fallback;
}

Bytes ConfigValue::size(Bytes fallback) const { return as(parse_bytes, fallback, "a size with a unit"); }
Bandwidth ConfigValue::bandwidth(Bandwidth fallback) const { return as(parse_bandwidth, fallback, "a bandwidth with a unit"); }
Seconds ConfigValue::time(Seconds fallback) const { return as(parse_time, fallback, "a time with a unit"); }

ConfigValue ConfigFile::root() const { return {document_, document_->root, -1}; }

Status ConfigFile::status() const {
  auto mistakes = document_->mistakes;
  if (mistakes.empty()) return {};
  const auto place = [](const Error& e) { return std::pair{e.where ? e.where->line : 0, e.where ? e.where->column : 0}; };
  std::ranges::stable_sort(mistakes, {}, place);
  auto first = std::move(mistakes.front());
  first.more.insert(first.more.end(), std::make_move_iterator(mistakes.begin() + 1), std::make_move_iterator(mistakes.end()));
  if (document_->unreported > 0) {
    first.more.push_back(
        {ErrorCode::invalid_input, fmt::format("{} further mistakes are not shown", document_->unreported), SourceLocation{document_->file}});
  }
  return first;
}

}  // namespace p2plab
