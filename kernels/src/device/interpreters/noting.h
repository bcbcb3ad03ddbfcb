// SPDX-License-Identifier: Apache-2.0
// The interpreters of launch.h that note steps (can_note_steps): files of their own, as they take as long to compile again.
#pragma once

#include "lowered/launch.h"

namespace p2plab::device {

CudaCode launch_noting_packets(const KernelChoice& choice, const LaunchShape& shape, const PacketTables& tables, const args::PacketCall& call,
                               StreamHandle stream);
int resident_noting_packet_blocks(const KernelChoice& choice, std::uint32_t threads);
CudaCode launch_noting_slices(const KernelChoice& choice, const LaunchShape& shape, const args::SliceCall& call, StreamHandle stream);
int resident_noting_slice_blocks(const KernelChoice& choice, std::uint32_t threads);

}  // namespace p2plab::device
