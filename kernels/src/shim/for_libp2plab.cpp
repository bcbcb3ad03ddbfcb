// SPDX-License-Identifier: Apache-2.0
#include "shim/for_libp2plab.h"

#include <bit>
#include <chrono>
#include <thread>
#include <utility>

#include "shim/calls.h"

namespace p2plab::shim {

namespace {

// Of a communicator that does not block, what is begun is not yet on its stream: what we put there next would come before it.
int waited_for(int result, Comm comm) {
  constexpr std::chrono::seconds longest{60};
  const auto until = std::chrono::steady_clock::now() + longest;
  while (result == in_progress && comm != nullptr && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
    if (const int asked = real(p2plab_real_ncclCommGetAsyncError, comm, &result); asked != success) return asked;
  }
  return result;
}

thread_local Comm in_group = nullptr;

int group_start() { return real(p2plab_real_ncclGroupStart); }
int group_end() { return waited_for(real(p2plab_real_ncclGroupEnd), std::exchange(in_group, nullptr)); }
// Nor is what the program began before us, as the rest of its own group: until then NCCL takes nothing more.
int ready(Comm comm) { return std::exchange(in_group, comm) == comm ? success : waited_for(in_progress, comm); }
int begun(int result) { return result == in_progress ? success : result; }
int send(const void* from, std::size_t count, int type, int peer, Comm comm, Stream stream) {
  if (const int before = ready(comm); before != success) return before;
  return begun(real(p2plab_real_ncclSend, from, count, type, peer, comm, stream));
}
int receive(void* to, std::size_t count, int type, int peer, Comm comm, Stream stream) {
  if (const int before = ready(comm); before != success) return before;
  return begun(real(p2plab_real_ncclRecv, to, count, type, peer, comm, stream));
}

int unique_id(p2plab_nccl_id* id) { return real(p2plab_real_ncclGetUniqueId, reinterpret_cast<UniqueId*>(id)); }
int init_rank(void** comm, int ranks, p2plab_nccl_id id, int rank) {
  const int result = real(p2plab_real_ncclCommInitRank, comm, ranks, std::bit_cast<UniqueId>(id), rank);
  return waited_for(result, *comm);
}
int destroy(void* comm) { return real(p2plab_real_ncclCommDestroy, comm); }
int abort(void* comm) { return real(p2plab_real_ncclCommAbort, comm); }

}  // namespace

p2plab_nccl nccl_of(Comm comm) {
  return {.comm = comm,
          .group_start = group_start,
          .group_end = group_end,
          .send = send,
          .receive = receive,
          .error_string = p2plab_real_ncclGetErrorString,
          .unique_id = unique_id,
          .init_rank = init_rank,
          .destroy = destroy,
          .abort = abort};
}

}  // namespace p2plab::shim
