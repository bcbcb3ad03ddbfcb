// SPDX-License-Identifier: Apache-2.0
#include "network/fabric.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "support/scratch.h"

namespace p2plab::runtime::fabric_test {
namespace {

// A machine with one adapter, and none of NCCL's variables.
class Fabric : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"NCCL_NET", "NCCL_NET_PLUGIN", "NCCL_IB_DISABLE", "NCCL_SOCKET_NTHREADS", "NCCL_NSOCKS_PERTHREAD"}) unsetenv(name);
    std::filesystem::remove_all(places.ports.parent_path());
    std::filesystem::create_directories(places.ports / "mlx5_0" / "ports" / "1");
    std::filesystem::create_directories(places.devices);
    port("4: ACTIVE");
    std::ofstream(places.devices / "uverbs0") << "";
  }
  void TearDown() override { SetUp(); }
  void port(const char* state) const { std::ofstream(places.ports / "mlx5_0" / "ports" / "1" / "state") << state << "\n"; }

  FabricPlaces places{test::scratch("fabric/infiniband"), test::scratch("fabric/devices")};
};

TEST_F(Fabric, IsInfiniBandWhereAPortIsUpAndItsDeviceIsThere) {
  EXPECT_FALSE(by_sockets(places));
  port("1: DOWN");
  EXPECT_TRUE(by_sockets(places));
  port("4: ACTIVE");
  std::filesystem::remove(places.devices / "uverbs0");
  EXPECT_TRUE(by_sockets(places));
  EXPECT_TRUE(by_sockets({"/nowhere", "/nowhere"}));
}

TEST_F(Fabric, IsSocketsWhereNcclIsToldSo) {
  setenv("NCCL_IB_DISABLE", "1", 1);
  EXPECT_TRUE(by_sockets(places));
  setenv("NCCL_IB_DISABLE", "0", 1);
  EXPECT_FALSE(by_sockets(places));
  setenv("NCCL_NET", "Socket", 1);
  EXPECT_TRUE(by_sockets(places));
}

TEST_F(Fabric, HasMoreSocketsWhereNcclIsToldSo) {
  EXPECT_FALSE(has_more_sockets());
  setenv("NCCL_NSOCKS_PERTHREAD", "1", 1);
  EXPECT_FALSE(has_more_sockets());
  setenv("NCCL_SOCKET_NTHREADS", "4", 1);
  EXPECT_TRUE(has_more_sockets());
}

TEST_F(Fabric, IsNoSocketsWhereNcclTakesAPlugin) {
  setenv("NCCL_NET_PLUGIN", "ofi", 1);
  EXPECT_FALSE(by_sockets({"/nowhere", "/nowhere"}));
  setenv("NCCL_NET_PLUGIN", "none", 1);
  EXPECT_TRUE(by_sockets({"/nowhere", "/nowhere"}));
  unsetenv("NCCL_NET_PLUGIN");
  setenv("NCCL_NET", "AWS Libfabric", 1);
  EXPECT_FALSE(by_sockets({"/nowhere", "/nowhere"}));
}

}  // namespace
}  // namespace p2plab::runtime::fabric_test
