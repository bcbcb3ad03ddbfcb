// SPDX-License-Identifier: Apache-2.0
// NVML's questions, by part.
#pragma once

#include "detect/gather.h"
#include "p2plab/run/readings.h"

namespace p2plab::detect {

inline constexpr int not_found = 13;  // NVML_ERROR_FUNCTION_NOT_FOUND

/// Counters of NVLinks.
void ask_links(NvmlQuestions& all, Library& library);

}  // namespace p2plab::detect
