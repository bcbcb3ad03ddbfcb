// SPDX-License-Identifier: Apache-2.0
// Which sizes of which algorithm differ between two reports.
#pragma once

#include <span>
#include <vector>

#include "p2plab/report/compare.h"

namespace p2plab::comparing {

/// The verdict on rows of one executor, which is not one of CPU threads.
Verdict judge(std::span<const ComparedRow* const> rows);

}  // namespace p2plab::comparing
