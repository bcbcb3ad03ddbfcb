// SPDX-License-Identifier: Apache-2.0
// Calls of a communicator's ranks, side by side.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monitor/explain.h"

namespace p2plab::monitor {

using Ranks = std::vector<const RankLog*>;  // of one communicator, at least one

std::string text_of(const LoggedCall& call);
/// Null: not among those that are known.
const LoggedCall* at(const RankLog& log, std::uint64_t sequence);
Verdict verdict(Cause cause, const Ranks& ranks, int rank);
/// A call of all ranks, those that named it alike in one line.
std::vector<std::string> who_called(const Ranks& ranks, std::uint64_t sequence);
/// The first call that ranks do not name alike: other collectives, another order, other sizes.
std::optional<Verdict> differ(const Ranks& ranks);

}  // namespace p2plab::monitor
