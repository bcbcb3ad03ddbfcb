// SPDX-License-Identifier: Apache-2.0
// The profiler interface of NCCL 2.27 to 2.32, versions 4 to 7, as it lies in memory. Declared here so that the plugin is built without NCCL's
// headers; names and layouts are facts of the interface. Only what this plugin reads is spelled out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace p2plab::nccl_profiler {

using NcclResult = int;
inline constexpr NcclResult success = 0;

/// Bits of an event's type, and of the mask by which a plugin asks for events.
enum Type : std::uint64_t {
  collective = 1 << 1,
  p2p = 1 << 2,
  kernel_channel = 1 << 6,
  collective_api = 1 << 9,  // from version 5 on, like the two below
  p2p_api = 1 << 10,
  copy_engine_collective = 1 << 12,  // from version 6 on
};

inline constexpr int kernel_channel_stop = 22;  // a state that is recorded, with the GPU's time

using Logger = void (*)(int level, unsigned long subsystems, const char* file, int line, const char* format, ...);

/// A collective as versions 4 to 7 know it; later ones have more behind it.
struct Collective {
  std::uint64_t sequence;
  const char* function;
  const void* send;
  void* receive;
  std::size_t count;
  int root;
  const char* type;
  std::uint8_t channels;
  std::uint8_t warps;
  const char* algorithm;
  const char* protocol;
  void* group;  // from version 5 on
};
struct P2p {
  const char* function;
  void* buffer;
  const char* type;
  std::size_t count;
  int peer;
  std::uint8_t channels;
};
/// A call as the program made it, from version 5 on.
struct CollectiveApi {
  const char* function;
  std::size_t count;
  const char* type;
  int root;
  void* stream;
  bool captured;
};
struct P2pApi {
  const char* function;
  std::size_t count;
  const char* type;
  void* stream;
  bool captured;
};
struct KernelChannel {
  std::uint8_t channel;
  std::uint64_t timer;  // the GPU's, ns
};
/// From version 6 on.
struct CopyEngineCollective {
  std::uint64_t sequence;
  const char* function;
  const void* send;
  void* receive;
  std::size_t count;
  int root;
  const char* type;
};

union Detail {
  Collective collective;
  P2p p2p;
  CollectiveApi collective_api;
  P2pApi p2p_api;
  KernelChannel kernel_channel;
  CopyEngineCollective copy_engine;
};

/// Version 4 has the type in one byte, the others in eight; what follows lies alike.
struct EventV4 {
  std::uint8_t type;
  void* parent;
  int rank;
  Detail detail;
};
struct EventV5 {
  std::uint64_t type;
  void* parent;
  int rank;
  Detail detail;
};
static_assert(offsetof(EventV4, parent) == 8 && offsetof(EventV5, parent) == 8 && offsetof(EventV4, detail) == 24 && offsetof(EventV5, detail) == 24);
static_assert(offsetof(Collective, type) == 48 && offsetof(Collective, channels) == 56 && offsetof(Collective, algorithm) == 64);

/// What a state comes with: of a kernel channel's stop the GPU's time, first in all versions.
union State {
  std::uint64_t timer;
};

template <class Event>
struct ProfilerV4Of {
  const char* name;
  NcclResult (*init)(void** context, int* mask, const char* communicator_name, std::uint64_t communicator, int nodes, int ranks, int rank,
                     Logger logger);
  NcclResult (*start)(void* context, void** handle, Event* event);
  NcclResult (*stop)(void* handle);
  NcclResult (*record)(void* handle, int state, State* arguments);
  NcclResult (*finalize)(void* context);
};
template <class Event>
struct ProfilerV5Of {
  const char* name;
  NcclResult (*init)(void** context, std::uint64_t communicator, int* mask, const char* communicator_name, int nodes, int ranks, int rank,
                     Logger logger);
  NcclResult (*start)(void* context, void** handle, Event* event);
  NcclResult (*stop)(void* handle);
  NcclResult (*record)(void* handle, int state, State* arguments);
  NcclResult (*finalize)(void* context);
};
using ProfilerV4 = ProfilerV4Of<EventV4>;
using ProfilerV5 = ProfilerV5Of<EventV5>;  // and versions 6 and 7

}  // namespace p2plab::nccl_profiler
