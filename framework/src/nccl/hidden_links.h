// SPDX-License-Identifier: Apache-2.0
// Links that NCCL does not see: it knows PCIe as a tree.
#pragma once

#include "p2plab/machine/mask.h"

namespace p2plab::nccl {

/// What joins the parts of a PCIe chip beside their ways up.
Mask hidden_from_nccl(const Topology& topology);

}  // namespace p2plab::nccl
