// SPDX-License-Identifier: Apache-2.0
// The epilogue as a kernel of its own: after programs that run slice by slice or by the interpreter, and where there is one rank.
#include <algorithm>
#include <array>

#include "device/launching.cuh"
#include "rows/row_cluster.cuh"
#include "rows/row_layout.h"

namespace p2plab::device {

namespace {

constexpr unsigned row_threads = 256;
constexpr unsigned blocks_at_once = 3;  // of a multiprocessor, else it waits for memory (15 % at 8192 rows of 8192)
constexpr unsigned sharing_blocks = 8;
constexpr std::int64_t sharing_blocks_of_processor = 4;  // more do not gain (kernels/decisions/010)
constexpr unsigned most_sharing_threads = row_strands / sharing_blocks;

template <class Number, int Slots, bool Whole>
__global__ void __launch_bounds__(row_threads, blocks_at_once) rows(const __grid_constant__ args::EpilogueCall call) {
  __shared__ float rooms[row_rooms * row_room_words];
  row_kernel<RowGpu, RowShape<Number, row_threads, Slots, Whole>>(call, static_cast<std::uint32_t>(__cvta_generic_to_shared(rooms)));
}

// A cluster a row, a vector a thread.
template <class Number>
__global__ void __launch_bounds__(most_sharing_threads) shared_rows(const __grid_constant__ args::EpilogueCall call) {
  __shared__ alignas(16) float rooms[row_rooms * row_room_words];
  using Machine = RowCluster<sharing_blocks, 0>;
  row_kernel<Machine, RowShape<Number, row_strands, 1, true>>(call, static_cast<std::uint32_t>(__cvta_generic_to_shared(rooms)));
}

using RowKernel = void (*)(args::EpilogueCall);

template <class Number>
RowKernel kernel_for(const RowLayout& layout) {
  if (layout.slots == 0) return layout.whole ? rows<Number, 0, true> : rows<Number, 0, false>;
  return layout.slots <= 2 ? rows<Number, 2, true> : rows<Number, 4, true>;
}

template <class Body>
auto with_number(DataType type, Body&& body) {
  if (type == DataType::float16) return body(Half{});
  return type == DataType::bfloat16 ? body(BFloat{}) : body(Float{});
}

// Is the code that this GPU takes made for clusters? A build for older generations runs here, too, but has none.
template <class Number>
bool made_for_clusters() {
  static const bool made = [] {
    cudaFuncAttributes attributes{};
    return cudaFuncGetAttributes(&attributes, shared_rows<Number>) == cudaSuccess && attributes.ptxVersion >= clusters_from;
  }();
  return made;
}

// Threads of a block where clusters share rows; 0: they do not.
unsigned sharing_threads(DataType type, const args::EpilogueCall& call) {
  const auto vectors = std::int64_t{call.hidden} * size_of(type) / 16;
  if (call.hidden * size_of(type) % 16 != 0 || row_sharing(vectors).blocks == 1) return 0;
  int device = 0;
  int generation = 0;
  int processors = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  cudaDeviceGetAttribute(&generation, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  if (generation * 10 < clusters_from || std::int64_t{call.rows} * sharing_blocks > std::int64_t{processors} * sharing_blocks_of_processor) return 0;
  if (!with_number(type, [](auto number) { return made_for_clusters<decltype(number)>(); })) return 0;
  constexpr unsigned warp = 32;
  return static_cast<unsigned>((vectors + sharing_blocks * warp - 1) / (sharing_blocks * warp)) * warp;
}

}  // namespace

CudaCode launch_rows(DataType type, const args::EpilogueCall& call, std::uint32_t most_blocks, StreamHandle stream) {
  if (call.rows == 0) return cudaSuccess;
  constexpr std::uint32_t enough = 1056;  // eight to a multiprocessor of the largest GPUs
  if (most_blocks == 0 || most_blocks > enough) most_blocks = enough;
  std::array<cudaLaunchAttribute, 2> attributes{};
  attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[0].val.programmaticStreamSerializationAllowed = 1;
  attributes[1].id = cudaLaunchAttributeClusterDimension;
  attributes[1].val.clusterDim = {sharing_blocks, 1, 1};
  cudaLaunchConfig_t config{};
  config.stream = static_cast<cudaStream_t>(stream);
  config.attrs = attributes.data();
  if (const auto threads = sharing_threads(type, call); threads > 0 && call.rows * sharing_blocks <= most_blocks) {
    config.gridDim = call.rows * sharing_blocks;
    config.blockDim = threads;
    config.numAttrs = 2;
    const auto kernel = with_number(type, [](auto number) -> RowKernel { return shared_rows<decltype(number)>; });
    return cudaLaunchKernelEx(&config, kernel, call);
  }
  config.gridDim = std::min(call.rows, most_blocks);
  config.blockDim = row_threads;
  config.numAttrs = 1;
  const auto layout = row_layout(call.hidden, type, row_threads, 4);
  const auto kernel = with_number(type, [&](auto number) { return kernel_for<decltype(number)>(layout); });
  return cudaLaunchKernelEx(&config, kernel, call);
}

}  // namespace p2plab::device
