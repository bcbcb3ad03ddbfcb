// SPDX-License-Identifier: Apache-2.0
// One order of sums: whether every element of every result is summed alike, so that its bits depend neither on its place nor on the size, the
// alignment, the rank that asks or the call.
#pragma once

#include <string>

#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// The order in which a proved schedule adds, if it is one for all chunks and all receivers: "0+1+2" is one step that adds ranks 0, 1 and 2 in that
/// order and rounds once; "(0+1)+2" two, with the first one's sum rounded to the type between. Executors add a step's sources in list order, in
/// float32 where elements have 16 bits, whatever the protocol and the form; -0.0 may become +0.0. Plans of equal orders give equal bits, also where
/// they are of different planners and for different sizes. Errors: unsupported (nothing is added; two results that are added in different orders:
/// names them).
Result<std::string> order_of_sums(const Schedule& schedule, bool in_place = false);

/// The order that `--order fixed` asks for: all members in their order, added in one step. Equal for all plans of a group, so whoever has two tables,
/// or a table and a plan, has one order.
std::string members_in_order(const Collective& collective);

/// Does a proved schedule add in the order that its file promises (none: it promises nothing)? Error verification_failed with both orders.
Status keeps_order(const Schedule& schedule, bool in_place, const std::string& promised);

}  // namespace p2plab
