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

constexpr Seconds patience{60};

using InvitationBytes = std::array<char, Invitation::size>;

// The first rank of each server sends one; of what all sent, the one of `first`.
Result<Invitation> invitation_of(const std::vector<std::string>& texts, Rank first) {
  InvitationBytes bytes{};
  const auto& text = texts[first.index()];
  if (text.size() < bytes.size()) return Error{ErrorCode::device_failure, fmt::format("rank {} invites nobody", first.value)};
  std::copy_n(text.begin(), bytes.size(), bytes.begin());
  return Invitation::from_bytes(bytes);
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
  std::string mine;
  Status made;
  if (self == mates.front()) {
    const auto invitation = Invitation::make();
    if (!invitation) made = invitation.error();
    if (invitation) {
      const auto bytes = invitation->bytes();
      mine.assign(bytes.data(), bytes.size());
    }
  }
  const auto texts = session.all_gather(mine);
  if (!texts) return texts.error();
  if (!made) return std::move(made).error();
  const auto invitation = invitation_of(*texts, mates.front());
  if (!invitation) return invitation.error();
  const auto own = static_cast<int>(std::ranges::find(mates, self) - mates.begin());
  auto joined = join(*invitation, {.rank = own, .ranks = static_cast<int>(mates.size()), .gathering = patience, .timeout = patience});
  if (auto well = processes::all_well(session, joined ? Status{} : Status{joined.error()}); !well) return std::move(well).error();
  return joined;
}

}  // namespace p2plab::stages
