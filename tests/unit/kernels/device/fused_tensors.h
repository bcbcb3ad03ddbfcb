// SPDX-License-Identifier: Apache-2.0
// What a fused kernel on CPU threads reads and writes beside its packets.
#pragma once

#include <random>

#include "device/arithmetic.cuh"
#include "rows/epilogue_link.h"
#include "rows/fused.h"
#include "rows/row_check.h"
#include "rows/row_cpu.h"
#include "support/emulation/emulation.h"

namespace p2plab::test {

using Float = device::Fixed<device::Float, ReduceOp::sum>;
using RowMachine = RowCpu<Cpu>;

/// The tensors of every rank's epilogue.
class Tensors {
 public:
  Tensors(const Emulation& emulation, const Epilogue& epilogue, const Payload& payload, std::uint32_t blocks) {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> values(-1, 1);
    const auto take = [&](std::int64_t words) {
      memory_.emplace_back(static_cast<std::size_t>(words) + 4);
      for (auto& value : memory_.back()) value = values(random);
      return (reinterpret_cast<std::uint64_t>(memory_.back().data()) + 15) / 16 * 16;
    };
    for (std::size_t r = 0; r < emulation.program().memory.size(); ++r) {
      EpilogueBuffers buffers;
      for (auto* const tensor :
           {&buffers.residual, &buffers.weight, &buffers.bias, &buffers.sum, &buffers.normed, &buffers.quantised, &buffers.scales})
        *tensor = take(payload.elements);
      auto call = *link_epilogue(epilogue, payload, emulation.output(r), buffers);
      memory_.emplace_back(args::arrivals_stride / 4 + blocks);
      call.arrivals = reinterpret_cast<std::uint64_t>(memory_.back().data());
      calls.push_back(call);
    }
  }
  std::int64_t wrong() const {
    std::int64_t sum = 0;
    for (const auto& call : calls) sum += check_rows(DataType::float32, call).wrong;
    return sum;
  }

  std::vector<args::EpilogueCall> calls;

 private:
  std::vector<std::vector<float>> memory_;
};

/// A rank's kernel: its packets and rows, `packets` of them a row if a block takes whole rows.
template <class Wire, class Shape>
auto kernel_of(const Tensors& tensors, std::uint32_t packets) {
  return [&tensors, packets](const VectorTables& tables, const args::PacketCall& call, std::size_t r) {
    const auto& rows = tensors.calls[r];
    device::CallNotes<RowMachine, VectorTables> notes(call.journal);
    if (packets > 0) return device::run_packet_rows<RowMachine, Wire, Shape, false>(Float{}, tables, call, rows, packets, 0, notes);
    device::run_packets_then_rows<RowMachine, Wire, Shape>(Float{}, tables, call, rows, 0, notes);
  };
}

}  // namespace p2plab::test
