// SPDX-License-Identifier: Apache-2.0
// The built-in tuning: which planner serves a call for which there is no table.
#pragma once

#include <vector>

#include "p2plab/program/planner.h"
#include "runtime/call.h"

namespace p2plab::capi {

struct Variant {
  const char* planner;
  Parameters parameters = {};
};

/// The fastest measured, then what does it at all.
std::vector<Variant> variants_of(const runtime::Call& call, int ranks, bool by_host);
/// Those that add all members in their order, whatever the element.
std::vector<Variant> variants_of_one_order(const runtime::Call& call, int ranks);
/// Of ranks on several servers; `alone`: each has a server of its own.
std::vector<Variant> variants_over_servers(const runtime::Call& call, int ranks, bool alone);

}  // namespace p2plab::capi
