// SPDX-License-Identifier: Apache-2.0
#include "stages/server_session.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "p2plab/run/rendezvous.h"
#include "processes/rendezvous_server.h"
#include "processes/results.h"

namespace p2plab::stages {

namespace {

constexpr Seconds timeout{60};

using OfferBytes = std::array<char, Invitation::size>;

// Of what all sent, the offers of these ranks.
Result<std::vector<OfferBytes>> offers_of(const std::vector<std::string>& texts, const std::vector<Rank>& mates) {
  std::vector<OfferBytes> all;
  for (const auto rank : mates) {
    const auto& text = texts[rank.index()];
    if (text.size() != Invitation::size) return Error{ErrorCode::device_failure, fmt::format("rank {} sent no place to meet at", rank.value)};
    std::ranges::copy(text, all.emplace_back().begin());
  }
  return all;
}

}  // namespace

Status check_places(const Servers& servers, const std::vector<std::string>& machines) {
  for (const auto& ranks : servers.ranks) {
    for (const auto rank : ranks) {
      if (machines[rank.index()] == machines[ranks.front().index()]) continue;
      return Error{ErrorCode::invalid_input,
                   fmt::format("ranks {} and {} are of one server in the plan's machine, but run on two", ranks.front().value, rank.value),
                   std::nullopt,
                   {"start the ranks of one server behind each other on one machine (mpirun --map-by node: not; --map-by slot: so)"}};
    }
  }
  return {};
}

Result<std::unique_ptr<Session>> join_server(Session& session, const Servers& servers) {
  const auto machines = session.all_gather(processes::machine_here());
  if (!machines) return machines.error();
  if (auto good = check_places(servers, *machines); !good) return std::move(good).error();
  const auto& mates = servers.ranks[static_cast<std::size_t>(servers.of[static_cast<std::size_t>(session.rank())])];
  const Rank self{session.rank()};
  const auto own = static_cast<int>(std::ranges::find(mates, self) - mates.begin());
  auto offer = MeetingOffer::make(own);
  if (auto well = processes::all_well(session, offer ? Status{} : Status{offer.error()}); !well) return std::move(well).error();
  const auto bytes = offer->bytes();
  const auto texts = session.all_gather({bytes.data(), bytes.size()});
  if (!texts) return texts.error();
  const auto offers = offers_of(*texts, mates);
  if (!offers) return offers.error();
  const auto place = MeetingOffer::settle(*offers);
  if (!place) return place.error();
  auto joined = join(*place, {.rank = own, .ranks = static_cast<int>(mates.size()), .gathering = timeout, .timeout = timeout},
                     place->over_tcp() ? offer->take_listener() : FileDescriptor{});
  if (auto well = processes::all_well(session, joined ? Status{} : Status{joined.error()}); !well) return std::move(well).error();
  return joined;
}

}  // namespace p2plab::stages
