// SPDX-License-Identifier: Apache-2.0
#include "bounds/shared_links.h"

#include <algorithm>

namespace p2plab::bounds {

double widest_link(const Topology& topology) {
  std::int64_t widest = 1;
  for (const auto& link : topology.links()) widest = std::max(widest, link.bandwidth.bytes_per_second());
  return static_cast<double>(widest);
}

std::vector<int> add_capacities(LinearProgram& program, const Topology& topology, const std::function<std::vector<int>(LinkId)>& users) {
  const auto widest = widest_link(topology);
  std::vector<int> rows;
  int next = 0;
  for (const auto& limit : topology.limits()) {
    std::vector<LinearProgram::Term> row;
    for (const auto link : limit.links) {
      for (const auto column : users(link)) row.push_back({column, 1});
    }
    rows.push_back(row.empty() ? -1 : next++);
    if (!row.empty()) program.add_row(0, row, static_cast<double>(limit.bandwidth.bytes_per_second()) / widest);
  }
  return rows;
}

std::vector<double> prices_of_rows(const LinearProgram& program, std::span<const int> rows) {
  std::vector<double> prices;
  for (const auto row : rows) prices.push_back(row < 0 ? 0 : std::max(0.0, program.price(row)));
  return prices;
}

}  // namespace p2plab::bounds
