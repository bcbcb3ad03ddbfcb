// SPDX-License-Identifier: Apache-2.0
#include "shim/real_library.h"

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "shim/settings.h"

namespace p2plab::shim {

namespace {

std::string file_of(const void* address) {
  Dl_info info{};
  return dladdr(address, &info) != 0 && info.dli_fname != nullptr ? std::string{info.dli_fname} : std::string{};
}

std::string same_file(const std::string& path) {
  char* const real = realpath(path.c_str(), nullptr);
  std::string text = real == nullptr ? path : std::string{real};
  std::free(real);
  return text;
}

const std::string& own_file() {
  static const std::string path = same_file(file_of(reinterpret_cast<const void*>(&own_file)));
  return path;
}

bool is_nccl(const std::string& path) {
  const auto name = path.substr(path.rfind('/') + 1);
  return name.starts_with("libnccl.so");
}

// Loaded libraries: NCCL itself, and where Python's packages lie.
struct Loaded {
  std::string nccl = {};
  std::vector<std::string> packages = {};
};
int look_at(dl_phdr_info* info, std::size_t, void* data) {
  auto& loaded = *static_cast<Loaded*>(data);
  const std::string path = info->dlpi_name;
  if (loaded.nccl.empty() && is_nccl(path) && same_file(path) != own_file()) loaded.nccl = path;
  const auto at = path.find("/site-packages/");
  if (at != std::string::npos) loaded.packages.push_back(path.substr(0, at) + "/site-packages/nvidia/nccl/lib/libnccl.so.2");
  return 0;
}

// "/a/libnccl.so.2" as "/a/./libnccl.so.2", which the redirector (audit.cpp) leaves alone.
std::string unredirected(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(0, slash) + "/." + path.substr(slash);
}

RealLibrary opened(const std::string& path, const char* how) {
  void* handle = dlopen(unredirected(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return {};
  // A link or the redirector may have led back here.
  const auto found = file_of(dlsym(handle, "ncclGetVersion"));
  if (same_file(found) == own_file()) return {};
  return {handle, found, how};
}

RealLibrary find() {
  if (const char* given = setting("P2PLAB_NCCL"); given != nullptr) {
    auto library = opened(given, "P2PLAB_NCCL");
    if (library.handle == nullptr) library.how = std::string{"P2PLAB_NCCL names "} + given + ", which cannot be loaded";
    return library;
  }
  Loaded loaded;
  dl_iterate_phdr(look_at, &loaded);
  if (!loaded.nccl.empty()) {
    if (auto library = opened(loaded.nccl, "it was loaded already"); library.handle != nullptr) return library;
  }
  for (const auto& path : loaded.packages) {
    if (auto library = opened(path, "Python's packages"); library.handle != nullptr) return library;
  }
  for (const auto* path : {"libnccl.so.2", "/usr/lib/x86_64-linux-gnu/libnccl.so.2", "/usr/local/cuda/lib64/libnccl.so.2"}) {
    if (auto library = opened(path, "the usual places"); library.handle != nullptr) return library;
  }
  return {nullptr, {}, "libnccl.so.2 was not found: set P2PLAB_NCCL to its path"};
}

int missing() { return invalid_usage; }

}  // namespace

void say(const std::string& text) { std::fprintf(stderr, "p2plab-nccl: %s\n", text.c_str()); }

const RealLibrary& real_library() {
  static const RealLibrary library = [] {
    auto found = find();
    if (found.handle == nullptr) say(found.how);
    return found;
  }();
  return library;
}

}  // namespace p2plab::shim

// Called by a forwarder the first time: the function, which from then on is jumped to at once. One that this version of NCCL lacks answers with
// ncclInvalidUsage, and says so.
extern "C" [[gnu::visibility("hidden")]] void* p2plab_find_real(unsigned number) {
  const auto& library = p2plab::shim::real_library();
  void* function = library.handle == nullptr ? nullptr : dlsym(library.handle, p2plab_names[number]);
  if (function == nullptr) {
    if (library.handle != nullptr) p2plab::shim::say(library.path + " has no " + p2plab_names[number]);
    function = reinterpret_cast<void*>(&p2plab::shim::missing);
  }
  std::atomic_ref<void*>(p2plab_slots[number]).store(function, std::memory_order_release);
  return function;
}
