// SPDX-License-Identifier: Apache-2.0
// Runs: programs on the executors of this machine, and whole experiments from configs.
#pragma once

#include "p2plab/experiment/experiment.h"
#include "p2plab/experiment/run.h"
#include "p2plab/plan.h"
#include "p2plab/program/executor.h"
#include "p2plab/run/builtin_executors.h"
