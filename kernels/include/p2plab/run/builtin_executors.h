// SPDX-License-Identifier: Apache-2.0
// The executors that run programs on this machine; a copy: add your own and pass it on.
#pragma once

#include "p2plab/base/registry.h"
#include "p2plab/program/executor.h"

namespace p2plab {

/// All built-in executors, in the order of `p2plab list executors`.
Registry<Executor> builtin_executors();

}  // namespace p2plab
