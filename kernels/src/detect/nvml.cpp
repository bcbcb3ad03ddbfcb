// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "detect/gather.h"

namespace p2plab {

Result<NvmlFunctions> NvmlFunctions::load() {
  using Unknown = NvmlFunctions::Device;
  detect::Library library("libnvidia-ml.so.1");
  if (!library.loaded()) return Error{ErrorCode::no_device, "libnvidia-ml.so.1 was not found: NVIDIA's driver is not installed"};
  NvmlFunctions nvml{.init = library.find<int()>("nvmlInit_v2"),
                     .shutdown = library.find<int()>("nvmlShutdown"),
                     .driver_version = library.find<int(char*, unsigned)>("nvmlSystemGetDriverVersion"),
                     .device_count = library.find<int(unsigned*)>("nvmlDeviceGetCount_v2"),
                     .device = library.find<int(unsigned, Unknown*)>("nvmlDeviceGetHandleByIndex_v2"),
                     .name = library.find<int(Unknown, char*, unsigned)>("nvmlDeviceGetName"),
                     .uuid = library.find<int(Unknown, char*, unsigned)>("nvmlDeviceGetUUID"),
                     .pci = library.find<int(Unknown, PciInfo*)>("nvmlDeviceGetPciInfo_v3"),
                     .compute_capability = library.find<int(Unknown, int*, int*)>("nvmlDeviceGetCudaComputeCapability"),
                     .link_state = library.find<int(Unknown, unsigned, unsigned*)>("nvmlDeviceGetNvLinkState"),
                     .link_remote = library.find<int(Unknown, unsigned, PciInfo*)>("nvmlDeviceGetNvLinkRemotePciInfo_v2"),
                     .link_remote_type = {}};
  if (!library.missing().empty()) return Error{ErrorCode::no_device, "libnvidia-ml.so.1 has no " + library.missing() + ": the driver is too old"};
  nvml.link_remote_type = library.find<int(Unknown, unsigned, int*)>("nvmlDeviceGetNvLinkRemoteDeviceType");
  return nvml;
}

namespace detect {

namespace {

constexpr unsigned most_links = 36;  // of any GPU that NVML knows
constexpr std::size_t text_bytes = 96;

std::string remote_kind(int type) {
  constexpr std::array<const char*, 3> kinds{"gpu", "cpu", "switch"};
  return type >= 0 && type < 3 ? kinds[static_cast<std::size_t>(type)] : "unknown";
}

NvlinkFact link_of(const NvmlFunctions& nvml, NvmlFunctions::Device device, unsigned number, bool active) {
  NvlinkFact link{.number = static_cast<int>(number), .active = active, .remote_kind = "unknown"};
  if (!active) return link;
  NvmlFunctions::PciInfo info{};
  if (nvml.link_remote(device, number, &info) == 0) link.remote = short_bus_id(info.bus_id.data());
  int type = -1;
  if (nvml.link_remote_type && nvml.link_remote_type(device, number, &type) == 0) link.remote_kind = remote_kind(type);
  return link;
}

NvmlGpu gpu_of(const NvmlFunctions& nvml, NvmlFunctions::Device device) {
  NvmlGpu gpu;
  std::array<char, text_bytes> text{};
  if (nvml.name(device, text.data(), text_bytes) == 0) gpu.name = text.data();
  if (nvml.uuid(device, text.data(), text_bytes) == 0) gpu.uuid = text.data();
  NvmlFunctions::PciInfo info{};
  if (nvml.pci(device, &info) == 0) gpu.bus_id = short_bus_id(info.bus_id.data());
  int major = 0;
  int minor = 0;
  if (nvml.compute_capability(device, &major, &minor) == 0) gpu.compute_capability = major * 10 + minor;
  // Links that a GPU lacks are an error of the question, those that are down are not.
  for (unsigned link = 0; link < most_links; ++link) {
    unsigned active = 0;
    if (nvml.link_state(device, link, &active) != 0) break;
    gpu.links.push_back(link_of(nvml, device, link, active != 0));
  }
  return gpu;
}

}  // namespace

void add_nvml(MachineFacts& facts, const NvmlFunctions& nvml) {
  if (const int code = nvml.init(); code != 0) {
    facts.nvml_missing = "nvmlInit_v2 fails with code " + std::to_string(code) + ": the driver's kernel module is not loaded";
    return;
  }
  std::array<char, text_bytes> text{};
  if (nvml.driver_version(text.data(), text_bytes) == 0) facts.driver = text.data();
  unsigned count = 0;
  if (nvml.device_count(&count) != 0) count = 0;
  for (unsigned d = 0; d < count; ++d) {
    NvmlFunctions::Device device = nullptr;
    if (nvml.device(d, &device) == 0) facts.nvml.push_back(gpu_of(nvml, device));
  }
  nvml.shutdown();
}

}  // namespace detect

}  // namespace p2plab
