// SPDX-License-Identifier: Apache-2.0
#include "nccl_tuner/rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <nlohmann/json.hpp>

namespace p2plab::nccl_tuner {

namespace {

// By NCCL's numbers.
constexpr std::array<const char*, 5> functions{"broadcast", "reduce", "allgather", "reducescatter", "allreduce"};
constexpr std::array<const char*, 7> algorithms{"tree", "ring", "collnet_direct", "collnet_chain", "nvls", "nvls_tree", "pat"};
constexpr std::array<const char*, 3> protocols{"ll", "ll128", "simple"};
constexpr std::size_t most_rules = 1024;
constexpr std::int64_t most_channels = 64;

template <std::size_t n>
int number_of(const std::array<const char*, n>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const auto first = text.find_first_not_of(blank);
  return first == std::string_view::npos ? std::string_view{} : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Commas within brackets separate nothing.
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at <= line.size(); ++at) {
    const char c = at < line.size() ? line[at] : ',';
    if (c == '[' || c == '(') ++depth;
    if (c == ']' || c == ')') --depth;
    if (c != ',' || (depth > 0 && at < line.size())) continue;
    fields.push_back(trimmed(line.substr(begin, at - begin)));
    begin = at + 1;
  }
  return fields;
}

// "*", "5", "[0,8192]", "(1,)": brackets include their bound, parentheses do not.
std::optional<Range> range_of(std::string_view text) {
  if (text == "*") return Range{};
  if (const auto one = whole(text)) return Range{*one, *one};
  if (text.size() < 3 || (text.front() != '[' && text.front() != '(') || (text.back() != ']' && text.back() != ')')) return std::nullopt;
  const auto inner = text.substr(1, text.size() - 2);
  const auto comma = inner.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  Range range;
  if (const auto low = trimmed(inner.substr(0, comma)); !low.empty()) {
    const auto value = whole(low);
    if (!value || *value == std::numeric_limits<std::int64_t>::max()) return std::nullopt;
    range.least = *value + (text.front() == '(' ? 1 : 0);
  }
  if (const auto high = trimmed(inner.substr(comma + 1)); !high.empty()) {
    const auto value = whole(high);
    if (!value || *value == std::numeric_limits<std::int64_t>::min()) return std::nullopt;
    range.most = *value - (text.back() == ')' ? 1 : 0);
  }
  if (range.least > range.most) return std::nullopt;
  return range;
}

// Takes the values of one rule; the first mistake is kept.
class RuleReader {
 public:
  explicit RuleReader(int line) { rule_.line = line; }

  void names(std::string_view function, std::string_view algorithm, std::string_view protocol) {
    take(rule_.function, function_number(function), function, "a collective: broadcast, reduce, allgather, reducescatter or allreduce");
    take(rule_.algorithm, algorithm_number(algorithm), algorithm, "an algorithm: tree, ring, collnet_direct, collnet_chain, nvls, nvls_tree or pat");
    take(rule_.protocol, protocol_number(protocol), protocol, "a protocol: ll, ll128 or simple");
  }
  // A number where -1 stands for any.
  void number(int& to, std::string_view text, std::int64_t most, const char* what) {
    const auto value = whole(text);
    if (!value || *value < -1 || *value > most) return mistake(text, what);
    to = static_cast<int>(*value);
  }
  void exact_or_any(Range& to, std::string_view text, const char* what) {
    const auto value = whole(text);
    if (!value || *value < -1) return mistake(text, what);
    if (*value >= 0) to = {*value, *value};
  }
  void bound(std::int64_t& to, std::string_view text, const char* what) {
    // Files of the example plugin hold numbers up to 2^64 - 1.
    std::uint64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || fault != std::errc{} || end != text.data() + text.size()) return mistake(text, what);
    to = static_cast<std::int64_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
  }
  void range(Range& to, std::string_view text, const char* what) {
    const auto value = range_of(text);
    if (!value) return mistake(text, what);
    to = *value;
  }
  void chunk(std::string_view text) {
    const auto value = whole(text);
    if (!value || *value < -1 || *value > std::numeric_limits<std::int32_t>::max()) return mistake(text, "a chunk's bytes");
    rule_.chunk = std::max<std::int64_t>(*value, 0);
  }
  void mistake(std::string_view found, const std::string& expected) {
    if (mistake_.empty()) mistake_ = "expected " + expected + ", found '" + std::string(found.substr(0, 80)) + "'";
  }
  Rule& rule() { return rule_; }

  void finish(Rules& rules) {
    if (mistake_.empty() && rule_.bytes.least > rule_.bytes.most) mistake_ = "the least size is above the largest";
    if (mistake_.empty() && rules.rules.size() == most_rules) mistake_ = "more than 1024 rules";
    if (mistake_.empty()) {
      rules.rules.push_back(rule_);
    } else {
      rules.mistakes.push_back("rule at " + std::to_string(rule_.line) + " is left out: " + mistake_);
    }
  }

 private:
  void take(int& to, int value, std::string_view text, const char* what) {
    if (value < 0) return mistake(text, what);
    to = value;
  }
  Rule rule_;
  std::string mistake_;
};

