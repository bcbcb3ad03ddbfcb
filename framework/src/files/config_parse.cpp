// SPDX-License-Identifier: Apache-2.0
// From YAML text to a ConfigDocument. All of yaml-cpp, and all its exceptions, stay in this file.
#include <algorithm>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "files/config_document.h"
#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

constexpr Bytes longest_text = longest_config;  // yaml-cpp reads about 1 MB a second; a machine of 4096 GPUs takes 3 MB
constexpr std::size_t deepest = 32;
constexpr std::int64_t most_values = 4'000'000;

ConfigMark to_mark(const YAML::Mark& mark) { return {std::max(mark.line, 0), std::max(mark.column, 0)}; }

// Builds the tree from yaml-cpp's events. Stops a hostile document by throwing yaml-cpp's own exception, before its recursion goes deep.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(ConfigDocument& document) : document_(document) {}

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = to_mark(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add_leaf({.kind = ConfigKind::nothing, .mark = to_mark(mark)}, anchor, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    if (tag != "?" && tag != "!") refuse_tag(mark, tag);
    add_leaf({.kind = tag == "!" ? ConfigKind::quoted : ConfigKind::plain, .mark = to_mark(mark), .text = value}, anchor, mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end() || is_open(found->second)) throw YAML::ParserException(mark, "an alias within the value that it stands for");
    if (wants_key()) throw YAML::ParserException(mark, "an alias cannot be a key here");
    attach(found->second, mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(ConfigKind::list, mark, tag, anchor);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(ConfigKind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { open_.pop_back(); }

  ConfigMark start() const { return start_; }

 private:
  ConfigNode& node(std::int32_t id) { return document_.nodes[static_cast<std::size_t>(id)]; }
  bool is_open(std::int32_t id) const { return std::ranges::find(open_, id) != open_.end(); }
  bool wants_key() {
    return !open_.empty() && node(open_.back()).kind == ConfigKind::map && node(open_.back()).keys.size() == node(open_.back()).children.size();
  }

  [[noreturn]] static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    throw YAML::ParserException(mark, fmt::format("tags such as {} are not used here", quoted(tag)));
  }

  std::int32_t add(ConfigNode value, YAML::anchor_t anchor, const YAML::Mark& mark) {
    const auto id = static_cast<std::int32_t>(document_.nodes.size());
    document_.nodes.push_back(std::move(value));
    if (anchor != 0) anchors_[anchor] = id;
    attach(id, mark);
    return id;
  }

  void add_leaf(ConfigNode value, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (!wants_key()) {
      add(std::move(value), anchor, mark);
      return;
    }
    if (value.kind == ConfigKind::nothing) throw YAML::ParserException(mark, "a key is missing before ':'");
    add_key({std::move(value.text), value.mark});
  }

  void add_key(ConfigKey key) {
    const auto [before, is_new] = first_lines_.try_emplace({open_.back(), key.name}, key.mark.line);
    if (!is_new && !document_.full()) {
      Error repeated{ErrorCode::invalid_input, fmt::format("key {} is given twice", quoted(key.name)), document_.locate(key.mark)};
      repeated.notes.push_back(fmt::format("first given in line {}", before->second + 1));
      document_.add(std::move(repeated));
    }
    if (++total_ > most_values) throw YAML::ParserException(YAML::Mark::null_mark(), too_many());
    node(open_.back()).keys.push_back(std::move(key));
  }

  // Enters a finished or just opened value in its parent and counts it in all open ones.
  void attach(std::int32_t id, const YAML::Mark& mark) {
    const auto values = node(id).values;
    total_ += values;
    if (total_ > most_values) throw YAML::ParserException(mark, too_many());
    for (const auto parent : open_) node(parent).values += values;
    if (open_.empty()) {
      document_.root = id;
      return;
    }
    auto& parent = node(open_.back());
    // A value that is left out has no place of its own: its key's place is where it is missed.
    if (parent.kind == ConfigKind::map && node(id).kind == ConfigKind::nothing) node(id).mark = parent.keys.back().mark;
    parent.children.push_back(id);
  }

  void open(ConfigKind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (tag != "?" && tag != "!" && !tag.empty()) refuse_tag(mark, tag);
    if (open_.size() == deepest) throw YAML::ParserException(mark, fmt::format("nested deeper than {} levels", deepest));
    // yaml-cpp takes a bracket that is never closed for the start of a key.
    if (wants_key()) throw YAML::ParserException(mark, "a list or a map cannot be a key; or its bracket is never closed");
    open_.push_back(add({.kind = kind, .mark = to_mark(mark)}, anchor, mark));
  }

  static std::string too_many() { return fmt::format("more than {} values", most_values); }

  ConfigDocument& document_;
  ConfigMark start_;
  std::vector<std::int32_t> open_;  // lists and maps that are not closed yet, outermost first
  std::map<YAML::anchor_t, std::int32_t> anchors_;
  std::map<std::pair<std::int32_t, std::string>, std::int32_t> first_lines_;  // of each key of each map
  std::int64_t total_ = 0;
};

Error at(const ConfigDocument& document, ConfigMark mark, std::string message) {
  return Error{ErrorCode::invalid_input, std::move(message), document.locate(mark)};
}

// The only place where yaml-cpp runs and where its exceptions end.
Status run_parser(ConfigDocument& document) {
  std::istringstream stream(document.text);
  TreeBuilder builder(document);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder) || document.root < 0)
      return Error{ErrorCode::invalid_input, "the file is empty", SourceLocation{document.file}};
    ConfigDocument rest{.file = document.file, .text = {}, .line_starts = {0}, .nodes = {}, .mistakes = {}};
    TreeBuilder second(rest);
    if (parser.HandleNextDocument(second)) return at(document, second.start(), "a second document starts here; one file holds one");
  } catch (const YAML::Exception& fault) {
    return at(document, to_mark(fault.mark), fmt::format("not valid YAML: {}", fault.msg));
  }
  return {};
}

