// SPDX-License-Identifier: Apache-2.0
#include "sources/source_list.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab {

void SourceList::add(const std::string& what, const std::string& part, const Sourced& value, const std::vector<LinkId>& links) {
  const auto text = fmt::format("{:.6g} GB/s", value.rate.gbps());
  auto entry = std::ranges::find_if(values_, [&](const Entry& one) {
    return one.value.what == what && one.value.value == text && one.value.origin == value.origin && one.value.source == value.source &&
           !one.parts.empty();
  });
  if (entry == values_.end()) {
    entry = values_.insert(
        values_.end(),
        {{.what = what, .value = text, .origin = value.origin, .source = value.source, .key = value.key, .least = value.least, .most = value.most},
         {}});
  }
  entry->value.links.insert(entry->value.links.end(), links.begin(), links.end());
  entry->parts.push_back(part);
}

void SourceList::add_latency(const std::string& what, Seconds latency, Origin origin, const std::string& source) {
  const SourcedValue value{.what = "latency of " + what, .value = to_string(latency), .origin = origin, .source = source};
  const auto same = [&](const Entry& one) { return one.value.what == value.what && one.value.value == value.value; };
  if (std::ranges::none_of(values_, same)) add(value);
}

std::vector<SourcedValue> SourceList::values() const {
  std::vector<SourcedValue> values;
  for (const auto& [value, parts] : values_) {
    values.push_back(value);
    if (!parts.empty()) values.back().what += " of " + short_names(parts);
  }
  return values;
}

std::vector<std::string> sentences_of(const std::vector<SourcedValue>& values) {
  std::vector<std::string> sentences;
  for (const auto& value : values) {
    if (value.origin != Origin::assumed) continue;
    sentences.push_back(fmt::format("{}: {}; assumed: {}{}", value.what, value.source, value.value,
                                    value.key.empty() ? "" : fmt::format(" (--machine {}=... answers it)", value.key)));
  }
  return sentences;
}

}  // namespace p2plab
