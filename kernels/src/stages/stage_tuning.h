// SPDX-License-Identifier: Apache-2.0
// The form in which a plan over servers is cut for GPUs.
#pragma once

#include "p2plab/program/program.h"
#include "p2plab/segments/servers.h"

namespace p2plab::stages {

/// `tuning`, but where every server has a single rank: it adds and copies by many blocks, for no packets arrive inside it.
Tuning stage_tuning(const Tuning& tuning, const Servers& servers, Bytes payload);

}  // namespace p2plab::stages
