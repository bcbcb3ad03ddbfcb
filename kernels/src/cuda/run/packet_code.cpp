// SPDX-License-Identifier: Apache-2.0
// Code made for a packet program: launch shape, kernels, parameters.
#include <algorithm>

#include "cuda/run/packet_run.h"

namespace p2plab::cuda {

namespace {

std::int64_t divided(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

// One packet a thread where so many threads fit at once; otherwise the fewest packets a thread, as evenly as that goes.
Status PacketRun::specialise() {
  if (!can_specialise(packets_)) return Error{ErrorCode::unsupported, "the program is too long for a specialised kernel"};
  link(image::most_packet_width);
  const auto processors = std::max(device_set_.least_multiprocessors() / share_, 1);
  const auto threads_at_once = shape_.threads_per_processor > 0 ? shape_.threads_per_processor : packet_threads_of_multiprocessor;
  const auto per_processor = std::max<std::int64_t>(1, threads_at_once / shape_.threads);
  const auto wanted = std::max<std::int64_t>(1, divided(packets_a_call(), shape_.threads));
  auto most = std::min(processors * per_processor, counter_bytes / 4);
  if (shape_.blocks > 0) most = std::min<std::int64_t>(most, shape_.blocks);
  const auto batch = divided(wanted, most);
  const auto blocks = divided(wanted, batch);
  return each_rank([&](std::size_t rank) { return specialise_rank(rank, blocks, batch, processors); });
}

Status PacketRun::specialise_rank(std::size_t rank, std::int64_t blocks, std::int64_t batch, std::int64_t processors) {
  auto& state = ranks_[rank];
  const PacketCode code{.choice = choice_,
                        .threads = shape_.threads,
                        .blocks_per_processor = static_cast<std::uint32_t>(divided(blocks, processors)),
                        .odd = state.image.whole_packets < state.call.packets,
                        .once = batch == 1};
  const auto kernel = kernels_.get(state.image, code, device_set_.gpu(rank).capability);
  if (!kernel) return kernel.error();
  const auto fit = device::resident_special_blocks(*kernel, shape_.threads);
  if (fit <= 0) return check(-fit, "ask how many blocks fit");
  if (fit / share_ < blocks) return Error{ErrorCode::unsupported, "a specialised kernel needs too many registers"};
  state.special = *kernel;
  state.parameters = packet_parameters(state.image);
  state.call.batch = shape_.batch > 0 ? shape_.batch : static_cast<std::uint32_t>(batch);
  blocks_ = static_cast<std::uint32_t>(blocks);
  return {};
}

}  // namespace p2plab::cuda
