// SPDX-License-Identifier: Apache-2.0
// The event loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/agenda.h"
#include "engine/arbitrated_links.h"
#include "engine/fair_links.h"
#include "engine/outlook.h"
#include "engine/thread_blocks.h"

namespace p2plab {

class SteadyState;

/// Plays a compiled program: thread blocks and links, joined by the events to come.
class Engine {
 public:
  Engine(Compiled& compiled, const EngineOutputs& outputs);

  /// Before `run`: what will certainly end after `useful` is not played to its end. `loads`: by resource, bytes that it carries at least.
  void give_up_beyond(std::int64_t useful, const std::vector<std::int64_t>& loads);

  /// Before `run`: it is not played to its end if then all ranks that do anything still do.
  void give_up_if_none_is_free_by(std::int64_t time) { free_by_ = time; }

  /// Errors: lanes that wait in a circle, the clock's overflow.
  Status run();

  /// It was not played to its end.
  bool given_up() const { return given_up_; }

  /// Of a folded program: two heads came to one resource at the same time, so the result may not hold for all ranks.
  bool ambiguous() const { return agenda_.ambiguous; }
  std::int64_t events() const { return agenda_.events.count(); }
  std::int64_t transfers() const { return agenda_.transfers; }
  const ThreadBlocks& blocks() const& { return blocks_; }
  const ThreadBlocks& blocks() && = delete;

 private:
  Status run_in_order(SteadyState* steady);
  bool goes_on();
  Status end() const;
  void handle(const Event& event);

  Agenda agenda_;
  ThreadBlocks blocks_;
  std::unique_ptr<ArbitratedLinks> arbitrated_;  // one of the two
  std::unique_ptr<FairLinks> fair_;
  Links* links_ = nullptr;
  std::optional<Outlook> outlook_;
  std::int64_t free_by_ = latest;  // asked once, when that is over
  bool given_up_ = false;
};

}  // namespace p2plab
