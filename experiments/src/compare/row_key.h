// SPDX-License-Identifier: Apache-2.0
// What two rows have to agree in to be compared.
#pragma once

#include <tuple>

#include "p2plab/report/report.h"

namespace p2plab::comparing {

inline auto row_key(const Row& row) {
  return std::tuple{row.axes, row.collective, row.algorithm, row.executor(), row.clock(), row.ranks, row.dtype, row.size, row.in_place};
}

using RowKey = decltype(row_key(Row{}));

}  // namespace p2plab::comparing
