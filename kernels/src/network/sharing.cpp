// SPDX-License-Identifier: Apache-2.0
#include "network/sharing.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "network/fabric.h"
#include "p2plab/detail/settings.h"
#include "processes/results.h"

namespace p2plab::runtime {

namespace {

constexpr int measured_to_pay = 4;

// None where the setting is not set.
Result<std::optional<int>> whole_number(const char* name, int least, int most, const char* of_what) {
  const char* const text = setting(name);
  if (text == nullptr) return std::optional<int>{};
  const std::string_view all{text};
  int value = 0;
  const auto [end, code] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (code == std::errc{} && end == all.data() + all.size() && value >= least && value <= most) return std::optional{value};
  return Error{ErrorCode::invalid_input, fmt::format("{}='{}': {} to {} {}", name, text, least, most, of_what)};
}

struct Asked {
  std::optional<int> carriers;
  std::optional<int> part;  // KiB
};

Result<Asked> asked_here() {
  const auto carriers = whole_number("P2PLAB_CARRIERS", 1, 8, "communicators carry messages between servers");
  if (!carriers) return carriers.error();
  const auto part = whole_number("P2PLAB_CARRIER_PART", 1, 65536, "KiB of a message at least go by one communicator");
  if (!part) return part.error();
  return Asked{*carriers, *part};
}

std::string text_of(const Asked& asked) {
  const auto value = [](const std::optional<int>& each) { return each ? fmt::format("{}", *each) : std::string{"none"}; };
  return fmt::format("P2PLAB_CARRIERS: {}, P2PLAB_CARRIER_PART: {}", value(asked.carriers), value(asked.part));
}

// The same on all ranks.
Result<Asked> asked(Session& session) {
  const auto mine = asked_here();
  if (auto well = processes::all_well(session, mine ? Status{} : Status{mine.error()}); !well) return std::move(well).error();
  const auto all = session.all_gather(text_of(*mine));
  if (!all) return all.error();
  const auto other = std::ranges::find_if(*all, [&](const std::string& each) { return each != all->front(); });
  if (other == all->end()) return *mine;
  return Error{ErrorCode::invalid_input, fmt::format("rank {} has {}; rank 0 has {}", other - all->begin(), *other, all->front())};
}

// Of all ranks: who sends by sockets, and who by as many as NCCL takes by itself.
struct BySockets {
  bool all = true;
  bool as_they_come = true;
};

Result<BySockets> by_sockets_everywhere(Session& session) {
  const auto said = session.all_gather(!by_sockets() ? "other" : has_more_sockets() ? "more sockets" : "sockets");
  if (!said) return said.error();
  BySockets found;
  for (const auto& each : *said) {
    found.all = found.all && each != "other";
    found.as_they_come = found.as_they_come && each == "sockets";
  }
  return found;
}

}  // namespace

std::vector<stages::Transfer> parts_of(const stages::Transfer& transfer, const Sharing& sharing) {
  constexpr std::int64_t vector = 16;
  const auto parts = std::clamp<std::int64_t>(transfer.bytes / sharing.least.count(), 1, sharing.carriers);
  const auto length = ((transfer.bytes + parts - 1) / parts + vector - 1) / vector * vector;
  std::vector<stages::Transfer> all;
  for (std::int64_t at = 0; at < transfer.bytes; at += length)
    all.push_back({transfer.peer, reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(transfer.memory) + static_cast<std::uintptr_t>(at)),
                   std::min(length, transfer.bytes - at)});
  return all;
}

Result<Sharing> agreed_sharing(Session& session, const Servers& servers) {
  const auto given = asked(session);
  if (!given) return given.error();
  const auto sockets = by_sockets_everywhere(session);
  if (!sockets) return sockets.error();
  Sharing sharing{.sockets = sockets->all};
  if (given->part) sharing.least = Bytes{std::int64_t{*given->part} << 10};
  const bool single = std::ranges::none_of(servers.ranks, [](const auto& mates) { return mates.size() > 1; });
  sharing.carriers = given->carriers.value_or(single && sockets->as_they_come ? measured_to_pay : 1);
  return sharing;
}

}  // namespace p2plab::runtime
