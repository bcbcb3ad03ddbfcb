// SPDX-License-Identifier: Apache-2.0
// Libraries that are loaded at run time, and their functions.
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/detail/settings.h"

namespace p2plab::cuda {

/// Opens the first of `places` that the loader finds; if the setting of this variable names a library, that one and no other.
/// Error: not_built, with every place that was looked at.
inline Result<void*> open_library(const std::string& name, const char* variable, std::vector<std::string> places) {
  if (const char* given = setting(variable); given != nullptr) places = {given};
  for (const auto& place : places) {
    if (void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL); handle != nullptr) return handle;
  }
  Error error{ErrorCode::not_built, name + " was not found"};
  for (const auto& place : places) error.notes.push_back("looked for " + place);
  error.notes.push_back(std::string("set ") + variable + " to the library's path");
  return error;
}

/// Finds a function of an open library; `missing` keeps the first name that is not there.
template <class F>
void find(void* library, const char* name, F& function, std::string& missing) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr && missing.empty()) missing = name;
}

}  // namespace p2plab::cuda
