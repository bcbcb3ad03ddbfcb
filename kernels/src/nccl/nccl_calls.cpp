// SPDX-License-Identifier: Apache-2.0
#include "nccl/nccl_calls.h"

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "executors/nccl_numbers.h"
#include "p2plab/detail/settings.h"
#include "processes/results.h"
#include "runtime/device_calls.h"

namespace p2plab::runtime {

namespace {

const void* input(const DeviceBuffers& buffers) { return reinterpret_cast<const void*>(buffers.input); }
void* output(const DeviceBuffers& buffers) { return reinterpret_cast<void*>(buffers.output); }

}  // namespace

struct NcclCalls::Library {
  void* handle = nullptr;
  int (*get_version)(int*) = nullptr;
  const char* (*get_error_string)(int) = nullptr;
  int (*get_unique_id)(p2plab_nccl_id*) = nullptr;
  int (*init_rank)(void**, int, p2plab_nccl_id, int) = nullptr;
  int (*destroy)(void*) = nullptr;
  int (*abort)(void*) = nullptr;
  int (*async_error)(void*, int*) = nullptr;
  int (*group_start)() = nullptr;
  int (*group_end)() = nullptr;
  int (*all_reduce)(const void*, void*, std::size_t, int, int, void*, void*) = nullptr;
  int (*reduce)(const void*, void*, std::size_t, int, int, int, void*, void*) = nullptr;
  int (*reduce_scatter)(const void*, void*, std::size_t, int, int, void*, void*) = nullptr;
  int (*all_gather)(const void*, void*, std::size_t, int, void*, void*) = nullptr;
  int (*broadcast)(const void*, void*, std::size_t, int, int, void*, void*) = nullptr;
  int (*send)(const void*, std::size_t, int, int, void*, void*) = nullptr;
  int (*receive)(void*, std::size_t, int, int, void*, void*) = nullptr;

  template <class F>
  void find(const char* name, F& function, std::string& missing) const {
    function = reinterpret_cast<F>(dlsym(handle, name));
    if (function == nullptr && missing.empty()) missing = name;
  }

  Status load() {
    setenv("NCCL_NVLS_ENABLE", "0", 0);  // multicast is a resource of the whole host: not unless the user asks for it
    const char* given = setting("P2PLAB_NCCL");
    for (const auto* place : {given, "libnccl.so.2", "/usr/local/cuda/lib64/libnccl.so.2"}) {
      if (place != nullptr && handle == nullptr) handle = dlopen(place, RTLD_NOW | RTLD_LOCAL);
    }
    if (handle == nullptr) return Error{ErrorCode::not_built, "libnccl.so.2 was not found", std::nullopt, {"set P2PLAB_NCCL to its path"}};
    std::string missing;
    find("ncclGetVersion", get_version, missing);
    find("ncclGetErrorString", get_error_string, missing);
    find("ncclGetUniqueId", get_unique_id, missing);
    find("ncclCommInitRank", init_rank, missing);
    find("ncclCommDestroy", destroy, missing);
    find("ncclCommAbort", abort, missing);
    find("ncclCommGetAsyncError", async_error, missing);
    find("ncclGroupStart", group_start, missing);
    find("ncclGroupEnd", group_end, missing);
    find("ncclAllReduce", all_reduce, missing);
    find("ncclReduce", reduce, missing);
    find("ncclReduceScatter", reduce_scatter, missing);
    find("ncclAllGather", all_gather, missing);
    find("ncclBroadcast", broadcast, missing);
    find("ncclSend", send, missing);
    find("ncclRecv", receive, missing);
    return missing.empty() ? Status{} : Status{Error{ErrorCode::not_built, fmt::format("libnccl.so.2 has no {}", missing)}};
  }
};

// While it lives, nobody takes the communicators away; unless that has happened.
class NcclCalls::Calling {
 public:
  explicit Calling(const NcclCalls& calls) : calls_(calls) {
    const std::lock_guard lock(calls_.mutex_);
    in_ = !calls_.aborted_;
    if (in_) ++calls_.calling_;
  }
  ~Calling() {
    if (!in_) return;
    const std::lock_guard lock(calls_.mutex_);
    --calls_.calling_;
    calls_.ended_.notify_all();
  }
  Calling(const Calling&) = delete;
  Calling& operator=(const Calling&) = delete;
  Calling(Calling&&) = delete;
  Calling& operator=(Calling&&) = delete;
  Status status() const { return in_ ? Status{} : Status{Error{ErrorCode::device_failure, "NCCL's communicator was given up"}}; }

