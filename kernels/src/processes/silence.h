// SPDX-License-Identifier: Apache-2.0
// How long a process of a job may say nothing at all: each answers the other end several times a second, whatever its rank does, unless it is stopped
// or its machine is gone.
#pragma once

#include <chrono>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab::processes {

/// `given`, if it is not zero; else what P2PLAB_SILENCE says, in seconds; else 10 s. From 1 s to 24 hours. Errors: invalid_input.
Result<Seconds> silence_limit(Seconds given = Seconds{0});

/// Counts looks without a word. Looks, not time: while this process did not run itself, as when a whole job is stopped and goes on, nobody was
/// silent.
class Silence {
 public:
  static constexpr std::chrono::milliseconds look_every{100};
  static constexpr int looks_between_words = 3;  // the server asks that often

  explicit Silence(Seconds limit) : most_(static_cast<int>(limit / Seconds{look_every})) {}
  void heard() { looks_ = 0; }
  /// One more look; from the limit on true.
  bool look() { return ++looks_ >= most_; }

 private:
  int most_;
  int looks_ = 0;
};

}  // namespace p2plab::processes
