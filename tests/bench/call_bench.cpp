// SPDX-License-Identifier: Apache-2.0
// Host time of a call of NCCL, on GPUs that are CPU threads (support/host_gpu), two ranks in this process: straight to libp2plab; through the shim
// where it serves; through the shim where it passes on; straight to the NCCL behind it. What the shim adds is a difference of two of them; what calls
// put on streams is the same in each pair. p2plab_call_bench prints medians and quartiles of 41 rounds in turns, and what else the process did is in
// them.
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "p2plab/c/p2plab.h"
#include "support/host_gpu/streams.h"

namespace {

constexpr int rounds = 41;
constexpr int calls = 200;
constexpr std::size_t count = 256;

struct Library {
  explicit Library(const std::string& path) : handle(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle != nullptr) return;
    fmt::print(stderr, "{}\n", dlerror());
    std::exit(1);
  }
  template <class F>
  F* function(const char* name) const {
    return reinterpret_cast<F*>(dlsym(handle, name));
  }
  void* handle;
};

using AllReduce = int(const void*, void*, std::size_t, int, int, void*, void*);
using InitAll = int(void**, int, const int*);

std::array<std::vector<float>, 2> buffers{std::vector<float>(count, 1), std::vector<float>(count, 2)};
std::array<void*, 2> streams{};

// One round: the mean time of a call of one rank, put behind a gate; then what was put runs.
double round_of(const std::function<int(int)>& call) {
  std::atomic<bool> open{false};
  for (auto* const stream : streams)
    host_stream_put(
        stream, [](void* gate) { static_cast<std::atomic<bool>*>(gate)->wait(false); }, nullptr, &open);
  const auto begun = std::chrono::steady_clock::now();
  int bad = 0;
  for (int c = 0; c < calls; ++c) {
    for (int rank = 0; rank < 2; ++rank) bad += call(rank) == 0 ? 0 : 1;
  }
  const std::chrono::duration<double, std::micro> passed = std::chrono::steady_clock::now() - begun;
  open = true;
  open.notify_all();
  for (auto* const stream : streams) host_stream_wait(stream);
  if (bad > 0) {
    fmt::print(stderr, "{} calls failed\n", bad);
    std::exit(1);
  }
  return passed.count() / (2 * calls);
}

// A communicator of both ranks.
struct Pair {
  std::array<void*, 2> comms{};
  AllReduce* call = nullptr;

  static Pair of(const Library& library) {
    Pair pair{.call = library.function<AllReduce>("ncclAllReduce")};
    constexpr std::array devices{0, 1};
    if (library.function<InitAll>("ncclCommInitAll")(pair.comms.data(), 2, devices.data()) != 0) std::exit(1);
    return pair;
  }
  int all_reduce(int type, int rank) const {
    const auto r = static_cast<std::size_t>(rank);
    return call(buffers[r].data(), buffers[r].data(), count, type, 0, comms[r], streams[r]);
  }
};

struct Kind {
  const char* name;
  std::function<int(int)> call;
  std::vector<double> samples = {};
};

void measure(std::vector<Kind>& kinds) {
  for (int r = -3; r < rounds; ++r) {
    for (auto& kind : kinds) {
      const auto time = round_of(kind.call);
      if (r >= 0) kind.samples.push_back(time);
    }
  }
  for (auto& [name, call, samples] : kinds) {
    std::ranges::sort(samples);
    fmt::print("{:<38} {:7.3f} us  (quartiles {:.3f}, {:.3f})\n", name, samples[rounds / 2], samples[rounds / 4], samples[3 * rounds / 4]);
  }
}

int main_in(const std::string& folder) {
  const std::string stage = P2PLAB_NCCL_STAGE;
  const auto nccl_path = stage + "/nccl/libnccl.so.2";
  setenv("P2PLAB_TEST_FOLDER", folder.c_str(), 1);
  setenv("P2PLAB_NCCL", nccl_path.c_str(), 1);
  setenv("P2PLAB_PREPARE", "all_reduce:float32:sum:1KiB", 1);
  const Library nccl(nccl_path);
  const Library shim(stage + "/libp2plab-nccl.so");
  const Library ours(stage + "/libp2plab.so.1");
  for (auto& stream : streams) stream = host_stream_create();
  const auto shimmed = Pair::of(shim);
  const auto plain = Pair::of(nccl);
  std::array<p2plab_comm*, 2> direct{};
  constexpr std::array devices{0, 1};
  p2plab_config config = P2PLAB_CONFIG;
  config.load_nccl = 0;
  if (ours.function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all")(direct.data(), 2, devices.data(), &config) != P2PLAB_OK) return 1;
  auto* const by_ours = ours.function<decltype(p2plab_all_reduce)>("p2plab_all_reduce");
  constexpr int float32 = 7;
  constexpr int float8 = 10;  // which the shim always passes on
  std::vector<Kind> kinds;
  kinds.push_back({"p2plab_all_reduce", [&](int rank) {
                     const auto r = static_cast<std::size_t>(rank);
                     return static_cast<int>(by_ours(buffers[r].data(), buffers[r].data(), count, P2PLAB_FLOAT32, P2PLAB_SUM, direct[r], streams[r]));
                   }});
  kinds.push_back({"ncclAllReduce, served by the shim", [&](int rank) { return shimmed.all_reduce(float32, rank); }});
  kinds.push_back({"ncclAllReduce of the NCCL alone", [&](int rank) { return plain.all_reduce(float8, rank); }});
  kinds.push_back({"ncclAllReduce, passed on by the shim", [&](int rank) { return shimmed.all_reduce(float8, rank); }});
  measure(kinds);
  fmt::print("{}\n", shim.function<const char*()>("p2plab_nccl_counts")());
  return 0;
}

}  // namespace

int main() {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("p2plab_call_bench_{}", getpid());
  std::filesystem::create_directories(folder);
  const int code = main_in(folder.string());
  std::filesystem::remove_all(folder);
  return code;
}
