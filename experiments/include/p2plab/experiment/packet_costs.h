// SPDX-License-Identifier: Apache-2.0
// What packets cost on a machine: from small collectives that were timed there.
#pragma once

#include <functional>
#include <vector>

#include "p2plab/experiment/calibrate.h"
#include "p2plab/program/executor.h"

namespace p2plab {

/// A program by packets and what a call of it took, of many in a row.
struct PacketTime {
  Topology topology;
  Program program;
  Seconds time{0};
};

/// Times collectives by packets of 1 KiB to 1 MiB on `executor`, on all of the machine's GPUs and on the first two, three and four: all-reduces by
/// one_shot and two_shot as Lamport packets, all-gathers by LL128. `stop` is asked between them. Errors: those of the executor; verification_failed,
/// if data came out wrong; interrupted.
Result<std::vector<PacketTime>> time_packets(const Topology& topology, const Executor& executor, const std::function<bool()>& stop = {});

/// packet_start, packet_item and packet_tail by least squares of the logarithms of the all-reduces' times, links and everything else as the
/// calibration has them; then ll128_start as the mean of what LL128 takes beside them. Adds the four to the calibration. Errors: device_failure, if
/// no such numbers come near the times; those of `simulate`.
Status add_packet_costs(Calibration& calibration, const std::vector<PacketTime>& times);

}  // namespace p2plab
