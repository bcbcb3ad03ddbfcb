// SPDX-License-Identifier: Apache-2.0
// The program's NCCL as libp2plab calls it to carry data between servers.
#pragma once

#include "p2plab/c/beside_nccl.h"
#include "shim/real_library.h"

namespace p2plab::shim {

p2plab_nccl nccl_of(Comm comm);

}  // namespace p2plab::shim
