// SPDX-License-Identifier: Apache-2.0
// Plans: a collective on a machine is planned, proved, lowered and predicted in one call, Planning::plan, or step by step; plans as files; tables of
// the right plan for each size.
#pragma once

#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/plan_summary.h"
#include "p2plab/experiment/planning.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/machine.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/program/planner.h"
#include "p2plab/schedule/verify.h"
