// SPDX-License-Identifier: Apache-2.0
// An NCCL for GPUs that are CPU threads: all that moves data moves it, on the streams of streams.h, between processes that share a folder
// (P2PLAB_TEST_FOLDER). Written for tests of what stands before it: one rank a process, small counts.
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "support/host_gpu/nccl_messages.h"
#include "support/host_gpu/nccl_segment.h"
#include "support/host_gpu/nccl_values.h"

using p2plab::test::add_message;
using p2plab::test::average_of;
using p2plab::test::combined_by;
using p2plab::test::end_group;
using p2plab::test::group_of_thread;
using p2plab::test::load;
using p2plab::test::nccl_sizes;
using p2plab::test::NcclComm;
using p2plab::test::put;
using p2plab::test::Segment;
using p2plab::test::spin_until;
using p2plab::test::store;
using p2plab::test::success;

namespace {

enum { invalid_argument = 4 };
constexpr int operations = 5;  // those that NCCL brings

NcclComm* joined(const std::string& name, int ranks, int rank) {
  auto* const comm = new NcclComm{.name = name, .shared = Segment::open(name), .ranks = ranks, .rank = rank};
  comm->shared->joined.fetch_add(1);
  spin_until([&] { return comm->shared->joined.load() >= static_cast<std::uint64_t>(ranks); });
  return comm;
}

// A call in which each rank's input is there for all to see, then each takes what is its own.
template <class Take>
int together(NcclComm* comm, void* stream, const void* send, std::size_t bytes, Take&& take) {
  if (bytes > Segment::area) return invalid_argument;
  // A replay counts when it runs.
  const bool captured = host_capture_of(stream) != 0;
  const auto counted = captured ? 0 : ++comm->calls;
  return put(comm, stream, [=] {
    const auto number = captured ? ++comm->calls : counted;
    auto& shared = *comm->shared;
    const auto all = [&](std::atomic<std::uint64_t>* steps, std::uint64_t least) {
      spin_until([&] { return comm->aborted || std::all_of(steps, steps + comm->ranks, [&](const auto& step) { return step.load() >= least; }); });
    };
    all(shared.done, number - 1);
    if (bytes > 0) std::memcpy(shared.input[comm->rank], send, bytes);
    shared.posted[comm->rank] = number;
    all(shared.posted, number);
    if (comm->aborted) return;
    take();
    shared.done[comm->rank] = number;
  });
}

// Elements from `first` on of the sum of all inputs.
void reduce_into(const NcclComm& comm, void* to, std::size_t first, std::size_t count, int type, int op) {
  const auto size = nccl_sizes[static_cast<std::size_t>(type)];
  const bool own = op >= operations;
  const double scalar = own ? comm.scalars[static_cast<std::size_t>(op - operations)] : 1;
  for (std::size_t i = 0; i < count; ++i) {
    double sum = 0;
    for (int r = 0; r < comm.ranks; ++r) {
      const auto value = load(type, comm.shared->input[r] + (first + i) * size) * scalar;
      sum = r == 0 ? value : combined_by(own ? 0 : op, sum, value);
    }
    store(type, static_cast<char*>(to) + i * size, op == 4 ? average_of(type, sum, comm.ranks) : sum);
  }
}

std::size_t bytes_of(std::size_t count, int type) { return count * nccl_sizes[static_cast<std::size_t>(type)]; }
std::size_t at(int rank) { return static_cast<std::size_t>(rank); }

struct Id {
  char bytes[128];
};

}  // namespace

extern "C" {

int ncclGetVersion(int* version) { return *version = 22809, success; }
const char* ncclGetErrorString(int code) { return code == success ? "no error" : "an error of the NCCL of tests"; }
const char* ncclGetLastError(NcclComm*) { return ""; }
int ncclGetUniqueId(Id* id) {
  std::array<unsigned char, 16> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) return 2;
  std::memset(id, 0, sizeof *id);
  for (std::size_t i = 0; i < random.size(); ++i) id->bytes[i] = static_cast<char>('a' + random[i] % 26);
  return success;
}
int ncclCommInitRank(NcclComm** comm, int ranks, Id id, int rank) {
  if (ranks > Segment::most) return invalid_argument;
  return *comm = joined(id.bytes, ranks, rank), success;
}
int ncclCommInitRankConfig(NcclComm** comm, int ranks, Id id, int rank, void*) { return ncclCommInitRank(comm, ranks, id, rank); }
// Of ranks in one process none waits for another.
int ncclCommInitAll(NcclComm** comms, int ranks, const int*) {
  static std::atomic<int> made{0};
  if (ranks > Segment::most) return invalid_argument;
  const auto name = "all_" + std::to_string(getpid()) + "_" + std::to_string(made++);
  for (int r = 0; r < ranks; ++r) comms[r] = new NcclComm{.name = name, .shared = Segment::open(name), .ranks = ranks, .rank = r};
  return success;
}
int ncclCommCount(NcclComm* comm, int* count) { return *count = comm->ranks, success; }
int ncclCommUserRank(NcclComm* comm, int* rank) { return *rank = comm->rank, success; }
int ncclCommCuDevice(NcclComm* comm, int* device) { return *device = comm->rank, success; }
int ncclCommGetAsyncError(NcclComm*, int* error) { return *error = success, success; }
int ncclCommFinalize(NcclComm*) { return success; }
int ncclCommDestroy(NcclComm* comm) {
  spin_until([&] { return comm->pending.load() == 0 && (comm->aborted || comm->held.use_count() == 1); });
  munmap(comm->shared, sizeof(Segment));
  delete comm;
  return success;
}
int ncclCommAbort(NcclComm* comm) {
  while (std::getenv("P2PLAB_TEST_ABORT_HANGS") != nullptr) usleep(1000);
  comm->aborted = true;
  return ncclCommDestroy(comm);
}

