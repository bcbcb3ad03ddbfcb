// SPDX-License-Identifier: Apache-2.0
// The report of one cell of a sweep as a file: read back, it is the same to the last bit.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "p2plab/report/report.h"

namespace p2plab {

std::string to_cell_file(const Report& report);
/// None if the text is not one of this version.
std::optional<Report> from_cell_file(std::string_view text);

}  // namespace p2plab
