// SPDX-License-Identifier: Apache-2.0
// Programs of NCCL calls drawn from a seed: all ranks draw the same.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "support/host_gpu/nccl_values.h"

namespace p2plab::test {

enum class Kind { all_reduce, reduce, reduce_scatter, all_gather, broadcast, bcast, gather, scatter, all_to_all, send_receive, ring };
inline constexpr int kinds = 11;
inline constexpr int premultiplied = 5;  // the caller's own operation: a sum of doubled inputs

inline bool sums(Kind kind) { return kind <= Kind::reduce_scatter; }

struct DrawnCall {
  Kind kind = Kind::all_reduce;
  std::size_t count = 0;
  int type = 0;
  int op = 0;
  unsigned root = 0;  // of as many ranks as the communicator has
  bool part = false;  // in the part of the ranks, where there is one
  int stream = 0;     // 0, 1
  bool in_place = false;
  std::size_t shift = 0;  // elements by which buffers are off their best alignment
  bool opens = false;     // a group begins before it
  bool closes = false;    // a group ends after it
};

struct DrawnProgram {
  bool split = false;  // a communicator of even and one of odd ranks, or of all in reverse
  bool reversed = false;
  std::vector<DrawnCall> calls;
};

/// Few types, operations and counts a seed, so that calls come again and programs are made for them.
class Drawing {
 public:
  explicit Drawing(unsigned seed) : random_(seed) {
    constexpr std::array<std::size_t, 15> all{0, 1, 2, 3, 5, 16, 63, 64, 100, 255, 1000, 1024, 1025, 2048, 4097};
    for (int i = 0; i < 4; ++i) counts_.push_back(all[below(all.size())]);
    for (int i = 0; i < 2; ++i) types_.push_back(static_cast<int>(below(10)));
    for (int i = 0; i < 2; ++i) ops_.push_back(static_cast<int>(below(5)));
  }

  DrawnProgram program() {
    DrawnProgram drawn{.split = below(4) == 0, .reversed = below(2) == 0, .calls = {}};
    const auto calls = 4 + below(12);
    unsigned left = 0;  // in the group that is open
    for (unsigned i = 0; i < calls; ++i) {
      auto call = one();
      call.part = drawn.split && below(2) == 0;
      if (left == 0 && below(4) == 0) {
        left = 1 + below(4);
        call.opens = true;
      }
      if (left > 0) call.closes = --left == 0 || i + 1 == calls;
      if (call.closes) left = 0;
      drawn.calls.push_back(call);
    }
    return drawn;
  }

 private:
  unsigned below(std::size_t end) { return static_cast<unsigned>(random_() % end); }

  DrawnCall one() {
    DrawnCall call{.kind = static_cast<Kind>(below(kinds))};
    call.count = counts_[below(counts_.size())];
    call.type = types_[below(types_.size())];
    call.op = below(8) == 0 ? premultiplied : ops_[below(ops_.size())];
    if (!sums(call.kind) && below(8) == 0) call.type = 10;  // float8 is moved only
    call.root = below(64);
    call.stream = static_cast<int>(below(2));
    call.in_place = below(2) == 0;
    call.shift = below(3) == 0 ? 1 + below(3) : 0;
    return call;
  }

  std::mt19937 random_;
  std::vector<std::size_t> counts_;
  std::vector<int> types_;
  std::vector<int> ops_;
};

/// What a rank gives in element `index` of a call: sums and products of up to four ranks are exact in every type.
inline double given(unsigned call, int rank, std::size_t index) {
  const auto mixed = (call * 2654435761U) ^ (static_cast<unsigned>(rank) * 40503U + static_cast<unsigned>(index) * 2246822519U);
  return 1 + static_cast<double>((mixed >> 13) % 3);
}

}  // namespace p2plab::test
