// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/exporter.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

#include "p2plab/schedule/layout.h"

namespace p2plab {

Result<std::vector<ExportedFile>> Exporter::write_table(std::span<const ExportJob> jobs) const {
  std::vector<ExportedFile> all;
  for (const auto& job : jobs) {
    auto files = write(job);
    if (!files) {
      auto error = std::move(files).error();
      if (jobs.size() > 1) error.notes.push_back(fmt::format("this is the plan from {} bytes on, made by {}", job.from.count(), job.plan->planner));
      return error;
    }
    for (auto& file : *files) {
      if (jobs.size() > 1) file.suffix = fmt::format(".from_{}{}", job.from.count(), file.suffix);
      all.push_back(std::move(file));
    }
  }
  return all;
}

Payload even_payload(const Schedule& schedule, const Payload& wanted) {
  constexpr std::int64_t grain = 16;
  constexpr std::int64_t most_chunks = std::int64_t{1} << 24;
  std::vector<std::int64_t> weights(schedule.blocks().size(), 0);
  for (const auto& chunk : schedule.chunks()) weights[static_cast<std::size_t>(chunk.block)] += chunk.weight;
  const auto fractions = block_fractions(schedule.collective(), schedule.blocks());
  if (weights.empty() || fractions.front() <= 0) return wanted;
  std::int64_t chunks = 1;
  for (std::size_t b = 0; b < weights.size(); ++b) {
    if (weights[b] <= 0 || fractions[b] != fractions.front()) return wanted;
    chunks = std::lcm(chunks, weights[b]);
    if (chunks > most_chunks) return wanted;
  }
  const auto unit = std::max<std::int64_t>(1, std::llround(1 / fractions.front()) * chunks * grain / size_of(wanted.type));
  auto even = wanted;
  even.elements = std::max<std::int64_t>(1, wanted.elements / unit) * unit;
  return even;
}

}  // namespace p2plab
