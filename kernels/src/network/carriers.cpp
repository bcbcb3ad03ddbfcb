// SPDX-License-Identifier: Apache-2.0
#include "network/carriers.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"

namespace p2plab::runtime {

Result<std::unique_ptr<Carriers>> Carriers::create(NcclCalls& first, Session& session, const GpuPrograms::Here& here, const Servers& servers,
                                                   const CallersNccl* callers) {
  const auto sharing = agreed_sharing(session, servers);
  if (!sharing) return sharing.error();
  auto made = std::make_unique<Carriers>(first);
  made->sharing_ = *sharing;
  if (sharing->carriers == 1) return made;
  auto begun = device::Order::create(here.device);
  if (!begun) return std::move(begun).error();
  made->begun_ = *std::move(begun);
  for (int c = 1; c < sharing->carriers; ++c) {
    auto nccl = callers != nullptr ? NcclCalls::beside(*callers, session, here) : NcclCalls::create(&session, session.ranks(), {&here, 1});
    if (!nccl) return std::move(nccl).error();
    auto stream = device::stream(here.device);
    if (!stream) return std::move(stream).error();
    auto done = device::Order::create(here.device);
    if (!done) return std::move(done).error();
    made->more_.push_back({*std::move(nccl), *std::move(stream), *std::move(done)});
  }
  return made;
}

// What the further ones carry begins with what the first does, on streams of their own, and ends before what follows on the caller's.
Status Carriers::exchange(int rank, std::span<const stages::Transfer> sends, std::span<const stages::Transfer> receives, void* stream) const {
  if (more_.empty()) return first_.exchange(rank, sends, receives, stream);
  struct Share {
    std::vector<stages::Transfer> sends;
    std::vector<stages::Transfer> receives;
  };
  std::vector<Share> shares(more_.size() + 1);
  const auto spread = [&](std::span<const stages::Transfer> all, std::vector<stages::Transfer> Share::*to) {
    for (const auto& each : all) {
      const auto parts = parts_of(each, sharing_);
      for (std::size_t p = 0; p < parts.size(); ++p) (shares[p].*to).push_back(parts[p]);
    }
  };
  spread(sends, &Share::sends);
  spread(receives, &Share::receives);
  std::vector<const More*> used;
  for (std::size_t c = 0; c < more_.size(); ++c) {
    if (!shares[c + 1].sends.empty() || !shares[c + 1].receives.empty()) used.push_back(&more_[c]);
  }
  if (!used.empty()) {
    if (auto done = begun_.mark(stream); !done) return done;
  }
  if (auto done = first_.exchange(rank, shares.front().sends, shares.front().receives, stream); !done) return done;
  for (std::size_t c = 0; c < used.size(); ++c) {
    const auto& each = *used[c];
    if (auto done = begun_.wait(each.stream.get()); !done) return done;
    const auto& share = shares[c + 1];
    if (auto done = each.nccl->exchange(rank, share.sends, share.receives, each.stream.get()); !done) return done;
    if (auto done = each.done.mark(each.stream.get()); !done) return done;
  }
  for (const auto* each : used) {
    if (auto done = each->done.wait(stream); !done) return done;
  }
  return {};
}

std::string Carriers::describe() const {
  return more_.empty() ? "" : fmt::format("messages by {} communicators, in parts of {} and more", sharing_.carriers, to_string(sharing_.least));
}

int Carriers::graphs_left(int rank, std::chrono::steady_clock::time_point until) const {
  int most = first_.graphs_left(rank, until);
  for (const auto& each : more_) most = std::max(most, each.nccl->graphs_left(rank, until));
  return most;
}

void Carriers::abort() {
  first_.abort();
  for (const auto& each : more_) each.nccl->abort();
}

}  // namespace p2plab::runtime
