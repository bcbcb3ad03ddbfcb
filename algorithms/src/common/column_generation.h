// SPDX-License-Identifier: Apache-2.0
// Fractional packing: how much of each way of doing something fits side by side into shared capacities. Used to pack rings into links.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace p2plab {

/// One way: how much of each resource one unit of it takes. Resources not named are not used.
struct Way {
  struct Use {
    std::size_t resource = 0;
    double amount = 0;
  };
  int id = 0;  // the caller's name for it
  std::vector<Use> uses;
};

/// A way and how many units of it are packed (always above zero).
struct PackedWay {
  int id = 0;
  double amount = 0;
};

/// Offers the way whose cost at these prices (one per resource) is least, or any that costs less than 1; none if there is no way at all.
using WaySource = std::function<std::optional<Way>(std::span<const double> prices)>;

/// The packing with the largest total amount, by linear program with column generation (Gilmore and Gomory, 1961): optimal if `cheapest`
/// always offers the least cost, otherwise as good as its offers. It starts from the `known` ways, and ends where they amount to `enough`. Capacities
/// are above zero. Deterministic; most packed first.
std::vector<PackedWay> pack(std::span<const double> capacities, const WaySource& cheapest, std::span<const Way> known = {},
                            double enough = std::numeric_limits<double>::infinity());

}  // namespace p2plab
