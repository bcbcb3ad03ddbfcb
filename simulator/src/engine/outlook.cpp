// SPDX-License-Identifier: Apache-2.0
#include "engine/outlook.h"

#include <algorithm>

namespace p2plab {

namespace {

constexpr std::int64_t events_of_a_carrier = 8;  // between two looks: so looks cost a few percent of the play
constexpr std::int64_t least_events = 1024;

}  // namespace

Outlook::Outlook(const Agenda& agenda, const std::vector<std::int64_t>& loads, std::int64_t useful) : agenda_(agenda), useful_(useful) {
  for (std::size_t r = 0; r < loads.size(); ++r) {
    const auto& transfer_time = agenda.program.resources[r].transfer_time;
    if (loads[r] > 0 && transfer_time.rate > 0) carriers_.push_back({r, loads[r], transfer_time});
  }
}

bool Outlook::look() {
  next_look_ = agenda_.events.count() + least_events + events_of_a_carrier * static_cast<std::int64_t>(carriers_.size());
  return std::ranges::any_of(carriers_, [&](Carrier& carrier) {
    const auto& resource = agenda_.program.resources[carrier.resource];
    const auto left = carrier.load - resource.bytes;
    return left > 0 && std::max(agenda_.now(), resource.free) + carrier.transfer_time.of(left) > useful_;
  });
}

}  // namespace p2plab
