// SPDX-License-Identifier: Apache-2.0
#include "shim/recording.h"

#include <unistd.h>

#include <mutex>
#include <unordered_map>

#include "monitor/gpu_place.h"
#include "monitor/recorder.h"
#include "shim/communicators.h"
#include "shim/settings.h"

namespace p2plab::shim {

namespace {

monitor::Recorder* recorder() { return monitor::Recorder::of_process("shim", setting); }

// Communicators that were made where the shim does not look, as in a group: known in this process only.
struct Unknown {
  std::mutex mutex;
  std::unordered_map<Comm, int> sides;
  std::size_t seen = 0;
};
Unknown& unknown() {
  static auto* const all = new Unknown;  // threads may outlast static objects
  return *all;
}

int side_of_unknown(Comm comm) {
  auto& all = unknown();
  const std::lock_guard lock(all.mutex);
  const auto [found, added] = all.sides.try_emplace(comm, -1);
  if (!added) return found->second;
  int rank = 0;
  int ranks = 1;
  real(p2plab_real_ncclCommUserRank, comm, &rank);
  real(p2plab_real_ncclCommCount, comm, &ranks);
  const auto name = "not seen when it was made: process " + std::to_string(getpid()) + ", the " + std::to_string(++all.seen);
  return found->second = recorded_side(name, rank, ranks, current_device());
}

monitor::CallInfo info_of(const Collective& c) {
  const bool reduces = c.kind == P2PLAB_ALL_REDUCE || c.kind == P2PLAB_REDUCE || c.kind == P2PLAB_REDUCE_SCATTER;
  const bool rooted = c.kind == P2PLAB_REDUCE || c.kind == P2PLAB_BROADCAST || c.kind == P2PLAB_GATHER || c.kind == P2PLAB_SCATTER;
  return {.count = c.count,
          .bytes = c.count * monitor::bytes_of_nccl_type(c.type),
          .kind = static_cast<monitor::Kind>(c.kind),
          .type = static_cast<std::uint8_t>(c.type),
          .op = static_cast<std::uint8_t>(reduces && c.op >= 0 && c.op <= 4 ? c.op : 255),
          .root = static_cast<std::int16_t>(rooted ? c.root : -1),
          .stream = monitor::short_of(c.stream)};
}

}  // namespace

int recorded_side(const std::string& name, int rank, int ranks, int device) {
  auto* const all = recorder();
  if (all == nullptr) return -1;
  return all->add_side({.communicator = monitor::number_of(name.data(), name.size()),
                        .rank = rank,
                        .ranks = ranks,
                        .device = device,
                        .place = monitor::gpu_place(device).place,
                        .name = name.c_str()});
}

void close_recorded(int side) {
  if (auto* const all = recorder(); all != nullptr) all->close_side(side);
}

void forget_recorded(Comm comm) {
  auto& all = unknown();
  int side = -1;
  {
    const std::lock_guard lock(all.mutex);
    const auto found = all.sides.find(comm);
    if (found == all.sides.end()) return;
    side = found->second;
    all.sides.erase(found);
  }
  close_recorded(side);
}

Recorded::Recorded(const Collective& c) : call_(c) {
  auto* const all = recorder();
  if (all == nullptr) return;
  const auto peer = communicators().find(c.comm);
  side_ = peer == nullptr ? side_of_unknown(c.comm) : peer->side();
  number_ = all->begin(side_, info_of(c));
}

Recorded::~Recorded() {
  if (number_ != 0) recorder()->end(number_, monitor::Progress::queued);
}

void Recorded::goes_to_nccl(const char* why) const {
  if (number_ == 0) return;
  auto info = info_of(call_);
  info.backend = monitor::Backend::nccl;
  info.reason = recorder()->name(why);
  info.flags = monitor::passed_on;
  recorder()->served(number_, info);
}

void Recorded::served() const {
  if (number_ == 0) return;
  auto info = info_of(call_);
  info.flags = monitor::recorded_inside;
  recorder()->served(number_, info);
}

void Recorded::failed(const char* why) const {
  if (number_ == 0) return;
  recorder()->end(number_, monitor::Progress::failed);
  recorder()->event(monitor::EventKind::error, side_, why);
}

}  // namespace p2plab::shim
