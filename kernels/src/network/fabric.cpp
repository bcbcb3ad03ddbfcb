// SPDX-License-Identifier: Apache-2.0
#include "network/fabric.h"

#include <dlfcn.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <string>

namespace p2plab::runtime {

namespace {

namespace fs = std::filesystem;

bool is_up(const fs::path& port) {
  std::string state;
  std::getline(std::ifstream(port / "state") >> std::ws, state);
  return state.ends_with("ACTIVE");
}

// Containers may see the ports of their host, but not its devices.
bool has_ports(const FabricPlaces& places) {
  std::error_code none;
  const auto uverbs = [](const fs::directory_entry& each) { return each.path().filename().string().starts_with("uverbs"); };
  if (std::ranges::none_of(fs::directory_iterator(places.devices, none), uverbs)) return false;
  return std::ranges::any_of(fs::directory_iterator(places.ports, none), [](const fs::directory_entry& adapter) {
    std::error_code missing;
    return std::ranges::any_of(fs::directory_iterator(adapter.path() / "ports", missing),
                               [](const fs::directory_entry& port) { return is_up(port.path()); });
  });
}

bool has_plugin() {
  const char* const named = std::getenv("NCCL_NET_PLUGIN");
  if (named != nullptr) return strcasecmp(named, "none") != 0;
  void* const usual = dlopen("libnccl-net.so", RTLD_NOW | RTLD_NOLOAD);
  if (usual != nullptr) dlclose(usual);
  return usual != nullptr;
}

}  // namespace

bool by_sockets(const FabricPlaces& places) {
  if (const char* const named = std::getenv("NCCL_NET"); named != nullptr && *named != '\0') return strcasecmp(named, "Socket") == 0;
  if (has_plugin()) return false;
  const char* const off = std::getenv("NCCL_IB_DISABLE");
  return (off != nullptr && std::atoi(off) != 0) || !has_ports(places);
}

bool has_more_sockets() {
  return std::ranges::any_of(std::array{"NCCL_SOCKET_NTHREADS", "NCCL_NSOCKS_PERTHREAD"}, [](const char* name) {
    const char* const text = std::getenv(name);
    return text != nullptr && std::atoi(text) > 1;
  });
}

}  // namespace p2plab::runtime
