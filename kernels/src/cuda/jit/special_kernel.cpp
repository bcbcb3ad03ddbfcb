// SPDX-License-Identifier: Apache-2.0
#include "cuda/jit/special_kernel.h"

#include "cuda/jit/nvrtc_library.h"

namespace p2plab::cuda {

Result<const void*> SpecialKernels::get(const PacketImage& image, const PacketCode& code, int capability) {
  auto source = kernel_source(image, code);
  if (const auto found = kernels_.find(source); found != kernels_.end()) return found->second.kernel;
  const auto nvrtc = NvrtcLibrary::load();
  if (!nvrtc) return nvrtc.error();
  const auto machine_code = nvrtc->compile(source, capability);
  if (!machine_code) return machine_code.error();
  auto library = load_library(*machine_code);
  if (!library) return std::move(library).error();
  const auto kernel = find_kernel(*library, "packets");
  if (!kernel) return kernel.error();
  const auto [place, added] = kernels_.emplace(std::move(source), Loaded{*std::move(library), *kernel});
  return place->second.kernel;
}

}  // namespace p2plab::cuda
