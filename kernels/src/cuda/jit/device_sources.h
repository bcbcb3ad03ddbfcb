// SPDX-License-Identifier: Apache-2.0
// The text of the headers that kernels compiled at run time include; made from them when the project is configured.
#pragma once

#include <span>

namespace p2plab {

struct DeviceSource {
  const char* name;  // as an #include names it
  const char* text;
};

std::span<const DeviceSource> device_sources();

}  // namespace p2plab
