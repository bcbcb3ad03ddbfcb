// Functions of libraries that are loaded at run time.
#pragma once

#include <dlfcn.h>

#include <string>

namespace p2plab::cuda {

/// Finds a function of an open library; `missing` keeps the first name that is not there.
template <class F>
void find(void* library, const char* name, F& function, std::string& missing) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr && missing.empty()) missing = name;
}

}  // namespace p2plab::cuda
