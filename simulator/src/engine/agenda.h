// SPDX-License-Identifier: Apache-2.0
// What the parts of a simulation share: the program, the events to come, and what is kept of the run.
#pragma once

#include <cstdint>
#include <vector>

#include "compile/compiled.h"
#include "engine/event_queue.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

/// What to keep of a run beside its times. The pointers may be null.
struct EngineOutputs {
  std::vector<std::int64_t>* begins = nullptr;  // when each slice was issued, in the order of `ThreadBlocks::completions`
  Recording* recording = nullptr;               // needs a program, not a pattern
  const Program* program = nullptr;             // with `recording`
  bool every_slice = false;                     // play also what repeats
};

/// The head that came to a resource last.
struct LastHead {
  std::int64_t time = -1;
  std::uint64_t cause = 0;
};

struct Agenda {
  Compiled& program;
  EngineOutputs outputs;
  EventQueue events = {};
  std::uint64_t causes = 0;          // counts what sends heads off: a slice's operands go in their own order
  std::int64_t transfers = 0;        // sent so far
  bool overflow = false;             // the clock ran beyond `latest`, or the numbers of transfers did
  bool ambiguous = false;            // of a folded program: two heads came to one resource at the same time
  std::vector<LastHead> heads = {};  // by resource, if folded

  std::int64_t now() const { return events.now(); }

  void schedule(std::int64_t time, EventKind kind, std::uint32_t index) {
    if (time >= latest) {
      overflow = true;
      return;
    }
    events.push(time, kind, index);
  }

  /// A head comes to a resource: whose turn it is must not hang on the order of events, if one rank stands for all.
  void look_for_tie(std::uint32_t resource) {
    auto& head = heads[resource];
    if (head.time == now() && head.cause != causes) ambiguous = true;
    head = {now(), causes};
  }
};

}  // namespace p2plab