void read_official(const std::vector<std::string_view>& fields, RuleReader& reader) {
  auto& rule = reader.rule();
  if (fields.size() < 8 || fields.size() > 10)
    return reader.mistake(std::to_string(fields.size()) + " fields",
                          "8 to 10: collective,min,max,algorithm,protocol,channels,nodes,ranks,operations,registered");
  reader.names(fields[0], fields[3], fields[4]);
  reader.bound(rule.bytes.least, fields[1], "the least bytes");
  reader.bound(rule.bytes.most, fields[2], "the most bytes");
  reader.number(rule.channels, fields[5], most_channels, "channels from 1 to 64, or -1");
  reader.exact_or_any(rule.nodes, fields[6], "nodes, or -1");
  reader.exact_or_any(rule.ranks, fields[7], "ranks, or -1");
  if (fields.size() > 8) reader.number(rule.operations, fields[8], 1 << 30, "operations in a group, or -1");
  if (fields.size() > 9) reader.number(rule.registered, fields[9], 1, "0, 1 or -1 for registered buffers");
}

void read_ncclx(const std::vector<std::string_view>& fields, RuleReader& reader) {
  auto& rule = reader.rule();
  if (fields.size() < 7 || fields.size() > 10)
    return reader.mistake(std::to_string(fields.size()) + " fields", "7 to 10: collective,bytes,algorithm,protocol,channels,nodes,local ranks,chunk");
  reader.names(fields[0], fields[2], fields[3]);
  rule.per_rank = true;
  reader.range(rule.bytes, fields[1], "bytes such as [0,8192], (1,) or *");
  reader.number(rule.channels, fields[4], most_channels, "channels from 1 to 64, or -1");
  reader.range(rule.nodes, fields[5], "nodes such as 2, [1,4] or *");
  reader.range(rule.local_ranks, fields[6], "ranks of a node such as 8, (1,8] or *");
  if (fields.size() == 8) return reader.chunk(fields[7]);  // since July 2026; before, operations and registered stood before it
  if (fields.size() > 8) reader.number(rule.operations, fields[7], 1 << 30, "operations in a group, or -1");
  if (fields.size() > 8) reader.number(rule.registered, fields[8], 1, "0, 1 or -1 for registered buffers");
  if (fields.size() > 9) reader.chunk(fields[9]);
}

void read_line(std::string_view line, int number, Rules& rules) {
  line = trimmed(line);
  if (line.empty() || line.front() == '#') return;
  const auto fields = fields_of(line);
  RuleReader reader(number);
  // Where the example plugin's grammar has a largest size, Meta's has an algorithm.
  if (fields.size() > 2 && algorithm_number(fields[2]) >= 0) {
    read_ncclx(fields, reader);
  } else {
    read_official(fields, reader);
  }
  reader.finish(rules);
}

using Json = nlohmann::json;

std::string text_of(const Json& object, const char* key, const std::string& fallback) {
  const auto found = object.find(key);
  if (found == object.end()) return fallback;
  if (found->is_string()) return found->get<std::string>();
  return found->is_number_integer() ? std::to_string(found->get<std::int64_t>()) : std::string("?");
}

void read_json(std::string_view text, Rules& rules) {
  const auto json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded() || !json.is_object() || !json.contains("rules") || !json["rules"].is_array()) {
    rules.mistakes.emplace_back(R"(this is no JSON like {"rules": [{"filter": {...}, "config": {...}}]})");
    return;
  }
  int number = 0;
  for (const auto& entry : json["rules"]) {
    RuleReader reader(++number);
    if (!entry.is_object() || !entry.contains("filter") || !entry["filter"].is_object() || !entry.contains("config") ||
        !entry["config"].is_object()) {
      reader.mistake("something else", "objects 'filter' and 'config'");
    } else {
      const auto& filter = entry["filter"];
      const auto& config = entry["config"];
      auto& rule = reader.rule();
      rule.per_rank = true;
      reader.names(text_of(filter, "collective", ""), text_of(config, "algorithm", ""), text_of(config, "protocol", ""));
      reader.range(rule.bytes, text_of(filter, "bytesPerRank", "*"), "bytes such as [0,8192], (1,) or *");
      reader.range(rule.nodes, text_of(filter, "nNodes", "*"), "nodes such as 2, [1,4] or *");
      reader.range(rule.local_ranks, text_of(filter, "nLocalRanks", "*"), "ranks of a node such as 8, (1,8] or *");
      reader.number(rule.operations, text_of(filter, "numPipeOps", "-1"), 1 << 30, "operations in a group, or -1");
      reader.number(rule.registered, text_of(filter, "regBuff", "-1"), 1, "0, 1 or -1 for registered buffers");
      reader.number(rule.channels, text_of(config, "channels", "-1"), most_channels, "channels from 1 to 64, or -1");
      reader.chunk(text_of(config, "chunkSize", "0"));
    }
    reader.finish(rules);
  }
}

}  // namespace

int function_number(std::string_view name) { return number_of(functions, name); }
int algorithm_number(std::string_view name) { return number_of(algorithms, name); }
int protocol_number(std::string_view name) { return number_of(protocols, name); }
const char* algorithm_name(int number) {
  return number >= 0 && number < static_cast<int>(algorithms.size()) ? algorithms[static_cast<std::size_t>(number)] : "?";
}
const char* protocol_name(int number) {
  return number >= 0 && number < static_cast<int>(protocols.size()) ? protocols[static_cast<std::size_t>(number)] : "?";
}

Rules read_rules(std::string_view text) {
  Rules rules;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return rules;
  if (text[first] == '{') {
    read_json(text, rules);
    return rules;
  }
  if (text.substr(0, 4096).find("p2plab_tuned") != std::string_view::npos) {
    rules.mistakes.emplace_back("this is p2plab's table of plans; write NCCL's rules from it with `p2plab export --format nccl-tuner`");
    return rules;
  }
  for (int number = 1; !text.empty(); ++number) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    read_line(line, number, rules);
  }
  return rules;
}

}  // namespace p2plab::nccl_tuner
