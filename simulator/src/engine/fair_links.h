// SPDX-License-Identifier: Apache-2.0
// Links that all transfers share fairly.
#pragma once

#include <vector>

#include "engine/links.h"
#include "sharing/fair_share.h"

namespace p2plab {

/// A transfer is a flow that drains over all resources of its path at once, at its max-min fair rate, then takes the path's latency to arrive.
class FairLinks final : public Links {
 public:
  FairLinks(Agenda& agenda, ThreadBlocks& blocks);

  std::int64_t launch(Transfer transfer) override;
  void handle(const Event& event) override;

 private:
  void begin_flow(std::uint32_t transfer);
  void share_out();
  void end_flow(std::uint32_t drain);
  void share_soon();

  FairShare shares_;
  std::vector<FairShare::Drain> drains_;  // ends of flows that events speak of
  std::vector<std::uint32_t> unused_drains_;
  std::vector<FairShare::Drain> fresh_drains_;
  std::vector<std::uint32_t> transfer_of_;  // by flow
  bool share_due_ = false;
};

}  // namespace p2plab