// Line ends become '\n' and the byte order mark goes, so that yaml-cpp's marks and our lines agree.
std::string normalised(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      result += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      result += '\n';
    }
  }
  return result;
}

// A tab among the blanks that start a line: YAML forbids it as indentation, yaml-cpp sometimes takes it.
Status check_tabs(const ConfigDocument& document) {
  for (std::size_t line = 0; line < document.line_starts.size(); ++line) {
    const auto start = document.line_starts[line];
    const auto end = std::min(document.text.find_first_not_of(" \t", start), document.text.size());
    const auto tab = std::string_view{document.text}.substr(start, end - start).find('\t');
    if (tab != std::string_view::npos && end < document.text.size() && document.text[end] != '\n') {
      return at(document, {static_cast<std::int32_t>(line), static_cast<std::int32_t>(tab)}, "a tab indents this line; YAML indents with blanks");
    }
  }
  return {};
}

}  // namespace

Result<ConfigFile> ConfigFile::parse(std::string_view text, const std::string& filename) {
  const auto in_file = [&](std::string message) { return Error{ErrorCode::invalid_input, std::move(message), SourceLocation{filename}}; };
  if (static_cast<std::int64_t>(text.size()) > longest_text.count()) return in_file("the file is longer than 16 MiB");
  if (const auto byte = first_binary_byte(text); byte < text.size()) {
    const auto value = static_cast<unsigned char>(text[byte]);
    return in_file(fmt::format("this is not a text file: byte {} is 0x{:02x}, which is neither UTF-8 nor a printable character", byte, value));
  }
  auto document = std::make_shared<ConfigDocument>();
  document->file = filename;
  document->text = normalised(text);
  document->line_starts.push_back(0);
  for (std::size_t i = 0; i < document->text.size(); ++i) {
    if (document->text[i] == '\n') document->line_starts.push_back(i + 1);
  }
  if (auto ok = check_tabs(*document); !ok) return std::move(ok).error();
  if (auto ok = run_parser(*document); !ok) return std::move(ok).error();
  return ConfigFile{std::move(document)};
}

Result<ConfigFile> ConfigFile::load(const std::string& path) {
  auto text = read_text_file(path, longest_text);
  if (!text) return std::move(text).error();
  return parse(*text, path);
}

}  // namespace p2plab
