// SPDX-License-Identifier: Apache-2.0
// The names of NCCL with code of their own.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "shim/calls.h"
#include "shim/communicators.h"
#include "shim/counters.h"

namespace p2plab::shim {

namespace {

// In digits: an id holds zeros.
std::string text_of(const UniqueId& id) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const char byte : id.bytes) {
    const auto value = static_cast<unsigned char>(byte);
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

// An id of NCCL's fills less than half of its bytes; the last ones hold where ranks that get it exchange how to meet, on whatever servers they are.
// One that the user set is made by each rank for itself.
constexpr std::size_t place_at = sizeof UniqueId{}.bytes - P2PLAB_PLACE_BYTES;

void add_place(UniqueId& id) {
  constexpr std::size_t half = sizeof id.bytes / 2;
  if (std::getenv("NCCL_COMM_ID") != nullptr || !runtime().loaded ||
      std::any_of(id.bytes + half, std::end(id.bytes), [](char byte) { return byte != 0; }))
    return;
  std::array<char, P2PLAB_PLACE_BYTES> place{};
  if (runtime().open_place(place.data()) == P2PLAB_OK) std::copy(place.begin(), place.end(), id.bytes + place_at);
}

std::string place_of(const UniqueId& id) {
  const std::string place(id.bytes + place_at, P2PLAB_PLACE_BYTES);
  return place.find_first_not_of('\0') == std::string::npos ? std::string{} : place;
}

bool well(int result) { return result == success || result == in_progress; }

// One that was made from another: of what all ranks know, its name and who is in it.
void add_part(Comm parent, Comm made, const std::string& how) {
  const auto from = communicators().find(parent);
  if (from == nullptr) return;
  const auto name = from->next_name(how);
  int ranks = 0;
  int rank = 0;
  // Not known yet in a group, or where NCCL is still at it: then it stays NCCL's.
  if (made == nullptr || thread().depth > 0 || real(p2plab_real_ncclCommCount, made, &ranks) != success ||
      real(p2plab_real_ncclCommUserRank, made, &rank) != success)
    return;
  communicators().add({made, name, from->place(), ranks, rank, current_device()}, true);
}

// In a group NCCL has it at the end.
int made(int result, MadeComm one) {
  if (!well(result) || one.comm == nullptr || thread().inside) return result;
  one.device = current_device();
  if (thread().depth > 0)
    thread().made.push_back(std::move(one));
  else
    communicators().add({*one.comm, one.name, one.place, one.ranks, one.rank, one.device}, result == success);
  return result;
}

// What a group made: where all ranks of one are in it, they need not meet; others meet in the background, and are waited for once all are on their
// way.
void add_made() {
  const auto made = std::move(thread().made);
  thread().made.clear();
  for (std::size_t i = 0; i < made.size(); ++i) {
    const auto& first = made[i];
    std::vector<Comm> comms(static_cast<std::size_t>(std::max(first.ranks, 0)));
    std::vector<int> devices(comms.size());
    std::size_t here = 0;
    bool earlier = false;
    for (std::size_t k = 0; k < made.size(); ++k) {
      if (made[k].name != first.name || made[k].ranks != first.ranks || made[k].rank < 0 || made[k].rank >= first.ranks) continue;
      earlier = earlier || k < i;
      ++here;
      comms[static_cast<std::size_t>(made[k].rank)] = *made[k].comm;
      devices[static_cast<std::size_t>(made[k].rank)] = made[k].device;
    }
    if (here == comms.size() && !earlier) communicators().add_all(comms, devices);
    if (here != comms.size()) communicators().add({*first.comm, first.name, first.place, first.ranks, first.rank, first.device}, made.size() == 1);
  }
}

}  // namespace

}  // namespace p2plab::shim

using namespace p2plab::shim;

