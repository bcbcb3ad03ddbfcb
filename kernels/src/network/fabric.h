// SPDX-License-Identifier: Apache-2.0
// What NCCL sends over between servers, as far as can be seen from outside: it has no call that says so.
#pragma once

#include <filesystem>

namespace p2plab::runtime {

struct FabricPlaces {
  std::filesystem::path ports = "/sys/class/infiniband";
  std::filesystem::path devices = "/dev/infiniband";
};

/// Sockets, and no network plugin, InfiniBand or RoCE? By NCCL's variables (its files set them, too), the plugin that it has loaded and the ports
/// that are up. Asked when NCCL has made a communicator.
bool by_sockets(const FabricPlaces& places = {});

/// Is NCCL told to take several threads or sockets for a connection (NCCL_SOCKET_NTHREADS, NCCL_NSOCKS_PERTHREAD)?
bool has_more_sockets();

}  // namespace p2plab::runtime
