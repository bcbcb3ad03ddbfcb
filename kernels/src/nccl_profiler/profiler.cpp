// SPDX-License-Identifier: Apache-2.0
// Records the calls of NCCL (P2PLAB_MONITOR, else level basic, since the plugin was asked for). At level basic NCCL tells of calls only; from
// detailed on also of its kernels, with the GPU's times, and so of the replays of graphs (for which NCCL then puts a host function into the graph).
// Handles are numbers, not memory: nothing is allocated for an event, and none can be freed too early.
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>

#include "monitor/gpu_place.h"
#include "monitor/recorder.h"
#include "nccl_profiler/interface.h"
#include "nccl_profiler/kernels.h"
#include "nccl_tuner/settings.h"

namespace p2plab::nccl_profiler {

namespace {

using monitor::CallInfo;
using monitor::Kind;
using monitor::Progress;
using monitor::Recorder;

const char* setting(const char* variable) { return nccl_tuner::PluginSettings::of_process().get(variable); }

Recorder* recorder() { return Recorder::of_process("nccl", setting, monitor::Level::basic, most_captured); }

struct Context {
  Recorder* recorder = nullptr;
  int side = -1;
};

// Handles: what an event is, the number of its call, and between them the place: of a kernel its communicator's side, of a captured call which of
// those it is, from 1 on, or 0 where there was no room.
enum class Handle : std::uintptr_t {
  api = 1,
  api_of_graph = 2,  // of a call that is captured
  call = 3,
  replay = 4,
  kernel = 5
};
constexpr int kind_bits = 3;
constexpr int place_bits = 14;
static_assert(most_captured < 1U << place_bits);

void* handle_of(std::uint64_t number, Handle kind, unsigned place = 0) {
  const auto bits =
      static_cast<std::uintptr_t>(number) << (kind_bits + place_bits) | std::uintptr_t{place} << kind_bits | static_cast<std::uintptr_t>(kind);
  return number == 0 ? nullptr : reinterpret_cast<void*>(bits);
}
std::uint64_t number_of(const void* handle) { return reinterpret_cast<std::uintptr_t>(handle) >> (kind_bits + place_bits); }
unsigned place_of(const void* handle) { return reinterpret_cast<std::uintptr_t>(handle) >> kind_bits & ((1U << place_bits) - 1); }
Handle kind_of(const void* handle) { return static_cast<Handle>(reinterpret_cast<std::uintptr_t>(handle) & ((1U << kind_bits) - 1)); }

Kind kind_of(const char* function) {
  struct Known {
    const char* name;
    std::uint8_t kind;
  };
  constexpr Known known[] = {{"AllReduce", 0}, {"ReduceScatter", 1}, {"AllGather", 2}, {"Broadcast", 3}, {"Bcast", 3}, {"Reduce", 4},
                             {"Gather", 5},    {"Scatter", 6},       {"AlltoAll", 7},  {"AllToAll", 7},  {"Send", 9},  {"Recv", 10}};
  if (function == nullptr) return monitor::other_kind;
  if (std::strncmp(function, "nccl", 4) == 0) function += 4;
  for (const auto& [name, kind] : known) {
    if (std::strcmp(function, name) == 0) return static_cast<Kind>(kind);
  }
  return monitor::other_kind;
}

std::uint8_t type_of(const char* name) {
  constexpr const char* names[] = {"ncclInt8",    "ncclUint8",   "ncclInt32",   "ncclUint32",   "ncclInt64",      "ncclUint64",
                                   "ncclFloat16", "ncclFloat32", "ncclFloat64", "ncclBfloat16", "ncclFloat8e4m3", "ncclFloat8e5m2"};
  for (std::uint8_t i = 0; name != nullptr && i < std::size(names); ++i) {
    if (std::strcmp(name, names[i]) == 0) return i;
  }
  return 255;
}

CallInfo info_of(const char* function, std::size_t count, const char* type, int root) {
  const auto number = type_of(type);
  const auto kind = kind_of(function);
  const bool rooted = kind >= 3 && kind <= 6;
  return {.count = count,
          .bytes = count * monitor::bytes_of_nccl_type(number),
          .kind = kind,
          .type = number,
          .backend = monitor::Backend::nccl,
          .root = static_cast<std::int16_t>(rooted ? root : -1)};
}

CallInfo info_of(Recorder& recorder, const Collective& c) {
  auto info = info_of(c.function, c.count, c.type, c.root);
  info.algorithm = recorder.name(c.algorithm);
  info.protocol = recorder.name(c.protocol);
  info.blocks = c.channels;
  return info;
}

// The call that the program made; NCCL tells of its collective later, in the same thread or another, with this one as its parent. Of a captured call
// it does so at each replay, if kernels are asked for.
void* begin_api(Context& context, const char* function, std::size_t count, const char* type, int root, const void* stream, bool captured) {
  auto& all = *context.recorder;
  auto info = info_of(function, count, type, root);
  info.stream = monitor::short_of(stream);
  info.flags = captured ? monitor::captured : 0;
  const auto number = all.begin(context.side, info);
  if (!captured || all.level() < monitor::Level::detailed) return handle_of(number, Handle::api);
  return handle_of(number, Handle::api_of_graph, static_cast<unsigned>(all.add_captured(number, 0, info) + 1));
}

// Under version 4, or if the API's event was left out, the collective is the call.
void* begin_call(Context& context, const void* parent, const CallInfo& info) {
  auto& all = *context.recorder;
  const auto kind = parent == nullptr ? Handle::call : kind_of(parent);
  if (kind != Handle::api && kind != Handle::api_of_graph) return handle_of(all.begin(context.side, info), Handle::call);
  all.add_info(number_of(parent), info);
  if (kind == Handle::api) return handle_of(number_of(parent), Handle::call);
  return handle_of(begin_replay(all, context.side, static_cast<int>(place_of(parent)) - 1, info), Handle::replay);
}

// Of a kernel's channels the first that says something of its own.
void* begin_kernel(Context& context, const void* call, const KernelChannel& kernel) {
  auto& all = *context.recorder;
  if (!starts(context.side, kernel.channel, kernel.timer) || call == nullptr || all.device_has_begun(number_of(call))) return nullptr;
  all.device_begin(number_of(call), kernel.timer);
  return handle_of(number_of(call), Handle::kernel);
}

NcclResult start(void* given, void** handle, std::uint64_t type, const void* parent, const Detail& detail) {
  *handle = nullptr;
  auto* const context = static_cast<Context*>(given);
  if (context == nullptr) return success;
  switch (type) {
    case collective_api: {
      const auto& c = detail.collective_api;
      *handle = begin_api(*context, c.function, c.count, c.type, c.root, c.stream, c.captured);
      break;
    }
    case p2p_api: {
      const auto& c = detail.p2p_api;
      *handle = begin_api(*context, c.function, c.count, c.type, -1, c.stream, c.captured);
      break;
    }
    case collective: *handle = begin_call(*context, parent, info_of(*context->recorder, detail.collective)); break;
    case p2p: {
      auto info = info_of(detail.p2p.function, detail.p2p.count, detail.p2p.type, -1);
      info.peer = static_cast<std::int16_t>(detail.p2p.peer);
      info.blocks = detail.p2p.channels;
      *handle = begin_call(*context, parent, info);
      break;
    }
    case copy_engine_collective: {
      auto info = info_of(detail.copy_engine.function, detail.copy_engine.count, detail.copy_engine.type, detail.copy_engine.root);
      info.protocol = context->recorder->name("copy");
      *handle = begin_call(*context, parent, info);
      break;
    }
    case kernel_channel: *handle = begin_kernel(*context, parent, detail.kernel_channel); break;
    default: break;
  }
  return success;
}

NcclResult start_v4(void* context, void** handle, EventV4* event) { return start(context, handle, event->type, event->parent, event->detail); }
NcclResult start_v5(void* context, void** handle, EventV5* event) { return start(context, handle, event->type, event->parent, event->detail); }

// The end of an API's event or of a collective's is that of its queueing: in one node NCCL tells no other end than that of its kernels.
NcclResult stop(void* handle) {
  auto* const all = recorder();
  if (all != nullptr && handle != nullptr && kind_of(handle) < Handle::replay) all->end(number_of(handle), Progress::queued);
  return success;
}

NcclResult record(void* handle, int state, State* arguments) {
  auto* const all = recorder();
  if (all != nullptr && handle != nullptr && arguments != nullptr && state == kernel_channel_stop && kind_of(handle) == Handle::kernel)
    all->device_end(number_of(handle), arguments->timer);
  return success;
}

NcclResult init(void** context, int* mask, const char* name, std::uint64_t communicator, int ranks, int rank, std::uint64_t calls) {
  *context = nullptr;
  *mask = 0;
  auto* const all = recorder();
  if (all == nullptr) return success;
  const auto gpu = monitor::gpu_place(-1);
  const int side =
      all->add_side({.communicator = communicator, .rank = rank, .ranks = ranks, .device = gpu.device, .place = gpu.place, .name = name});
  const auto& trouble = nccl_tuner::PluginSettings::of_process().trouble();
  if (!trouble.empty()) all->event(monitor::EventKind::error, side, trouble.c_str());
  *context = new (std::nothrow) Context{all, side};
  if (*context == nullptr) return success;
  if (all->level() >= monitor::Level::detailed) calls |= kernel_channel;
  *mask = static_cast<int>(calls);
  return success;
}

NcclResult init_v4(void** context, int* mask, const char* name, std::uint64_t communicator, int, int ranks, int rank, Logger) {
  return init(context, mask, name, communicator, ranks, rank, collective | p2p);
}
NcclResult init_v5(void** context, std::uint64_t communicator, int* mask, const char* name, int, int ranks, int rank, Logger) {
  return init(context, mask, name, communicator, ranks, rank, collective | p2p | collective_api | p2p_api);
}
NcclResult init_v6(void** context, std::uint64_t communicator, int* mask, const char* name, int, int ranks, int rank, Logger) {
  return init(context, mask, name, communicator, ranks, rank, collective | p2p | collective_api | p2p_api | copy_engine_collective);
}

NcclResult finalize(void* given) {
  const std::unique_ptr<Context> context(static_cast<Context*>(given));
  if (context == nullptr) return success;
  count_last(*context->recorder, context->side);
  context->recorder->close_side(context->side);
  return success;
}

}  // namespace

}  // namespace p2plab::nccl_profiler

namespace np = p2plab::nccl_profiler;

extern "C" {
[[gnu::visibility("default")]] extern const np::ProfilerV4 ncclProfiler_v4;
[[gnu::visibility("default")]] extern const np::ProfilerV5 ncclProfiler_v5;
[[gnu::visibility("default")]] extern const np::ProfilerV5 ncclProfiler_v6;
[[gnu::visibility("default")]] extern const np::ProfilerV5 ncclProfiler_v7;
const np::ProfilerV4 ncclProfiler_v4{"p2plab", np::init_v4, np::start_v4, np::stop, np::record, np::finalize};
const np::ProfilerV5 ncclProfiler_v5{"p2plab", np::init_v5, np::start_v5, np::stop, np::record, np::finalize};
const np::ProfilerV5 ncclProfiler_v6{"p2plab", np::init_v6, np::start_v5, np::stop, np::record, np::finalize};
const np::ProfilerV5 ncclProfiler_v7{"p2plab", np::init_v6, np::start_v5, np::stop, np::record, np::finalize};
}
