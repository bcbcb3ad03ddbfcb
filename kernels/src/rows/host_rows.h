// SPDX-License-Identifier: Apache-2.0
// The rows of a program's epilogue on the CPU.
#pragma once

#include "p2plab/schedule/payload.h"
#include "rows/epilogue_args.h"

namespace p2plab {

/// All rows of one rank; addresses of the CPU's memory. The type is float16, bfloat16 or float32.
void run_rows_on_host(DataType type, const args::EpilogueCall& call);

}  // namespace p2plab
