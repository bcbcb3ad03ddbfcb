// SPDX-License-Identifier: Apache-2.0
#include "monitor/gpu_place.h"

#include <dlfcn.h>

#include <cstdio>

namespace p2plab::monitor {

std::uint32_t place_number(const char* bus_id) {
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned slot = 0;
  unsigned function = 0;
  if (std::sscanf(bus_id, "%x:%x:%x.%x", &domain, &bus, &slot, &function) < 3) return 0;
  return (domain & 0xffff) << 16 | (bus & 0xff) << 8 | (slot & 0x1f) << 3 | (function & 7);
}

std::string place_text(std::uint32_t number) {
  if (number == 0) return {};
  char text[16];
  std::snprintf(text, sizeof text, "%04x:%02x:%02x.%x", number >> 16, number >> 8 & 0xff, number >> 3 & 0x1f, number & 7);
  return text;
}

GpuPlace gpu_place(int device) {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (driver == nullptr) return {.device = device};
  const auto current = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuCtxGetDevice"));
  const auto bus_id = reinterpret_cast<int (*)(char*, int, int)>(dlsym(driver, "cuDeviceGetPCIBusId"));
  GpuPlace gpu{.device = device};
  if (device < 0 && (current == nullptr || current(&gpu.device) != 0)) gpu.device = -1;
  char text[32];
  if (gpu.device >= 0 && bus_id != nullptr && bus_id(text, sizeof text, gpu.device) == 0) gpu.place = place_number(text);
  dlclose(driver);
  return gpu;
}

}  // namespace p2plab::monitor