 private:
  const NcclCalls& calls_;
  bool in_ = false;
};

NcclCalls::NcclCalls() : library_(std::make_unique<Library>()) {}

NcclCalls::~NcclCalls() {
  if (!owned_) return;
  for (const auto& [rank, communicator] : communicators_) {
    if (!aborted_ && communicator != nullptr) library_->destroy(communicator);
  }
}

std::unique_ptr<NcclCalls> NcclCalls::by(const CallersNccl& callers) {
  std::unique_ptr<NcclCalls> calls{new NcclCalls};
  auto& library = *calls->library_;
  library.group_start = callers.group_start;
  library.group_end = callers.group_end;
  library.send = callers.send;
  library.receive = callers.receive;
  library.get_error_string = callers.error_string;
  library.get_unique_id = callers.unique_id;
  library.init_rank = callers.init_rank;
  library.destroy = callers.destroy;
  library.abort = callers.abort;
  return calls;
}

std::unique_ptr<NcclCalls> NcclCalls::over(const CallersNccl& callers, int ranks, int rank) {
  auto calls = by(callers);
  calls->ranks_ = ranks;
  calls->owned_ = false;
  calls->communicators_[rank] = callers.communicator;
  return calls;
}

Result<std::unique_ptr<NcclCalls>> NcclCalls::beside(const CallersNccl& callers, Session& session, const GpuPrograms::Here& here) {
  auto calls = by(callers);
  calls->ranks_ = session.ranks();
  if (auto joined = calls->join(&session, {&here, 1}, {}); !joined) return std::move(joined).error();
  return calls;
}

Result<std::unique_ptr<NcclCalls>> NcclCalls::create(Session* session, int ranks, std::span<const GpuPrograms::Here> here) {
  std::unique_ptr<NcclCalls> calls{new NcclCalls};
  calls->ranks_ = ranks;
  if (auto joined = calls->join(session, here, calls->library_->load()); !joined) return std::move(joined).error();
  return calls;
}

Status NcclCalls::join(Session* session, std::span<const GpuPrograms::Here> here, Status ready) {
  const auto& library = *library_;
  p2plab_nccl_id id{};
  if (ready && (session == nullptr || session->rank() == 0)) ready = check(library.get_unique_id(&id), "make an id");
  if (session != nullptr) {
    ready = processes::all_well(*session, ready);
    if (!ready) return ready;
    const auto ids = session->all_gather({static_cast<const char*>(id.bytes), sizeof id.bytes});
    if (!ids) return ids.error();
    std::memcpy(static_cast<char*>(id.bytes), ids->front().data(), sizeof id.bytes);
  }
  if (!ready) return ready;
  const bool several = here.size() > 1;
  if (several) library.group_start();
  for (const auto& [rank, device] : here) {
    const device::Current current(device);
    auto made = check(library.init_rank(&communicators_[rank], ranks_, id, rank), "join");
    if (ready) ready = made;
  }
  auto ended = several ? check(library.group_end(), "join") : Status{};
  if (ready) ready = ended;
  return session == nullptr ? ready : processes::all_well(*session, ready);
}

Status NcclCalls::check(int code, const char* what) const {
  if (code == 0) return {};
  return Error{ErrorCode::device_failure, fmt::format("{}: NCCL says '{}'", what, library_->get_error_string(code))};
}

// What is the caller's is destroyed by the caller.
Status NcclCalls::hold(int rank, void* stream) const { return owned_ ? graphs_.hold(rank, stream) : Status{}; }

Status NcclCalls::run(int rank, const Call& call, const DeviceBuffers& buffers, void* stream) const {
  const Calling calling(*this);
  if (auto good = calling.status(); !good) return good;
  const auto found = nccl_type(call.type);
  if (!found) return found.error();
  if (auto held = hold(rank, stream); !held) return held;
  const auto type = *found;
  const auto count = static_cast<std::size_t>(call.count);
  const auto op = nccl_op(call.op);
  auto* const communicator = communicators_.at(rank);
  switch (call.kind) {
    case CollectiveKind::all_reduce:
      return check(library_->all_reduce(input(buffers), output(buffers), count, type, op, communicator, stream), "all_reduce");
    case CollectiveKind::reduce:
      return check(library_->reduce(input(buffers), output(buffers), count, type, op, call.root, communicator, stream), "reduce");
    case CollectiveKind::reduce_scatter:
      return check(library_->reduce_scatter(input(buffers), output(buffers), count, type, op, communicator, stream), "reduce_scatter");
    case CollectiveKind::all_gather:
      return check(library_->all_gather(input(buffers), output(buffers), count, type, communicator, stream), "all_gather");
    case CollectiveKind::broadcast:
      return check(library_->broadcast(input(buffers), output(buffers), count, type, call.root, communicator, stream), "broadcast");
    default: return exchange(call, rank, buffers, stream);
  }
}

// What NCCL has no call for in all its versions is sends and receives in one group.
Status NcclCalls::exchange(const Call& call, int rank, const DeviceBuffers& buffers, void* stream) const {
  const auto type = nccl_type(call.type);
  if (!type) return type.error();
  const auto count = static_cast<std::size_t>(call.count);
  const auto bytes = bytes_of(call);
  auto* const communicator = communicators_.at(rank);
  const auto blocks = blocks_of(call, rank, ranks_);
  library_->group_start();
  int worst = 0;
  const auto send = [&](int peer, int block) {
    const auto* from = static_cast<const char*>(input(buffers)) + block * bytes;
    worst = std::max(worst, library_->send(from, count, *type, peer, communicator, stream));
  };
  const auto receive = [&](int peer, int block) {
    auto* to = static_cast<char*>(output(buffers)) + block * bytes;
    worst = std::max(worst, library_->receive(to, count, *type, peer, communicator, stream));
  };
  const bool all = call.kind == CollectiveKind::all_to_all;
  const bool gathers = call.kind == CollectiveKind::gather;
  for (int r = 0; r < ranks_; ++r) {
    if (all || (call.kind == CollectiveKind::scatter && rank == call.root)) send(r, r);
    if (all || (gathers && rank == call.root)) receive(r, r);
  }
  if (gathers) send(call.root, 0);
  if (call.kind == CollectiveKind::scatter) receive(call.root, 0);
  if (call.kind == CollectiveKind::send_receive && blocks.input > 0) send(call.peer, 0);
  if (call.kind == CollectiveKind::send_receive && blocks.output > 0) receive(call.root, 0);
  worst = std::max(worst, library_->group_end());
  return check(worst, "sends and receives");
}

Status NcclCalls::exchange(int rank, std::span<const stages::Transfer> sends, std::span<const stages::Transfer> receives, void* stream) const {
  const Calling calling(*this);
  if (auto good = calling.status(); !good) return good;
  if (auto held = hold(rank, stream); !held) return held;
  constexpr int bytes = 1;  // ncclUint8
  auto* const communicator = communicators_.at(rank);
  int worst = library_->group_start();
  for (const auto& [peer, memory, count] : sends)
    worst = std::max(worst, library_->send(memory, static_cast<std::size_t>(count), bytes, peer.value, communicator, stream));
  for (const auto& [peer, memory, count] : receives)
    worst = std::max(worst, library_->receive(memory, static_cast<std::size_t>(count), bytes, peer.value, communicator, stream));
  return check(std::max(worst, library_->group_end()), "messages between servers");
}

Status NcclCalls::state() const {
  const Calling calling(*this);
  if (auto good = calling.status(); !good) return good;
  for (const auto& [rank, communicator] : communicators_) {
    int error = 0;
    constexpr int in_progress = 7;
    if (communicator == nullptr || library_->async_error(communicator, &error) != 0 || error == 0 || error == in_progress) continue;
    return check(error, "a call");
  }
  return {};
}

// A thread that is within NCCL may wait there for a rank that is gone, and so may NCCL's own abort: neither is waited for long.
void NcclCalls::abort() {
  constexpr std::chrono::seconds timeout{1};
  {
    std::unique_lock lock(mutex_);
    if (std::exchange(aborted_, true)) return;
    graphs_.forget();
    ended_.wait_for(lock, timeout, [&] { return calling_ == 0; });
  }
  if (!owned_) return;  // who owns them ends what waits in them
  auto over = std::make_shared<std::promise<void>>();
  auto ended = over->get_future();
  std::thread([over, abort = library_->abort, all = communicators_] {
    for (const auto& [rank, communicator] : all) abort(communicator);
    over->set_value();
  }).detach();
  ended.wait_for(timeout);
}

std::string NcclCalls::version() const {
  int number = 0;
  library_->get_version(&number);
  return fmt::format("{}.{}.{}", number / 10000, number % 10000 / 100, number % 100);
}

}  // namespace p2plab::runtime
