// SPDX-License-Identifier: Apache-2.0
#include "sources/presets/values.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "p2plab/base/quantity.h"

namespace p2plab::presets {

namespace {

// A number from 0 to `most` that is the whole of `text`.
std::optional<int> whole_number(std::string_view text, int most) {
  int value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || value < 0 || value > most) return std::nullopt;
  return value;
}

std::vector<std::string> split(const std::string& text, const std::string& separators) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const auto end = std::min(text.find_first_of(separators, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// GB/s where there is no unit.
Result<Bandwidth> read_bandwidth(std::string text) {
  if (!text.empty() && text.find_first_not_of("0123456789.") == std::string::npos) text += " GB/s";
  return parse_bandwidth(text);
}

std::string shown(const std::string& text) { return text.substr(0, 60); }

std::string meant(const std::string& text, const std::vector<std::string>& choices) {
  const auto near = nearest_name(text, choices);
  return near.empty() ? std::string{} : fmt::format("; did you mean '{}'?", near);
}

}  // namespace

void Values::fail(const std::string& name, const std::string& problem) {
  Error error{ErrorCode::invalid_input, fmt::format("parameter {}: {}", name, problem)};
  if (!error_) {
    error_ = std::move(error);
    return;
  }
  error_->more.push_back(std::move(error));
}

Status Values::status() const { return error_ ? Status{*error_} : Status{}; }

int Values::integer(const std::string& name, int least, int most) {
  const auto& text = parameters_.at(name);
  const auto value = whole_number(text, most);
  if (value && *value >= least) return *value;
  fail(name, fmt::format("expected a whole number from {} to {}, got '{}'", least, most, shown(text)));
  return least;
}

Bandwidth Values::bandwidth(const std::string& name) {
  const auto value = read_bandwidth(parameters_.at(name));
  if (value && value->bytes_per_second() > 0) return *value;
  fail(name, value ? "a bandwidth must be above zero" : value.error().message);
  return GBps(1);
}

Bandwidth Values::bandwidth_or(const std::string& name, Bandwidth automatic) { return parameters_.at(name) == "auto" ? automatic : bandwidth(name); }

Bandwidth Values::network(const std::string& name) {
  const auto& text = parameters_.at(name);
  if (const auto known = network_rate(text)) return *known;
  if (read_bandwidth(text)) return bandwidth(name);
  fail(name,
       fmt::format("expected a bandwidth, or one of {}, got '{}'{}", fmt::join(network_names(), ", "), shown(text), meant(text, network_names())));
  return GBps(1);
}

double Values::number(const std::string& name, double least, double most) {
  const auto& text = parameters_.at(name);
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault == std::errc{} && end == text.data() + text.size() && value >= least && value <= most) return value;
  fail(name, fmt::format("expected a number from {:g} to {:g}, got '{}'", least, most, shown(text)));
  return least;
}

std::optional<Bandwidth> Values::limit(const std::string& name) {
  return parameters_.at(name) == "none" ? std::nullopt : std::optional{bandwidth(name)};
}

Seconds Values::latency(const std::string& name) {
  const auto value = parse_time(parameters_.at(name));
  if (value && value->count() >= 0 && value->count() <= 1) return *value;
  fail(name, value ? "a latency must lie between 0 and 1 s" : value.error().message);
  return Seconds{0};
}

std::string Values::word(const std::string& name, const std::vector<std::string>& choices) {
  const auto& text = parameters_.at(name);
  if (std::ranges::find(choices, text) != choices.end()) return text;
  fail(name, fmt::format("expected one of {}, got '{}'{}", fmt::join(choices, ", "), shown(text), meant(text, choices)));
  return choices.front();
}

std::vector<int> Values::extents(const std::string& name, int least, int most) {
  const auto& text = parameters_.at(name);
  std::vector<int> sizes;
  std::int64_t product = 1;
  for (const auto& part : split(text, "x")) {
    const auto size = whole_number(part, most);
    sizes.push_back(size.value_or(0));
    product = std::min<std::int64_t>(product * sizes.back(), std::int64_t{most} + 1);
  }
  const bool fits = !sizes.empty() && sizes.size() <= 3 && std::ranges::all_of(sizes, [&](int size) { return size >= least; }) && product <= most;
  if (fits) return sizes;
  fail(name, fmt::format("expected one to three numbers as in 4x4, each at least {}, {} GPUs at most, got '{}'", least, most, shown(text)));
  return {least};
}

std::optional<std::vector<int>> Values::read_list(const std::string& text, int count) const {
  std::vector<int> list;
  for (const auto& part : split(text, ", +;[]")) {
    const auto dash = part.find('-');
    const auto first = whole_number(part.substr(0, dash), count - 1);
    const auto last = dash == std::string::npos ? first : whole_number(part.substr(dash + 1), count - 1);
    if (!first || !last || *first > *last) return std::nullopt;
    for (int i = *first; i <= *last; ++i) list.push_back(i);
  }
  std::ranges::sort(list);
  const bool distinct = std::ranges::adjacent_find(list) == list.end();
  return list.empty() || !distinct ? std::nullopt : std::optional{list};
}

std::vector<int> Values::selection(const std::string& name, int count) {
  const auto& text = parameters_.at(name);
  std::vector<int> first(static_cast<std::size_t>(count));
  std::iota(first.begin(), first.end(), 0);
  if (text == "all") return first;
  if (const auto number = whole_number(text, count); number && *number > 0) {
    first.resize(static_cast<std::size_t>(*number));
    return first;
  }
  const bool plain = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (const auto list = plain ? std::nullopt : read_list(text, count)) return *list;
  fail(name, fmt::format("expected 1 to {}, 'all', or a list of distinct numbers from 0 to {} as in 0,2,3 or 0-3, got '{}'", count, count - 1,
                         shown(text)));
  return {0};
}

std::vector<ParameterInfo> uniform_parameters(const std::string& bandwidth) {
  return {{"bandwidth", "of each link, in each direction", bandwidth}, {"latency", "of each link", "500 ns"}};
}

std::vector<NodeId> add_gpus(Topology::Builder& builder, int count) {
  std::vector<NodeId> gpus;
  for (int i = 0; i < count; ++i) gpus.push_back(builder.add_node({fmt::format("gpu{}", i), NodeKind::gpu}));
  return gpus;
}

}  // namespace p2plab::presets
