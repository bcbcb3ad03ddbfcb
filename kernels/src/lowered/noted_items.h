// SPDX-License-Identifier: Apache-2.0
// Which steps of the schedule the items stand for that thread blocks note (device/steps.h).
#pragma once

#include "lowered/linked_packets.h"
#include "p2plab/program/program.h"
#include "p2plab/run/communicator.h"

namespace p2plab {

/// By column, by wave, of the item that begins with it or of all that are copied in it.
std::vector<std::vector<std::vector<std::int32_t>>> noted_items(const LinkedPackets& linked);
/// By lane of the rank, by instruction.
std::vector<std::vector<std::vector<std::int32_t>>> noted_items(const Program& program, Rank rank);

}  // namespace p2plab