int ncclCommSplit(NcclComm* comm, int color, int key, NcclComm** part, void*) {
  auto& shared = *comm->shared;
  const auto number = ++comm->splits;
  const auto all = [&](std::uint64_t least) {
    spin_until([&] { return std::all_of(shared.splits, shared.splits + comm->ranks, [&](const auto& step) { return step.load() >= least; }); });
  };
  all(2 * number - 2);
  shared.color[comm->rank] = color;
  shared.key[comm->rank] = key;
  shared.splits[comm->rank] = 2 * number - 1;
  all(2 * number - 1);
  std::vector<std::pair<int, int>> members;
  for (int r = 0; r < comm->ranks; ++r) {
    if (shared.color[r] == color) members.emplace_back(shared.key[r], r);
  }
  shared.splits[comm->rank] = 2 * number;
  std::sort(members.begin(), members.end());
  const auto mine = std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.second == comm->rank; });
  *part = color < 0 ? nullptr
                    : joined(comm->name + "." + std::to_string(number) + "." + std::to_string(color), static_cast<int>(members.size()),
                             static_cast<int>(mine - members.begin()));
  return success;
}

int ncclGroupStart() { return ++group_of_thread().depth, success; }
int ncclGroupEnd() { return end_group(); }

int ncclRedOpCreatePreMulSum(int* op, void* scalar, int type, int, NcclComm* comm) {
  comm->scalars.push_back(load(type, scalar));
  return *op = operations + static_cast<int>(comm->scalars.size()) - 1, success;
}
int ncclRedOpDestroy(int, NcclComm*) { return success; }

int ncclAllReduce(const void* send, void* receive, std::size_t count, int type, int op, NcclComm* comm, void* stream) {
  return together(comm, stream, send, bytes_of(count, type), [=] { reduce_into(*comm, receive, 0, count, type, op); });
}
int ncclReduce(const void* send, void* receive, std::size_t count, int type, int op, int root, NcclComm* comm, void* stream) {
  return together(comm, stream, send, bytes_of(count, type), [=] {
    if (comm->rank == root) reduce_into(*comm, receive, 0, count, type, op);
  });
}
int ncclReduceScatter(const void* send, void* receive, std::size_t count, int type, int op, NcclComm* comm, void* stream) {
  return together(comm, stream, send, bytes_of(count * at(comm->ranks), type),
                  [=] { reduce_into(*comm, receive, at(comm->rank) * count, count, type, op); });
}
int ncclAllGather(const void* send, void* receive, std::size_t count, int type, NcclComm* comm, void* stream) {
  const auto bytes = bytes_of(count, type);
  return together(comm, stream, send, bytes, [=] {
    for (int r = 0; r < comm->ranks; ++r) std::memcpy(static_cast<char*>(receive) + at(r) * bytes, comm->shared->input[r], bytes);
  });
}
int ncclBroadcast(const void* send, void* receive, std::size_t count, int type, int root, NcclComm* comm, void* stream) {
  const auto bytes = bytes_of(count, type);
  return together(comm, stream, send, comm->rank == root ? bytes : 0, [=] { std::memcpy(receive, comm->shared->input[root], bytes); });
}
int ncclBcast(void* buffer, std::size_t count, int type, int root, NcclComm* comm, void* stream) {
  return ncclBroadcast(buffer, buffer, count, type, root, comm, stream);
}
int ncclGather(const void* send, void* receive, std::size_t count, int type, int root, NcclComm* comm, void* stream) {
  const auto bytes = bytes_of(count, type);
  return together(comm, stream, send, bytes, [=] {
    for (int r = 0; comm->rank == root && r < comm->ranks; ++r)
      std::memcpy(static_cast<char*>(receive) + at(r) * bytes, comm->shared->input[r], bytes);
  });
}
int ncclScatter(const void* send, void* receive, std::size_t count, int type, int root, NcclComm* comm, void* stream) {
  const auto bytes = bytes_of(count, type);
  return together(comm, stream, send, comm->rank == root ? bytes * at(comm->ranks) : 0,
                  [=] { std::memcpy(receive, comm->shared->input[root] + at(comm->rank) * bytes, bytes); });
}
int ncclAlltoAll(const void* send, void* receive, std::size_t count, int type, NcclComm* comm, void* stream) {
  const auto bytes = bytes_of(count, type);
  return together(comm, stream, send, bytes * at(comm->ranks), [=] {
    for (int r = 0; r < comm->ranks; ++r)
      std::memcpy(static_cast<char*>(receive) + at(r) * bytes, comm->shared->input[r] + at(comm->rank) * bytes, bytes);
  });
}

int ncclSend(const void* send, std::size_t count, int type, int peer, NcclComm* comm, void* stream) {
  return add_message({comm, stream, true, peer, const_cast<char*>(static_cast<const char*>(send)), bytes_of(count, type)});
}
int ncclRecv(void* receive, std::size_t count, int type, int peer, NcclComm* comm, void* stream) {
  return add_message({comm, stream, false, peer, static_cast<char*>(receive), bytes_of(count, type)});
}
}
