// SPDX-License-Identifier: Apache-2.0
// One function per source of facts; each adds what it knows.
#pragma once

#include <dlfcn.h>

#include <string>

#include "p2plab/run/detect.h"

namespace p2plab::detect {

void add_nvml(MachineFacts& facts, const NvmlFunctions& nvml);
void add_cuda(MachineFacts& facts, const CudaFunctions& cuda);
/// PCIe tree of GPUs and network interfaces, NUMA nodes, speeds, processor.
void add_system(MachineFacts& facts, const std::string& root);

/// Looks functions of a library up; remembers the first that is not there.
class Library {
 public:
  explicit Library(const char* name) : handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {}
  bool loaded() const { return handle_ != nullptr; }
  const std::string& missing() const { return missing_; }
  template <class Signature>
  std::function<Signature> find(const char* name) {
    auto* const found = reinterpret_cast<Signature*>(dlsym(handle_, name));
    if (found == nullptr) {
      if (missing_.empty()) missing_ = name;
      return {};
    }
    return found;
  }

 private:
  void* handle_;  // stays loaded: drivers do not like to be unloaded
  std::string missing_;
};

}  // namespace p2plab::detect
