// SPDX-License-Identifier: Apache-2.0
#include "cuda/jit/special_kernel.h"

#include <algorithm>
#include <future>

#include "cuda/jit/nvrtc_library.h"

namespace p2plab::cuda {

Result<std::vector<const void*>> SpecialKernels::get(const LinkedPackets& linked, const std::vector<PacketCode>& codes, int capability) {
  std::vector<std::string> sources;
  std::vector<std::string> missing;
  for (const auto& code : codes) {
    sources.push_back(kernel_source(linked, code));
    if (!kernels_.contains(sources.back()) && std::ranges::find(missing, sources.back()) == missing.end()) missing.push_back(sources.back());
  }
  if (auto added = missing.empty() ? Status{} : add(missing, capability); !added) return std::move(added).error();
  std::vector<const void*> found;
  for (const auto& source : sources) found.push_back(kernels_.at(source).kernel);
  return found;
}

// NVRTC takes a good half second for one, and threads for several at the same time.
Status SpecialKernels::add(const std::vector<std::string>& sources, int capability) {
  const auto nvrtc = NvrtcLibrary::load();
  if (!nvrtc) return nvrtc.error();
  std::vector<std::future<Result<std::string>>> compiled;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto how = i + 1 < sources.size() ? std::launch::async | std::launch::deferred : std::launch::deferred;  // the last one here
    compiled.push_back(std::async(how, [&, i] { return nvrtc->compile(sources[i], capability); }));
  }
  for (auto i = sources.size(); i-- > 0;) {
    const auto machine_code = compiled[i].get();
    if (!machine_code) return machine_code.error();
    auto library = load_library(*machine_code);
    if (!library) return std::move(library).error();
    const auto kernel = find_kernel(*library, "packets");
    if (!kernel) return kernel.error();
    kernels_.emplace(sources[i], Loaded{*std::move(library), *kernel});
  }
  return {};
}

}  // namespace p2plab::cuda
