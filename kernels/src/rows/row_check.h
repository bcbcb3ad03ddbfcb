// SPDX-License-Identifier: Apache-2.0
// What rows of an epilogue must be, computed in float64 and apart from the code that makes them, and the comparison.
#pragma once

#include "p2plab/program/measurement.h"
#include "p2plab/schedule/payload.h"
#include "rows/epilogue_args.h"

namespace p2plab {

/// Compares what `call` says was made of its source and other inputs; all addresses are of the CPU's memory. Sums must be equal. With u of the type
/// (2^-11 float16, 2^-8 bfloat16, 2^-24 float32) a normed element may differ by u of itself, for the rounding, and by d 2^-24 of what it is computed
/// from, where d is how many float32 roundings its statistics pass: elements of a strand, ten halvings, and a few. Scales must be right to 2^-22 of
/// themselves, float8 to half a unit of its own.
DataCheck check_rows(DataType type, const args::EpilogueCall& call);

/// The value of a float8 e4m3.
double from_e4m3(std::uint8_t bits);

}  // namespace p2plab
