// SPDX-License-Identifier: Apache-2.0
#include "bounds/shared_links.h"

#include <algorithm>

namespace p2plab::bounds {

double widest_link(const Topology& topology) {
  std::int64_t widest = 1;
  for (const auto& link : topology.links()) widest = std::max(widest, link.bandwidth.bytes_per_second());
  return static_cast<double>(widest);
}

void add_capacities(LinearProgram& program, const Topology& topology, const std::function<std::vector<int>(LinkId)>& users) {
  const auto widest = widest_link(topology);
  for (const auto& limit : topology.limits()) {
    std::vector<LinearProgram::Term> row;
    for (const auto link : limit.links) {
      for (const auto column : users(link)) row.push_back({column, 1});
    }
    if (!row.empty()) program.add_row(0, row, static_cast<double>(limit.bandwidth.bytes_per_second()) / widest);
  }
}

}  // namespace p2plab::bounds
