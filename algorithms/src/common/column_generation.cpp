// SPDX-License-Identifier: Apache-2.0
#include "common/column_generation.h"

#include <algorithm>

#include "p2plab/detail/linear_program.h"

namespace p2plab {

namespace {

constexpr int most_columns = 3000;  // far above what rings need; ends the search should offers never run dry

double cost_of(const Column& column, const std::vector<double>& prices) {
  double cost = 0;
  for (const auto& use : column.uses) cost += use.amount * prices[use.resource];
  return cost;
}

}  // namespace

std::vector<PackedColumn> pack(std::span<const double> capacities, const ColumnSource& cheapest, std::span<const Column> known, double enough) {
  if (capacities.empty()) return {};
  // Amounts of about 1 keep one tolerance right for all units.
  const double unit = *std::ranges::max_element(capacities);
  LinearProgram program({}, {});
  for (const auto capacity : capacities) program.add_row(0, {}, capacity / unit);
  std::vector<double> prices(capacities.size());
  std::vector<int> ids;
  const auto add = [&](const Column& column) {
    std::vector<LinearProgram::Term> terms;
    for (const auto& use : column.uses) terms.push_back({static_cast<int>(use.resource), use.amount});
    program.add_column(1, terms);
    ids.push_back(column.id);
  };
  const auto solve = [&] {
    if (!program.solve()) return false;
    for (std::size_t r = 0; r < prices.size(); ++r) prices[r] = program.price(static_cast<int>(r));
    return true;
  };
  for (const auto& column : known) add(column);
  for (int i = 0; i < most_columns && (ids.empty() || solve()); ++i) {
    if (!ids.empty() && program.objective() * unit >= enough) break;
    const auto column = cheapest(prices);
    if (!column || column->uses.empty() || cost_of(*column, prices) > 1 - 1e-7) break;
    add(*column);
  }
  std::vector<PackedColumn> packed;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (const auto amount = program.value(static_cast<int>(i)); amount > 1e-9) packed.push_back({ids[i], amount * unit});
  }
  std::ranges::stable_sort(packed,
                           [](const PackedColumn& a, const PackedColumn& b) { return a.amount != b.amount ? a.amount > b.amount : a.id < b.id; });
  return packed;
}

}  // namespace p2plab
