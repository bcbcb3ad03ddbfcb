// SPDX-License-Identifier: Apache-2.0
// What variables of ours say to a plugin of NCCL: the environment, else the settings file, which libp2plab reads. That is opened only where there is
// such a file; elsewhere a plugin needs nothing but libc.
#pragma once

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "p2plab/c/p2plab.h"
#include "p2plab/detail/settings_places.h"

namespace p2plab::nccl_tuner {

class PluginSettings {
 public:
  /// Read when it is first asked for.
  static const PluginSettings& of_process() {
    static const auto* const all = new PluginSettings;
    return *all;
  }

  /// Null: nobody says it.
  const char* get(const char* variable) const {
    if (const char* const said = std::getenv(variable); said != nullptr) return said;
    return ask_ == nullptr ? nullptr : ask_(variable);
  }
  /// Why a settings file that is there counts for nothing; else empty.
  const std::string& trouble() const { return trouble_; }

 private:
  PluginSettings() {
    const auto file = file_there();
    if (file.empty()) return;
    void* const library = open();
    if (library == nullptr) {
      trouble_ = file + " is not read, for libp2plab.so.1 is not beside the plugin: " + dlerror();
      return;
    }
    ask_ = reinterpret_cast<decltype(&p2plab_setting)>(dlsym(library, "p2plab_setting"));
    const auto why = reinterpret_cast<decltype(&p2plab_last_error)>(dlsym(library, "p2plab_last_error"));
    if (ask_ == nullptr || why == nullptr) {
      trouble_ = file + " is not read: libp2plab.so.1 is too old";
    } else if (ask_("") == nullptr && std::string{why()}.find(file) != std::string::npos) {
      trouble_ = why();
    }
  }

  static std::string file_there() {
    const bool named = std::getenv("P2PLAB_SETTINGS") != nullptr;
    for (auto& place : settings_places()) {
      if (named || access(place.c_str(), F_OK) == 0) return place;
    }
    return {};
  }

  static void* open() {
    Dl_info info{};
    std::string folder;
    if (dladdr(reinterpret_cast<const void*>(&open), &info) != 0 && info.dli_fname != nullptr) folder = info.dli_fname;
    folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/') + 1);
    return dlopen((folder + "libp2plab.so.1").c_str(), RTLD_NOW | RTLD_LOCAL);
  }

  decltype(&p2plab_setting) ask_ = nullptr;
  std::string trouble_;
};

}  // namespace p2plab::nccl_tuner
