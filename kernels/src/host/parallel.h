// SPDX-License-Identifier: Apache-2.0
// Loops over independent pieces on a few threads.
#pragma once

#include <cstddef>
#include <functional>

namespace p2plab {

/// `requested` threads, or one per core if that is 0; at least one.
int worker_threads(int requested);

/// Calls `body(i)` once for each i below `count`, on up to `threads` threads, in no particular order; returns when all are done.
void parallel_for(std::size_t count, int threads, const std::function<void(std::size_t)>& body);

}  // namespace p2plab
