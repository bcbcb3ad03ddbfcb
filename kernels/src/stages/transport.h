// SPDX-License-Identifier: Apache-2.0
// What carries messages between servers: one rank's part of a group at a time.
#pragma once

#include <cstdint>
#include <span>

#include "p2plab/base/ids.h"
#include "p2plab/base/result.h"

namespace p2plab::stages {

/// Memory of this rank that goes to a peer, or that comes from it.
struct Transfer {
  Rank peer;
  void* memory = nullptr;
  std::int64_t bytes = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  /// All of them at the same time; those with one peer in the order given, which is the peer's, too. What was put on `stream` before is done before
  /// they begin, and they are done before what follows there begins; a transport of host memory has no stream, and is done when it returns. Errors:
  /// device_failure, naming the peer.
  virtual Status exchange(std::span<const Transfer> sends, std::span<const Transfer> receives, void* stream) = 0;
};

}  // namespace p2plab::stages
