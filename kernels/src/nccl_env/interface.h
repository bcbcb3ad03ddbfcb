// SPDX-License-Identifier: Apache-2.0
// The interface by which NCCL asks a plugin for variables, as it lies in memory: version 1 since NCCL 2.28.7, version 2 since 2.30. Declared here so
// that the plugin is built without NCCL's headers; names and layouts are facts of the interface.
#pragma once

#include <cstdint>

#include "nccl_tuner/interface.h"

namespace p2plab::nccl_env {

using nccl_tuner::Logger;
using nccl_tuner::LogLevel;
using nccl_tuner::NcclResult;
inline constexpr unsigned long env_log = 0x80;  // the subsystem of NCCL_DEBUG_SUBSYS=ENV

struct EnvV1 {
  const char* name;
  NcclResult (*init)(std::uint8_t major, std::uint8_t minor, std::uint8_t patch, const char* suffix);
  NcclResult (*finalize)();
  const char* (*get)(const char* name);
};
struct EnvV2 {
  const char* name;
  NcclResult (*init)(std::uint8_t major, std::uint8_t minor, std::uint8_t patch, const char* suffix, Logger logger);
  NcclResult (*finalize)();
  const char* (*get)(const char* name);
};

}  // namespace p2plab::nccl_env
