// SPDX-License-Identifier: Apache-2.0
// Rows by collective and size, and runs of sizes in words.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "p2plab/report/report.h"

namespace p2plab::answers {

using BySize = std::map<Bytes, const Row*>;

/// A prediction for a plan of ours.
bool is_ours(const Row& row);

/// The collectives of the rows, in their order.
std::vector<CollectiveKind> collectives_of(std::span<const Row> rows);

/// The rows of one collective for which `wanted` holds, by size; of several the one with the least time. Empty payloads are left out: no rate
/// describes them.
BySize least_by_size(std::span<const Row> rows, CollectiveKind kind, const std::function<bool(const Row&)>& wanted);

/// The row's planner: what `auto` chose, where it chose.
const std::string& planner_of(const Row& row);
/// The same in words: "ring", "forest (chosen by auto)".
std::string name_of(const Row& row);

/// "from 1 KiB to 64 KiB, at 1 MiB" of sizes among all those that were tried, both rising.
std::string spans_text(const std::vector<Bytes>& sizes, const std::vector<Bytes>& tried);

}  // namespace p2plab::answers
