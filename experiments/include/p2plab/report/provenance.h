// SPDX-License-Identifier: Apache-2.0
// Where a report's numbers come from.
#pragma once

#include "p2plab/experiment/experiment.h"
#include "p2plab/report/report.h"

namespace p2plab {

/// This program and this machine, now. What cannot be found out is left empty.
Provenance provenance_here();

/// The provenance of a run of `experiment` on this machine, now. What cannot be found out is left empty.
Provenance provenance_of(const Experiment& experiment);

}  // namespace p2plab
