// SPDX-License-Identifier: Apache-2.0
// A row as report.json has it.
#pragma once

#include <nlohmann/json.hpp>

#include "p2plab/report/report.h"

namespace p2plab {

nlohmann::ordered_json row_json(const Row& row);

}  // namespace p2plab
