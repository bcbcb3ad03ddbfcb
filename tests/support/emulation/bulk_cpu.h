// SPDX-License-Identifier: Apache-2.0
// Bulk copies on the CPU, as late as they may be: a load reads its source when its arrival is asked for, a store reads shared memory and writes its
// destination only when its group is awaited. So whoever forgets to wait finds old data.
#pragma once

#include <array>
#include <cstring>
#include <vector>

#include "device/bulk.h"
#include "support/emulation/cpu_machine.h"

namespace p2plab::test {

struct BulkCpu : Cpu {
  struct Load {
    std::uint32_t to = 0;
    std::uint64_t from = 0;
    std::uint32_t bytes = 0;
  };
  struct Arrival {
    std::uint32_t phase = 0;
    std::uint32_t expected = 0;
    std::vector<Load> loads = {};
  };
  struct Store {
    std::uint64_t to = 0;
    std::uint32_t from = 0;
    std::vector<std::uint8_t> data = {};  // once it is read
    std::uint32_t bytes = 0;
  };
  struct Group {
    std::vector<Store> stores = {};
    bool read = false;
  };
  // Of one block, which is one thread here.
  struct Shared {
    std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(device::bulk_shared_bytes);
    std::array<Arrival, device::bulk_most_stages> arrivals;
    std::vector<Store> open;
    std::vector<Group> groups;
  };
  static Shared& shared() {
    static thread_local Shared mine;
    return mine;
  }

  static Arrival& arrival(std::uint32_t address) { return shared().arrivals.at((address - device::bulk_arrivals) / 8); }
  static void arrival_init(std::uint32_t address) { arrival(address) = {}; }
  static void expect(std::uint32_t address, std::uint32_t bytes) { arrival(address).expected += bytes; }
  static bool arrived(std::uint32_t address, std::uint32_t parity) {
    auto& mine = arrival(address);
    std::uint32_t bytes = 0;
    for (const auto& load : mine.loads) bytes += load.bytes;
    if (mine.expected > 0 && bytes == mine.expected) {
      for (const auto& load : mine.loads) std::memcpy(shared().memory.data() + load.to, at<void>(load.from), load.bytes);
      mine = {.phase = mine.phase + 1};
    }
    return mine.phase % 2 != parity;
  }
  static void bulk_load(std::uint32_t to, std::uint64_t from, std::uint32_t bytes, std::uint32_t address) {
    arrival(address).loads.push_back({to, from, bytes});
  }
  static void bulk_store(std::uint64_t to, std::uint32_t from, std::uint32_t bytes) {
    shared().open.push_back({.to = to, .from = from, .bytes = bytes});
  }
  static void bulk_commit() {
    shared().groups.push_back({.stores = std::move(shared().open)});
    shared().open.clear();
  }
  static void read(Group& group) {
    if (group.read) return;
    for (auto& store : group.stores) {
      const auto* from = shared().memory.data() + store.from;
      store.data.assign(from, from + store.bytes);
    }
    group.read = true;
  }
  template <int Left>
  static void bulk_await_read() {
    auto& groups = shared().groups;
    for (std::size_t g = 0; g + Left < groups.size(); ++g) read(groups[g]);
  }
  template <int Left>
  static void bulk_await() {
    auto& groups = shared().groups;
    for (std::size_t g = 0; g + Left < groups.size(); ++g) {
      read(groups[g]);
      for (const auto& store : groups[g].stores) std::memcpy(at<void>(store.to), store.data.data(), store.bytes);
    }
    if (groups.size() > Left) groups.erase(groups.begin(), groups.end() - Left);
  }
  static void bulk_fence() { fence(); }
  static device::Words<4> load_shared(std::uint32_t address) { return load<4>(reinterpret_cast<std::uint64_t>(shared().memory.data()) + address); }
  static std::uint64_t load_shared_64(std::uint32_t address) {
    std::uint64_t value = 0;
    std::memcpy(&value, shared().memory.data() + address, sizeof value);
    return value;
  }
  static void set_shared_64(std::uint32_t address, std::uint64_t value) { std::memcpy(shared().memory.data() + address, &value, sizeof value); }
  static std::uint32_t peek_shared(std::uint32_t address) { return load_32(reinterpret_cast<std::uint64_t>(shared().memory.data()) + address); }
  static void set_shared(std::uint32_t address, std::uint32_t value) {
    store_32(reinterpret_cast<std::uint64_t>(shared().memory.data()) + address, value);
  }
};

}  // namespace p2plab::test
