// SPDX-License-Identifier: Apache-2.0
#include "cuda/jit/nvrtc_library.h"

#include <vector>

#include <fmt/format.h>

#include "cuda/jit/device_sources.h"
#include "cuda/jit/loaded.h"

namespace p2plab::cuda {

namespace {

// The end of a compiler's log, where its errors are counted.
std::string shortened(std::string log) {
  constexpr std::size_t enough = 2000;
  if (log.size() > enough) log.replace(enough, std::string::npos, " ...");
  return log;
}

}  // namespace

Result<NvrtcLibrary> NvrtcLibrary::load() {
  const auto library =
      open_library("libnvrtc.so", "P2PLAB_NVRTC",
                   {"libnvrtc.so.13", "/usr/local/cuda/lib64/libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.12"});
  if (!library) return library.error();
  void* const handle = *library;
  NvrtcLibrary nvrtc;
  std::string missing;
  find(handle, "nvrtcCreateProgram", nvrtc.create_, missing);
  find(handle, "nvrtcDestroyProgram", nvrtc.destroy_, missing);
  find(handle, "nvrtcCompileProgram", nvrtc.compile_, missing);
  find(handle, "nvrtcGetProgramLogSize", nvrtc.log_size_, missing);
  find(handle, "nvrtcGetProgramLog", nvrtc.log_, missing);
  find(handle, "nvrtcGetCUBINSize", nvrtc.code_size_, missing);
  find(handle, "nvrtcGetCUBIN", nvrtc.code_, missing);
  find(handle, "nvrtcGetErrorString", nvrtc.error_, missing);
  if (!missing.empty()) return Error{.code = ErrorCode::not_built, .message = fmt::format("libnvrtc.so has no {}: it is too old", missing)};
  return nvrtc;
}

Result<std::string> NvrtcLibrary::compile(const std::string& source, int capability) const {
  std::vector<const char*> names;
  std::vector<const char*> texts;
  for (const auto& header : device_sources()) {
    names.push_back(header.name);
    texts.push_back(header.text);
  }
  Program program = nullptr;
  const auto failed = [&](int code, const char* what) {
    return Error{.code = ErrorCode::unsupported, .message = fmt::format("{}: NVRTC says '{}'", what, error_(code))};
  };
  if (const int code = create_(&program, source.c_str(), "packets.cu", static_cast<int>(names.size()), texts.data(), names.data()); code != 0)
    return failed(code, "take a kernel's source");
  const auto target = fmt::format("--gpu-architecture=sm_{}", capability);
  const char* const options[] = {target.c_str(), "--std=c++20", "--device-as-default-execution-space", "--disable-warnings"};
  const int compiled = compile_(program, std::size(options), options);
  std::size_t size = 0;
  std::string text;
  if (compiled == 0 && code_size_(program, &size) == 0) {
    text.resize(size);
    code_(program, text.data());
  } else if (log_size_(program, &size) == 0) {
    text.resize(size);
    log_(program, text.data());
  }
  destroy_(&program);
  if (compiled == 0 && !text.empty()) return text;
  auto error = failed(compiled, "compile a kernel");
  error.notes.push_back(shortened(text));
  return error;
}

}  // namespace p2plab::cuda
