// SPDX-License-Identifier: Apache-2.0
// A machine: made by hand, from a preset, a file or a dump; looked at, masked, cut and bounded. One of the four headers to begin with: machine.h,
// plan.h, run.h, report.h.
#pragma once

#include "p2plab/bounds/bounds.h"
#include "p2plab/bounds/place.h"
#include "p2plab/machine/cuts.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/machine_facts.h"
#include "p2plab/machine/mask.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology.h"
#include "p2plab/machine/topology_import.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/machine/topology_view.h"
