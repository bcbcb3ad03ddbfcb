// SPDX-License-Identifier: Apache-2.0
#include "bounds/proofs/prices.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <fmt/format.h>

namespace p2plab::bounds {

namespace {

constexpr double nothing = 1e-7;  // of the dearest: what a solver leaves of a price of zero

double dearest_of(std::span<const double> prices) { return prices.empty() ? 0 : *std::ranges::max_element(prices); }

}  // namespace

Prices small_prices(std::span<const double> prices) {
  constexpr std::int64_t most = 1'000'000;
  const auto dearest = dearest_of(prices);
  if (dearest <= 0) return {};
  double cheapest = dearest;
  for (const auto price : prices) cheapest = price > nothing * dearest ? std::min(cheapest, price) : cheapest;
  std::vector<Rational> ratios;
  std::int64_t common = 1;
  for (const auto price : prices) {
    ratios.push_back(price > nothing * dearest ? simplest_near(price / cheapest, nothing) : Rational{});
    common = std::lcm(common, ratios.back().denominator);
    if (common > most) return {};
  }
  Prices whole;
  for (const auto& ratio : ratios) {
    whole.push_back(ratio.numerator * (common / ratio.denominator));
    if (whole.back() > most) return {};
  }
  return whole;
}

Prices fine_prices(std::span<const double> prices) {
  constexpr double finest = 1'099'511'627'776;  // 2^40: sums of a million of them fit 64 bits
  const auto dearest = dearest_of(prices);
  if (dearest <= 0) return {};
  Prices whole;
  for (const auto price : prices) whole.push_back(price > nothing * dearest ? std::llround(price / dearest * finest) : 0);
  return whole;
}

std::string in_words(const Topology& topology, const Prices& prices) {
  constexpr std::size_t most_names = 6;
  const auto limits = topology.limits();
  std::map<std::int64_t, std::vector<std::string>> by_price;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    if (prices[i] > 0) by_price[prices[i]].push_back(topology.name_of(limits[i]));
  }
  std::string words;
  for (const auto& [price, names] : by_price) {
    words += fmt::format("{}{} for {}", words.empty() ? "" : "; ", price, names.front());
    for (std::size_t i = 1; i < std::min(names.size(), most_names); ++i) words += ", " + names[i];
    if (names.size() > most_names) words += fmt::format(" and {} more", names.size() - most_names);
  }
  return words;
}

Int128 worth(const Topology& topology, const Prices& prices) {
  Int128 sum = 0;
  const auto limits = topology.limits();
  for (std::size_t i = 0; i < limits.size(); ++i) sum += static_cast<Int128>(prices[i]) * limits[i].bandwidth.bytes_per_second();
  return sum;
}

std::vector<std::int64_t> prices_of_links(const Topology& topology, const Prices& prices) {
  std::vector<std::int64_t> of_links(topology.links().size());
  const auto limits = topology.limits();
  for (std::size_t i = 0; i < limits.size(); ++i) {
    for (const auto link : limits[i].links) of_links[link.index()] += prices[i];
  }
  return of_links;
}

}  // namespace p2plab::bounds
