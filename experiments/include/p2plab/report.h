// SPDX-License-Identifier: Apache-2.0
// Reports: what a run predicted and measured, as text, JSON, CSV and HTML; two of them compared.
#pragma once

#include "p2plab/report/compare.h"
#include "p2plab/report/progress.h"
#include "p2plab/report/report.h"
