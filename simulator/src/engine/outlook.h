// SPDX-License-Identifier: Apache-2.0
// What a play takes at least, by what it has left to do: one that will take too long need not be played to its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/agenda.h"

namespace p2plab {

/// Whatever a resource has not carried yet it will carry after the present moment, and after what it is booked for.
class Outlook {
 public:
  /// `loads`: by resource, bytes that it carries at least.
  Outlook(const Agenda& agenda, const std::vector<std::int64_t>& loads, std::int64_t useful);

  /// Is it certain that the play ends after `useful`? Between events.
  bool is_vain() { return agenda_.events.count() >= next_look_ && look(); }

 private:
  struct Carrier {
    std::size_t resource = 0;
    std::int64_t load = 0;
    TransferTime transfer_time;
  };
  bool look();

  const Agenda& agenda_;
  std::int64_t useful_;
  std::vector<Carrier> carriers_;  // those that carry anything
  std::int64_t next_look_ = 0;     // counted in events
};

}  // namespace p2plab
