// SPDX-License-Identifier: Apache-2.0
// What probes say of a machine: findings, and the matrix beside what links can do.
#pragma once

#include <string>
#include <vector>

#include "doctor/probes/matrix.h"
#include "p2plab/experiment/doctor.h"
#include "p2plab/machine/topology.h"

namespace p2plab::doctor {

/// What the links of one probe allow in one direction: the narrowest, shared by all that pass it at the same time. Zero: no way, or no rate for it.
Bandwidth rate_of_links(const PairProbe& probe, const Topology& topology);

/// Findings by kind, each with the pairs that it is about. `granted`: does CUDA let the two reach each other? Others must fail, and that is no
/// finding.
std::vector<Finding> judge(const std::vector<ProbeRecord>& records, const Topology& topology, const std::function<bool(int, int)>& granted);

/// A grid for each access: GB/s beside what links allow, "right" where nothing is timed, or what is wrong.
std::string matrix_text(const std::vector<ProbeRecord>& records, const Topology& topology);
/// An array of objects, as text.
std::string matrix_json(const std::vector<ProbeRecord>& records, const Topology& topology);

}  // namespace p2plab::doctor