extern "C" {

#pragma GCC visibility push(hidden)

int p2plab_serve_ncclAllReduce(const void* send, void* receive, std::size_t count, int type, int op, Comm comm, Stream stream) {
  return call({P2PLAB_ALL_REDUCE, send, receive, count, type, op, 0, comm, stream});
}
int p2plab_serve_ncclReduce(const void* send, void* receive, std::size_t count, int type, int op, int root, Comm comm, Stream stream) {
  return call({P2PLAB_REDUCE, send, receive, count, type, op, root, comm, stream});
}
int p2plab_serve_ncclReduceScatter(const void* send, void* receive, std::size_t count, int type, int op, Comm comm, Stream stream) {
  return call({P2PLAB_REDUCE_SCATTER, send, receive, count, type, op, 0, comm, stream});
}
int p2plab_serve_ncclAllGather(const void* send, void* receive, std::size_t count, int type, Comm comm, Stream stream) {
  return call({P2PLAB_ALL_GATHER, send, receive, count, type, 0, 0, comm, stream});
}
int p2plab_serve_ncclBroadcast(const void* send, void* receive, std::size_t count, int type, int root, Comm comm, Stream stream) {
  return call({P2PLAB_BROADCAST, send, receive, count, type, 0, root, comm, stream});
}
int p2plab_serve_ncclBcast(void* buffer, std::size_t count, int type, int root, Comm comm, Stream stream) {
  return call({P2PLAB_BROADCAST, buffer, buffer, count, type, 0, root, comm, stream});
}
int p2plab_serve_ncclGather(const void* send, void* receive, std::size_t count, int type, int root, Comm comm, Stream stream) {
  return call({P2PLAB_GATHER, send, receive, count, type, 0, root, comm, stream});
}
int p2plab_serve_ncclScatter(const void* send, void* receive, std::size_t count, int type, int root, Comm comm, Stream stream) {
  return call({P2PLAB_SCATTER, send, receive, count, type, 0, root, comm, stream});
}
int p2plab_serve_ncclAlltoAll(const void* send, void* receive, std::size_t count, int type, Comm comm, Stream stream) {
  return call({P2PLAB_ALL_TO_ALL, send, receive, count, type, 0, 0, comm, stream});
}

// Only its two ranks know of it, so it cannot be agreed on by all.
int p2plab_serve_ncclSend(const void* send, std::size_t count, int type, int to, Comm comm, Stream stream) {
  if (!thread().inside) counters().add(Outcome::other_call);
  return real(p2plab_real_ncclSend, send, count, type, to, comm, stream);
}
int p2plab_serve_ncclRecv(void* receive, std::size_t count, int type, int from, Comm comm, Stream stream) {
  if (!thread().inside) counters().add(Outcome::other_call);
  return real(p2plab_real_ncclRecv, receive, count, type, from, comm, stream);
}

int p2plab_serve_ncclGroupStart() {
  const int result = real(p2plab_real_ncclGroupStart);
  if (result == success && !thread().inside) ++thread().depth;
  return result;
}
int p2plab_serve_ncclGroupEnd() {
  auto& mine = thread();
  if (mine.inside) return real(p2plab_real_ncclGroupEnd);
  if (mine.depth > 0) --mine.depth;
  const int begun = mine.depth == 0 ? begin_held() : success;
  const int ended = real(p2plab_real_ncclGroupEnd);
  const int later = mine.depth == 0 ? end_held() : success;
  if (mine.depth == 0 && well(ended))
    add_made();
  else if (mine.depth == 0)
    mine.made.clear();
  if (begun != success) return begun;
  return later == success ? ended : later;
}
// NCCL estimates the time of calls that it gets; nothing is begun.
int p2plab_serve_ncclGroupSimulateEnd(void* info) {
  auto& mine = thread();
  if (mine.inside) return real(p2plab_real_ncclGroupSimulateEnd, info);
  if (mine.depth > 0) --mine.depth;
  if (mine.depth == 0) {
    for (const auto& c : mine.held) pass_on(c);
    mine.held.clear();
  }
  return real(p2plab_real_ncclGroupSimulateEnd, info);
}

// NCCL reads an operation of the caller's when its call begins, so it may go before the group ends.
int p2plab_serve_ncclRedOpDestroy(int op, Comm comm) {
  const int begun = thread().inside ? success : begin_held_with(op, comm);
  const int gone = real(p2plab_real_ncclRedOpDestroy, op, comm);
  return begun == success ? gone : begun;
}

int p2plab_serve_ncclGetUniqueId(UniqueId* id) {
  const int result = real(p2plab_real_ncclGetUniqueId, id);
  if (result == success && id != nullptr && !thread().inside) add_place(*id);
  return result;
}
int p2plab_serve_ncclCommInitRank(Comm* comm, int ranks, UniqueId id, int rank) {
  return made(real(p2plab_real_ncclCommInitRank, comm, ranks, id, rank), {comm, text_of(id), place_of(id), ranks, rank});
}
int p2plab_serve_ncclCommInitRankConfig(Comm* comm, int ranks, UniqueId id, int rank, void* config) {
  return made(real(p2plab_real_ncclCommInitRankConfig, comm, ranks, id, rank, config), {comm, text_of(id), place_of(id), ranks, rank});
}
int p2plab_serve_ncclCommInitRankScalable(Comm* comm, int ranks, int rank, int count, UniqueId* ids, void* config) {
  std::string name;
  for (int i = 0; ids != nullptr && i < count; ++i) name += text_of(ids[i]);
  return made(real(p2plab_real_ncclCommInitRankScalable, comm, ranks, rank, count, ids, config),
              {comm, name, ids != nullptr && count > 0 ? place_of(ids[0]) : std::string{}, ranks, rank});
}
int p2plab_serve_ncclCommInitAll(Comm* comms, int ranks, const int* devices) {
  const int result = real(p2plab_real_ncclCommInitAll, comms, ranks, devices);
  if (result != success || thread().inside) return result;
  std::vector<int> numbers;
  for (int r = 0; r < ranks; ++r) numbers.push_back(devices == nullptr ? r : devices[r]);
  communicators().add_all(std::vector<Comm>(comms, comms + ranks), numbers);
  return result;
}
int p2plab_serve_ncclCommSplit(Comm comm, int color, int key, Comm* part, void* config) {
  const int result = real(p2plab_real_ncclCommSplit, comm, color, key, part, config);
  // Those that take no part count it, too.
  if (well(result) && !thread().inside) add_part(comm, part == nullptr ? nullptr : *part, "split" + std::to_string(color));
  return result;
}
int p2plab_serve_ncclCommShrink(Comm comm, int* excluded, int count, Comm* part, void* config, int flags) {
  const int result = real(p2plab_real_ncclCommShrink, comm, excluded, count, part, config, flags);
  std::string how = "shrink";
  for (int i = 0; excluded != nullptr && i < count; ++i) how += "," + std::to_string(excluded[i]);
  if (well(result) && !thread().inside) add_part(comm, part == nullptr ? nullptr : *part, how);
  return result;
}

int p2plab_serve_ncclCommFinalize(Comm comm) { return real(p2plab_real_ncclCommFinalize, comm); }
int p2plab_serve_ncclCommDestroy(Comm comm) {
  if (!thread().inside) communicators().remove(comm, false);
  return real(p2plab_real_ncclCommDestroy, comm);
}
int p2plab_serve_ncclCommAbort(Comm comm) {
  if (!thread().inside) communicators().remove(comm, true);
  return real(p2plab_real_ncclCommAbort, comm);
}
int p2plab_serve_ncclCommRevoke(Comm comm, int flags) {
  if (!thread().inside) communicators().remove(comm, true);
  return real(p2plab_real_ncclCommRevoke, comm, flags);
}
int p2plab_serve_ncclCommGetAsyncError(Comm comm, int* error) {
  const int result = real(p2plab_real_ncclCommGetAsyncError, comm, error);
  if (result != success || error == nullptr || *error != success || thread().inside) return result;
  const auto peer = communicators().find(comm);
  const auto ours = peer == nullptr ? nullptr : peer->ours();
  if (ours != nullptr && runtime().async_error(ours.get()) != P2PLAB_OK) {
    say(std::string{"a communicator failed: "} + runtime().last_error());
    *error = remote_error;
  }
  return result;
}

#pragma GCC visibility pop

/// What was served and passed on by this process, as text; for programs that look for the shim.
[[gnu::visibility("default")]] const char* p2plab_nccl_counts() {
  thread_local std::string text;
  text = counters().text();
  return text.c_str();
}
/// Where the library is that the shim stands before.
[[gnu::visibility("default")]] const char* p2plab_nccl_real() { return real_library().path.c_str(); }

}  // extern "C"
