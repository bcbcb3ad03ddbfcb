// SPDX-License-Identifier: Apache-2.0
// Records what the shim passes on to NCCL, and notes what it serves, which libp2plab records itself. Only where P2PLAB_MONITOR asks for it.
#pragma once

#include <cstdint>
#include <string>

#include "shim/calls.h"

namespace p2plab::shim {

/// A communicator's place in the record; -1: nothing is recorded.
int recorded_side(const std::string& name, int rank, int ranks, int device);
void close_recorded(int side);
/// A communicator goes, and another may come to lie where it was.
void forget_recorded(Comm comm);

/// One call, from its begin to the end of this object.
class Recorded {
 public:
  explicit Recorded(const Collective& c);
  ~Recorded();
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;
  Recorded(Recorded&&) = delete;
  Recorded& operator=(Recorded&&) = delete;

  void goes_to_nccl(const char* why) const;
  void served() const;
  void failed(const char* why) const;

 private:
  const Collective& call_;
  int side_ = -1;
  std::uint64_t number_ = 0;
};

}  // namespace p2plab::shim
