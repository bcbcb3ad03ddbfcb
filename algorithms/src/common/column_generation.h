// SPDX-License-Identifier: Apache-2.0
// Fractional packing: how much of each of several things fits side by side into shared capacities. Used to pack rings into links.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace p2plab {

/// One thing that can be packed: how much of each resource one unit of it takes. Resources not named are not used.
struct Column {
  struct Use {
    std::size_t resource = 0;
    double amount = 0;
  };
  int id = 0;  // the caller's name for it
  std::vector<Use> uses;
};

/// A column and how many units of it are packed (always above zero).
struct PackedColumn {
  int id = 0;
  double amount = 0;
};

/// Offers the column whose cost at these prices (one per resource) is least, or any that costs less than 1; none if there is none at all.
using ColumnSource = std::function<std::optional<Column>(std::span<const double> prices)>;

/// The packing with the largest total amount, by linear program with column generation (Gilmore and Gomory, 1961): optimal if `cheapest`
/// always offers the least cost, otherwise as good as its offers. It starts from the `known` columns, and ends where they amount to `enough`.
/// Capacities are above zero. Deterministic; most packed first.
std::vector<PackedColumn> pack(std::span<const double> capacities, const ColumnSource& cheapest, std::span<const Column> known = {},
                               double enough = std::numeric_limits<double>::infinity());

}  // namespace p2plab
