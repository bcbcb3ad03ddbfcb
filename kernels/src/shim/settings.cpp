// SPDX-License-Identifier: Apache-2.0
#include "shim/settings.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "p2plab/c/p2plab.h"
#include "shim/real_library.h"

namespace p2plab::shim {

namespace {

bool is_on(const char* text) { return text != nullptr && *text != '\0' && std::string_view{text} != "0"; }

void* open_ours() {
  if (is_on(std::getenv("P2PLAB_DISABLE"))) return nullptr;
  Dl_info info{};
  std::string folder;
  if (dladdr(reinterpret_cast<const void*>(&open_ours), &info) != 0 && info.dli_fname != nullptr) folder = info.dli_fname;
  folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/') + 1);
  void* const handle = dlopen((folder + "libp2plab.so.1").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) say(std::string{"all calls are passed on: "} + dlerror());
  return handle;
}

}  // namespace

bool switched_off() { return is_on(setting("P2PLAB_DISABLE")); }

void* our_library() {
  static void* const handle = open_ours();
  return handle;
}

const char* setting(const char* variable) {
  if (const char* const said = std::getenv(variable); said != nullptr) return said;
  static auto* const ask = our_library() == nullptr ? nullptr : reinterpret_cast<decltype(&p2plab_setting)>(dlsym(our_library(), "p2plab_setting"));
  return ask == nullptr ? nullptr : ask(variable);
}

}  // namespace p2plab::shim
