// SPDX-License-Identifier: Apache-2.0
// The units of sizes, rates and times, smallest first.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace p2plab {

/// A unit and how many of the smallest one it holds.
struct Unit {
  std::string_view name;
  std::int64_t scale;
};

inline constexpr std::array size_units{Unit{"B", 1}, Unit{"KiB", std::int64_t{1} << 10}, Unit{"MiB", std::int64_t{1} << 20},
                                       Unit{"GiB", std::int64_t{1} << 30}, Unit{"TiB", std::int64_t{1} << 40}};
inline constexpr std::array rate_units{Unit{"B/s", 1},
                                       Unit{"KB/s", 1'000},
                                       Unit{"MB/s", 1'000'000},
                                       Unit{"GB/s", 1'000'000'000},
                                       Unit{"TB/s", 1'000'000'000'000},
                                       Unit{"KiB/s", std::int64_t{1} << 10},
                                       Unit{"MiB/s", std::int64_t{1} << 20},
                                       Unit{"GiB/s", std::int64_t{1} << 30},
                                       Unit{"TiB/s", std::int64_t{1} << 40}};
/// Those that rates are printed in.
inline constexpr auto decimal_rate_units = std::span{rate_units}.first<5>();
/// The scale of a time unit is its power of ten.
inline constexpr std::array time_units{Unit{"ps", -12}, Unit{"ns", -9}, Unit{"us", -6}, Unit{"ms", -3}, Unit{"s", 0}};

}  // namespace p2plab
