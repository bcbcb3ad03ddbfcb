// SPDX-License-Identifier: Apache-2.0
// libp2plab-audit.so, for LD_AUDIT: whoever asks for libnccl.so.2, by name or by path, linked or at run time, gets libp2plab-nccl.so from beside this
// library. The shim's own search passes, by the "/./" in its paths.
#include <dlfcn.h>
#include <link.h>

#include <cstring>

namespace {

// dladdr does not work this early for every libc: the loader says where the shim is.
const char* shim_path() {
  static char path[4096];
  if (path[0] != '\0') return path;
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&shim_path), &info) == 0 || info.dli_fname == nullptr) return nullptr;
  const char* slash = std::strrchr(info.dli_fname, '/');
  const auto folder = slash == nullptr ? std::size_t{0} : static_cast<std::size_t>(slash - info.dli_fname) + 1;
  constexpr const char* name = "libp2plab-nccl.so";
  if (folder + std::strlen(name) + 1 > sizeof path) return nullptr;
  std::memcpy(path, info.dli_fname, folder);
  std::memcpy(path + folder, name, std::strlen(name) + 1);
  return path;
}

bool is_nccl(const char* path) {
  const char* slash = std::strrchr(path, '/');
  const char* name = slash == nullptr ? path : slash + 1;
  return std::strncmp(name, "libnccl.so", 10) == 0 && (name[10] == '\0' || name[10] == '.') && std::strstr(path, "/./") == nullptr;
}

}  // namespace

extern "C" {

[[gnu::visibility("default")]] unsigned la_version(unsigned) { return LAV_CURRENT; }

[[gnu::visibility("default")]] char* la_objsearch(const char* name, uintptr_t*, unsigned flag) {
  if (flag == LA_SER_ORIG && is_nccl(name)) {
    if (const char* shim = shim_path(); shim != nullptr) return const_cast<char*>(shim);
  }
  return const_cast<char*>(name);
}

}  // extern "C"
