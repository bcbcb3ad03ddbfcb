// SPDX-License-Identifier: Apache-2.0
// How large a schedule is, where it is asked whether images are lowered alike.
#pragma once

#include <cstddef>

#include "p2plab/schedule/schedule.h"

namespace p2plab {

/// The steps of all images; one of many operands counts as copies between two.
std::size_t steps_as_copies(const Schedule& schedule);

}  // namespace p2plab
