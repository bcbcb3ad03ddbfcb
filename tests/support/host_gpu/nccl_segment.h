// SPDX-License-Identifier: Apache-2.0
// What the ranks of one communicator share: a file that all map. Ranks go through calls in one order and see each other's inputs; messages between
// two ranks go through a ring of slots.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>

namespace p2plab::test {

struct Segment {
  static constexpr int most = 8;
  static constexpr std::size_t area = std::size_t{4} << 20;
  static constexpr std::size_t slot = std::size_t{1} << 20;
  static constexpr std::uint64_t slots = 8;

  struct Message {
    std::atomic<std::uint64_t> sent;
    std::atomic<std::uint64_t> taken;
  };
  std::atomic<std::uint64_t> joined;
  std::atomic<std::uint64_t> posted[most];
  std::atomic<std::uint64_t> done[most];
  std::atomic<std::uint64_t> splits[most];
  int color[most];
  int key[most];
  Message messages[most][most];
  alignas(64) char input[most][area];
  char mail[most][most][slots][slot];

  static Segment* open(const std::string& name) {
    const char* folder = std::getenv("P2PLAB_TEST_FOLDER");
    const auto path = std::string{folder == nullptr ? "/tmp" : folder} + "/nccl_" + name;
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof(Segment)) != 0) std::abort();
    void* memory = mmap(nullptr, sizeof(Segment), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) std::abort();
    return static_cast<Segment*>(memory);
  }
};

/// Waits for what another thread or process does.
template <class Condition>
void spin_until(Condition&& condition) {
  while (!condition()) std::this_thread::yield();
}

}  // namespace p2plab::test
