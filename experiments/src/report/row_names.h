// SPDX-License-Identifier: Apache-2.0
// Words of report.json that are written and read.
#pragma once

#include <array>

#include "p2plab/detail/named.h"
#include "p2plab/program/measurement.h"

namespace p2plab {

/// The keys of a row that report.csv has as columns; scripts of users read them.
inline constexpr std::array row_keys{"collective", "algorithm",    "executor",  "ranks",    "dtype",    "size_bytes", "time_us",       "algbw_gbps",
                                     "busbw_gbps", "predicted_us", "error_pct", "bound_us", "verified", "in_place",   "thread_blocks", "protocol"};

/// The executor of rows that NCCL's formula and its plan at our costs give.
/// Further columns of report.csv, after those and a sweep's axes.
inline constexpr std::array more_csv_keys{"clock",        "chosen",          "winner", "predicted_low_us", "predicted_high_us",
                                          "bound_low_us", "blocks_per_lane", "data",   "planned_for",      "profile_name"};
inline constexpr const char* nccl_executor = "nccl_model";

inline constexpr std::array clocks{Named{"simulated", Clock::simulated}, Named{"host", Clock::host}, Named{"device", Clock::device}};

}  // namespace p2plab
