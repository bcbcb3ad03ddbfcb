// SPDX-License-Identifier: Apache-2.0
// The tuner interface of NCCL 2.21 to 2.32 as it lies in memory: what NCCL looks up in a plugin, newest version first. Declared here so that the
// plugin is built without NCCL's headers; names and layouts are facts of the interface.
#pragma once

#include <cstddef>
#include <cstdint>

namespace p2plab::nccl_tuner {

using NcclResult = int;
inline constexpr NcclResult success = 0;

/// Numbers of collectives; later versions added more above these.
enum class Function : int { broadcast = 0, reduce = 1, all_gather = 2, reduce_scatter = 3, all_reduce = 4 };

inline constexpr int most_algorithms = 7;   // tree, ring, collnet_direct, collnet_chain, nvls, nvls_tree, pat
inline constexpr int most_protocols = 3;    // ll, ll128, simple
inline constexpr float impossible = -1.0F;  // a choice that NCCL has ruled out

enum class LogLevel : int { warn = 2, info = 3 };
inline constexpr unsigned long tuning_log = 0x40;  // the subsystem of NCCL_DEBUG_SUBSYS=TUNING
using Logger = void (*)(LogLevel level, unsigned long subsystems, const char* file, int line, const char* format, ...);

/// `table` is said to be float** and is a flat float[algorithms][protocols].
using ChooseV2 = NcclResult (*)(void* context, int function, std::size_t bytes, int collnet, int nvls, int operations, int* algorithm, int* protocol,
                                int* channels);
using ChooseV3 = NcclResult (*)(void* context, int function, std::size_t bytes, int operations, float** table, int algorithms, int protocols,
                                int* channels);
using ChooseV4 = NcclResult (*)(void* context, int function, std::size_t bytes, int operations, float** table, int algorithms, int protocols,
                                int registered, int* channels);
using ChunkSizeV6 = NcclResult (*)(void* context, int function, std::size_t bytes, int algorithm, int protocol, int channels, std::size_t* chunk);
using InitV2 = NcclResult (*)(std::size_t ranks, std::size_t nodes, Logger logger, void** context);
/// Domains and constants differ between versions 5 and 7; this plugin leaves both alone.
using InitV5 = NcclResult (*)(void** context, std::uint64_t communicator, std::size_t ranks, std::size_t nodes, Logger logger, void* domains,
                              void* constants);
using Finalize = NcclResult (*)(void* context);

struct TunerV2 {
  const char* name;
  InitV2 init;
  ChooseV2 choose;
  Finalize destroy;
};
struct TunerV3 {
  const char* name;
  InitV2 init;
  ChooseV3 choose;
  Finalize destroy;
};
struct TunerV4 {
  const char* name;
  InitV2 init;
  ChooseV4 choose;
  Finalize destroy;
};
struct TunerV5 {
  const char* name;
  InitV5 init;
  ChooseV4 choose;
  Finalize finalize;
};
/// Versions 6 and 7.
struct TunerV6 {
  const char* name;
  InitV5 init;
  ChooseV4 choose;
  Finalize finalize;
  ChunkSizeV6 chunk_size;
};

}  // namespace p2plab::nccl_tuner
