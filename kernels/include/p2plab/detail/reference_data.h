// SPDX-License-Identifier: Apache-2.0
// Known data for collectives: what each rank puts in, what must come out, and the comparison. Works from the contract, never from a schedule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "p2plab/program/measurement.h"
#include "p2plab/schedule/collective.h"
#include "p2plab/schedule/payload.h"

namespace p2plab {

/// What one receiver has of a block: bytes from element `first` of the rank's output on.
struct Received {
  Rank rank;
  std::int64_t first = 0;
  std::span<const std::byte> bytes;
};

/// Pseudo-random input that depends on seed, rank and element, chosen so that every order of combining gives nearly the same result:
///   sum, average of floats   whole numbers from -m to m without 0, m as large as keeps n contributions exact in the type (m >= 1)
///   product of floats        +-1, and +-2 or +-1/2 from at most 12 of the contributors, so that exponents stay in range
///   min, max, copies         floats: whole numbers that the type holds exactly; integers: any value
///   integers                 sum: any value (they wrap); product: any odd value; average: so small that the sum does not wrap, where n allows
/// Tolerance, with u = half the distance from 1 to the next number of the type (2^-11 float16, 2^-8 bfloat16, 2^-24, 2^-53):
///   0 where the above is exact: everything but averages and long float sums;
///   (n - 1) u n m for sums whose largest partial sum, n m, is not exact: one rounding for each of n - 1 hops, first order bound;
///   that plus 3 u |reference| for averages: the division, or a multiplication by a rounded 1/n, and the rounding to the type.
class TestData {
 public:
  /// For a collective with the contract `blocks`.
  TestData(const Collective& collective, std::span<const Block> blocks, const Payload& payload, std::uint64_t seed);

  /// Whether this is the data of such a collective.
  bool is_for(const Collective& collective, std::span<const Block> blocks, const Payload& payload, std::uint64_t seed) const;
  /// Makes all inputs and the reference now, once for all programs that share them, where they take little memory (64 MiB).
  void keep(int threads);
  /// Writes `rank`'s whole contribution to a block; `to` must have the block's size.
  void fill(std::size_t block, Rank rank, std::span<std::byte> to) const;
  /// Elements of a block.
  std::int64_t elements(std::size_t block) const { return elements_[block]; }
  /// Compares what each rank received of a block with a reference in float64 (exact 64-bit integers for integers), on `threads` threads.
  DataCheck check(std::size_t block, std::span<const Received> received, int threads) const;

 private:
  template <class E>
  friend class ReferencePattern;
  template <class E>
  friend class Reference;
  // What `keep` made of a block.
  struct Kept {
    std::vector<std::vector<std::byte>> inputs;  // by contributor
    std::vector<std::byte> output;               // the reference as the type stores it
    std::vector<std::uint8_t> exact;             // by tile: whether the type stores the reference exactly
  };
  DataType type_;
  ReduceOp op_;
  bool reduces_;
  std::uint64_t seed_;
  std::vector<RankList> contributors_;  // per block
  std::vector<std::int64_t> elements_;
  std::vector<std::int64_t> starts_;  // number of the block's first element, all blocks in a row
  std::vector<Kept> kept_;            // by block; none before `keep`
};

/// Fills with what no correct result is: NaN for floats, 0xa5 bytes for integers.
void poison(DataType type, std::span<std::byte> bytes);

/// Adds the findings of `more` to `sum`; the first wrong element is that of `sum` if it has one.
void merge(DataCheck& sum, const DataCheck& more);

}  // namespace p2plab
