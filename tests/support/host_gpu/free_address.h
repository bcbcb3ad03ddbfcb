// SPDX-License-Identifier: Apache-2.0
// An address on this machine at which nobody listened a moment ago.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/run/processes.h"

namespace p2plab::test {

inline std::string free_address() {
  const FileDescriptor probe{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in where{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof where;
  EXPECT_EQ(bind(probe.get(), reinterpret_cast<const sockaddr*>(&where), size), 0);
  EXPECT_EQ(getsockname(probe.get(), reinterpret_cast<sockaddr*>(&where), &size), 0);
  return fmt::format("127.0.0.1:{}", ntohs(where.sin_port));
}

}  // namespace p2plab::test
