// SPDX-License-Identifier: Apache-2.0
// How threads take rows, and what is done with them: what code is made for.
#pragma once

#include "device/words.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

inline constexpr int row_strands = 1024;

/// Of what the threads that share a row exchange: three rooms in turn, of 32 numbers each and 16 bytes in which a Machine notes who has come.
inline constexpr std::uint32_t row_rooms = 3;
inline constexpr std::uint32_t row_room_words = 36;
inline constexpr std::uint32_t row_room_notes = 128;  // bytes from a room's beginning

/// Calls body(0) ... body(N - 1): unrolled, where that is short.
template <int N, class Body>
constexpr void each_of(Body&& body) {
  if constexpr (N <= 16) {
    unroll<N>(body);
  } else {
    for (int i = 0; i < N; ++i) body(i);
  }
}

/// What is done with rows: as each call says, or known where code is made for an epilogue.
struct AnyRows {
  static constexpr bool known = false;
};
template <int Norm, int Float8, bool Residual, bool Weight, bool Bias, bool Sum, bool Normed>
struct KnownRows {
  static constexpr bool known = true;
  static constexpr int norm = Norm;
  static constexpr int float8 = Float8;
  static constexpr bool residual = Residual;
  static constexpr bool weight = Weight;
  static constexpr bool bias = Bias;
  static constexpr bool sum = Sum;
  static constexpr bool normed = Normed;
};

/// How a block takes rows: so many threads; so many vectors of a row to a thread, held in registers (0: any number, loaded again for each pass); do
/// rows consist of whole vectors? And what is done with them.
template <class NumberOf, int ThreadsOf, int SlotsOf, bool WholeOf, class RowsOf = AnyRows>
struct RowShape {
  using Rows = RowsOf;
  using Number = NumberOf;
  static constexpr int threads = ThreadsOf;
  static constexpr int slots = SlotsOf;
  static constexpr bool whole = WholeOf;
  static constexpr int elements = 4 * Number::per_word;  // of a vector
  static constexpr int bytes = 4 / Number::per_word;     // of an element
  static constexpr int strands = row_strands / threads;  // of a thread
  static constexpr int sums = slots > 0 && slots < strands ? slots : strands;
  static constexpr int held = slots > 0 ? slots : 1;
};

}  // namespace p2plab::device
