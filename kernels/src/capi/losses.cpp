// SPDX-License-Identifier: Apache-2.0
// What a communicator lost, and another one on what is left.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "capi/answer.h"
#include "capi/chooser.h"
#include "capi/communicators.h"
#include "capi/settings.h"
#include "p2plab/schedule/verify.h"
#include "runtime/machines.h"

using namespace p2plab;
using namespace p2plab::capi;

namespace {

std::vector<int> left_of(int ranks, const std::vector<int>& gone) {
  std::vector<int> left;
  for (int rank = 0; rank < ranks; ++rank) {
    if (std::ranges::find(gone, rank) == gone.end()) left.push_back(rank);
  }
  return left;
}

// What would serve an all-reduce among those that are left, proved.
Result<std::string> offer(const runtime::Engine& engine, const runtime::MachineLoss& loss) {
  const auto left = left_of(engine.ranks(), loss.ranks);
  if (left.size() < 2) return std::string{left.empty() ? "no rank is left" : "one rank is left"};
  std::vector<std::pair<int, int>> apart;
  for (const auto& [a, b] : loss.pairs) {
    const auto place = [&](int rank) { return static_cast<int>(std::ranges::find(left, rank) - left.begin()); };
    if (std::ranges::binary_search(left, a) && std::ranges::binary_search(left, b)) apart.emplace_back(place(a), place(b));
  }
  const int ranks = static_cast<int>(left.size());
  const auto machine = apart.empty() ? runtime::peer_machine(ranks, true) : runtime::torn_machine(ranks, apart, true);
  const auto chooser = make_chooser({}, ranks);
  if (!chooser) return chooser.error();
  std::vector<std::string> plans;
  for (const std::int64_t kib : {16, 1024, 65536}) {
    const runtime::Call call{.type = DataType::float16, .count = kib * 1024 / size_of(DataType::float16)};
    const auto chosen = (*chooser)->choose(call, ranks, machine);
    if (!chosen) return chosen.error();
    if (const auto proved = verify(machine, chosen->plan.schedule); !proved) return proved.error();
    plans.push_back(fmt::format("{} of {} KiB by {}", to_string(call.kind), kib, chosen->plan.planner));
  }
  return fmt::format("ranks {} can go on: {}, proved", fmt::join(left, ", "), fmt::join(plans, ", "));
}

// The old communicators' losses are told to rank 0's record alone, and so are the new ones'.
p2plab_result repair_here(p2plab_comm** repaired, const p2plab_comm& comm, const std::vector<int>& left, int rank, const p2plab_config* config) {
  const std::lock_guard lock(comm.repairs->mutex);
  auto found = comm.repairs->made.find(left);
  if (found == comm.repairs->made.end()) {
    std::vector<int> devices;
    for (const int one : left) devices.push_back(comm.engine->device(one));
    auto made = init_here(devices, config, false);
    if (!made) return failed(made.error());
    found = comm.repairs->made.emplace(left, *std::move(made)).first;
  }
  auto& all = found->second;
  if (all.taken.contains(rank)) return invalid("this communicator was repaired before: what goes on in its stead can be repaired again");
  auto made = rank_here(all, rank);
  if (rank == 0 && made->recording) made->engine->tell_losses(made->recording->teller());
  *repaired = made.release();
  all.taken.insert(rank);
  if (all.taken.size() == left.size()) all.engine = nullptr;
  return P2PLAB_OK;
}

}  // namespace

extern "C" {

p2plab_result p2plab_comm_loss(const p2plab_comm* comm, char* text, size_t size) {
  return guarded([&] {
    if (comm == nullptr || text == nullptr || size == 0) return invalid("no communicator, or no room for the text");
    const auto loss = comm->engine->loss();
    auto all = loss.text;
    if (loss.ends_calls()) {
      const auto offered = offer(*comm->engine, loss);
      all += "; " + (offered ? *offered : "nothing can go on: " + offered.error().message);
    }
    const auto length = std::min(all.size(), size - 1);
    std::memcpy(text, all.data(), length);
    text[length] = '\0';
    return P2PLAB_OK;
  });
}

p2plab_result p2plab_comm_repair(p2plab_comm** repaired, p2plab_comm* comm, const int* without, int count, const p2plab_config* config) {
  return guarded([&] {
    if (repaired == nullptr || comm == nullptr || count < 0 || (without == nullptr && count > 0))
      return invalid("no communicator, no place for the new one, or no ranks to be left out");
    *repaired = nullptr;
    auto& engine = *comm->engine;
    auto gone = engine.loss().ranks;
    gone.insert(gone.end(), without, without + count);
    for (const int one : gone) {
      if (one < 0 || one >= engine.ranks()) return failed({ErrorCode::invalid_input, fmt::format("no rank {} among {}", one, engine.ranks())});
    }
    const auto left = left_of(engine.ranks(), gone);
    const auto mine = std::ranges::find(left, comm->rank);
    if (mine == left.end()) return failed({ErrorCode::unsupported, fmt::format("rank {} is one of those that are left out", comm->rank)});
    const auto rank = static_cast<int>(mine - left.begin());
    if (comm->met && comm->met->over_tcp() && left.front() != 0)
      return failed({ErrorCode::unsupported, "rank 0, at whose address the ranks met, is gone: meet at another one, by p2plab_address_unique_id"});
    engine.abort("another communicator goes on in its place");
    if (!comm->met) return repair_here(repaired, *comm, left, rank, config);
    // Where the ranks that are left meet in one machine: who means others does not come there. Over TCP a record would have both as one.
    const auto others = fmt::format("{:016x} without others than {}", comm->number, fmt::join(left, ","));
    return init_rank({.comm = repaired,
                      .ranks = static_cast<int>(left.size()),
                      .invitation = comm->met->over_tcp() ? *comm->met : Invitation::named(others),
                      .rank = rank,
                      .device = engine.device(comm->rank),
                      .config = config,
                      .tuned = false,
                      .number = monitor::number_of(others.data(), others.size())});
  });
}

}  // extern "C"
