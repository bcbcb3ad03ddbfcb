// SPDX-License-Identifier: Apache-2.0
// Why a program has no code for GPUs. no_compiler.cpp or no_driver.cpp defines it, as CMake found the machine.
#pragma once

#include "p2plab/base/error.h"

namespace p2plab::backend {

/// not_built or no_device, with the remedy.
Error without(const char* what);

}  // namespace p2plab::backend
