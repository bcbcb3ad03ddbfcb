// SPDX-License-Identifier: Apache-2.0
#include "network/carriers.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/detail/settings.h"
#include "processes/results.h"

namespace p2plab::runtime {

namespace {

Result<int> wanted_here() {
  const char* const text = setting("P2PLAB_CARRIERS");
  if (text == nullptr) return 1;
  if (text[0] >= '1' && text[0] <= '8' && text[1] == '\0') return text[0] - '0';
  return Error{ErrorCode::invalid_input, fmt::format("P2PLAB_CARRIERS='{}': 1 to 8 communicators carry messages between servers", text)};
}

// The same on all ranks.
Result<int> wanted(Session& session) {
  const auto mine = wanted_here();
  if (auto well = processes::all_well(session, mine ? Status{} : Status{mine.error()}); !well) return std::move(well).error();
  const auto all = session.all_gather(fmt::format("{}", *mine));
  if (!all) return all.error();
  const auto other = std::ranges::find_if(*all, [&](const std::string& each) { return each != all->front(); });
  if (other == all->end()) return *mine;
  return Error{ErrorCode::invalid_input, fmt::format("rank {} has P2PLAB_CARRIERS={}, rank 0 has {}", other - all->begin(), *other, all->front())};
}

}  // namespace

std::vector<stages::Transfer> parts_of(const stages::Transfer& transfer, int carriers) {
  constexpr std::int64_t least = (256_KiB).count();
  constexpr std::int64_t vector = 16;
  const auto parts = std::clamp<std::int64_t>(transfer.bytes / least, 1, carriers);
  const auto length = ((transfer.bytes + parts - 1) / parts + vector - 1) / vector * vector;
  std::vector<stages::Transfer> all;
  for (std::int64_t at = 0; at < transfer.bytes; at += length)
    all.push_back({transfer.peer, reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(transfer.memory) + static_cast<std::uintptr_t>(at)),
                   std::min(length, transfer.bytes - at)});
  return all;
}

Result<std::unique_ptr<Carriers>> Carriers::create(NcclCalls& first, Session& session, const GpuPrograms::Here& here) {
  const auto count = wanted(session);
  if (!count) return count.error();
  auto made = std::make_unique<Carriers>(first);
  if (*count == 1) return made;
  auto begun = device::Order::create(here.device);
  if (!begun) return std::move(begun).error();
  made->begun_ = *std::move(begun);
  for (int c = 1; c < *count; ++c) {
    auto nccl = NcclCalls::create(&session, session.ranks(), {&here, 1});
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
      const auto parts = parts_of(each, static_cast<int>(shares.size()));
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

void Carriers::abort() {
  first_.abort();
  for (const auto& each : more_) each.nccl->abort();
}

}  // namespace p2plab::runtime
