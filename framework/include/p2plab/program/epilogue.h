// SPDX-License-Identifier: Apache-2.0
// Work on the way: what each rank does with the rows of a complete sum before anybody reads it, as part of the program that sums. The output is taken
// as rows of `hidden` elements, as an engine's activations are. Of every row, with T the payload's type and all arithmetic in float32:
//   z = T(x + residual)                        x is the complete sum, as it is in T
//   y = T(z / sqrt(mean(z^2) + epsilon) * weight + bias)                             rms
//   y = T((z - mean(z)) / sqrt(mean((z - mean(z))^2) + epsilon) * weight + bias)     layer
//   q = e4m3(y * (1 / scale)), to the nearest, at most 448; scale = the largest |y| / 448 of the token or group, at least 1 / (448 * 512), or given
// A row is a row: what is in it, NaN too, reaches no other. The order in which a row's statistics are summed depends on `hidden` and T alone.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "p2plab/program/program.h"

namespace p2plab {

enum class Norm : std::uint8_t { off, rms, layer };
/// What one scale of the float8 output is for: all of a tensor (then the scale is an input), a row, or 128 neighbours in a row.
enum class Float8 : std::uint8_t { off, tensor, token, group };

std::string_view to_string(Norm norm);
std::string_view to_string(Float8 float8);
Result<Norm> norm_kind(std::string_view name);
Result<Float8> float8_kind(std::string_view name);

struct Epilogue {
  static constexpr std::int64_t most_hidden = std::int64_t{1} << 20;
  static constexpr std::int64_t group = 128;  // elements that share a scale
  std::int64_t hidden = 0;                    // elements of a row
  Norm norm = Norm::rms;
  Float8 float8 = Float8::off;
  bool residual = true;  // inputs: rows that are added
  bool weight = true;    // one for each element of a row
  bool bias = false;
  bool gives_sum = true;   // outputs: z
  bool gives_norm = true;  // y
  float epsilon = 1e-6F;
  auto operator<=>(const Epilogue&) const = default;
};

/// Can such an epilogue follow a collective of this payload? Every rank must get the whole sum (an all-reduce), of float16, bfloat16 or float32.
/// Errors: invalid_input, that say what would be right.
Status check_epilogue(const Epilogue& epilogue, const Collective& collective, const Payload& payload);

/// The same program with an epilogue: a rank begins it when its own lanes, and all others that touch its memory in this call, have ended; its input
/// is what `check` proves of the output. Errors: those of check_epilogue.
Result<Program> with_epilogue(Program program, const Epilogue& epilogue);

/// Rows that follow from the payload.
std::int64_t rows_of(const Epilogue& epilogue, const Payload& payload);
/// If each rank's packets go through all its items at the place in the output at which they end, and rows are whole packets: how many packets a row
/// has. Then a block can take whole rows, and nobody waits for other blocks. 0 if it is not so.
std::uint32_t packets_of_row(const Program& program);

/// Then: is the last thing that every rank does with a packet the sum that ends in its output, and a packet a vector of 16 bytes? Then it need not go
/// through memory to be normed.
bool ends_in_sums(const Program& program);

/// Bytes that a rank reads and writes in its own memory for it.
Bytes traffic_of(const Epilogue& epilogue, const Payload& payload);
/// Of these, what it writes: where sums are normed in registers, all else was there while they were waited for.
Bytes written_by(const Epilogue& epilogue, const Payload& payload);

/// "add, rms_norm of 8192, float8 by token".
std::string describe(const Epilogue& epilogue);

}  // namespace p2plab
