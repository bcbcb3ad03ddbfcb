// SPDX-License-Identifier: Apache-2.0
// The CUDA graphs that hold calls of NCCL's, whose communicators wait in their end for all of them to be gone, however long that takes.
#pragma once

#include <chrono>
#include <memory>

#include "p2plab/base/result.h"

namespace p2plab::runtime {

class GraphHolds {
 public:
  GraphHolds();
  /// Before a rank's call is put on a stream: where the stream is being captured, the graph counts until it and all that was made of it are gone.
  Status hold(int rank, void* stream);
  /// None is waited for any more.
  void forget();
  /// How many hold calls of a rank: none as soon as there is none, else those that there are at a time.
  int left(int rank, std::chrono::steady_clock::time_point until) const;

 private:
  struct Body;
  std::shared_ptr<Body> body_;  // CUDA tells the end of a graph whenever it comes to it
};

}  // namespace p2plab::runtime
