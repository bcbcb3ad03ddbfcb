// SPDX-License-Identifier: Apache-2.0
// A critical path in a few words.
#include <algorithm>

#include <fmt/format.h>

#include "p2plab/detail/named.h"
#include "p2plab/simulator/critical_path.h"

namespace p2plab {

namespace {

constexpr std::array causes{Named{"launch", PathCause::launch},     Named{"signal", PathCause::signal},
                            Named{"latency", PathCause::latency},   Named{"serialisation", PathCause::serialisation},
                            Named{"queueing", PathCause::queueing}, Named{"thread_block", PathCause::thread_block},
                            Named{"reduce", PathCause::reduce},     Named{"host", PathCause::host}};
static_assert(causes.size() == path_causes);

}  // namespace

std::string_view to_string(PathCause cause) { return to_name<PathCause>(cause, causes); }

PathResource busiest_on(const CriticalPath& path) {
  std::vector<PathResource> all;
  for (const auto& segment : path.segments) {
    if (segment.resource < 0) continue;
    const auto index = static_cast<std::size_t>(segment.resource);
    if (all.size() <= index) all.resize(index + 1);
    all[index].resource = segment.resource;
    all[index].time += segment.end - segment.begin;
    if (segment.cause == PathCause::queueing) all[index].queued += segment.end - segment.begin;
  }
  const auto most = std::ranges::max_element(all, {}, &PathResource::time);
  return most == all.end() ? PathResource{} : *most;
}

std::string shares_of(const CriticalPath& path) {
  SimTime whole{0};
  for (const auto part : path.by_cause) whole += part;
  auto order = causes;
  std::ranges::stable_sort(order, std::greater<>{}, [&](const auto& row) { return path.of(row.value); });
  std::string text;
  for (const auto& row : order) {
    const auto share = whole.count() > 0 ? 100.0 * static_cast<double>(path.of(row.value).count()) / static_cast<double>(whole.count()) : 0;
    if (share >= 0.05) text += fmt::format("{}{} {:.1f} %", text.empty() ? "" : ", ", row.name, share);
  }
  return text;
}

}  // namespace p2plab
