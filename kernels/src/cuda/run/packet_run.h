// SPDX-License-Identifier: Apache-2.0
// Runs packet by packet: by a kernel made for the program, or by the interpreter where none can be made.
#pragma once

#include "cuda/run/run.h"
#include "lowered/launch.h"

namespace p2plab::cuda {

class PacketRun final : public GpuRun {
 public:
  PacketRun(const Job& job, const RunBuffers& buffers, const KernelShape& shape, SpecialKernels& kernels, DeviceSet& device_set);

  Status call(Rank rank, const DeviceBuffers& buffers, device::StreamHandle stream) const override;
  NotedItems noted(Rank rank) const override;
  std::vector<Arrival> arrivals() const override;
  std::string describe() const override;

 private:
  /// What the run holds for one rank.
  struct RankPackets {
    Arena::Region landing;
    Arena::Region tables_memory;
    LinkedPackets linked;
    args::PacketCall call;
    device::PacketTables tables;            // the interpreter's
    const void* special = nullptr;          // the kernel made for the program
    const void* noting = nullptr;           // the same, which also writes in a journal
    std::vector<std::uint64_t> parameters;  // of these kernels
    Arena::Region arrivals;                 // where the rank's blocks meet before its epilogue
  };

  Needs needs() const override { return {.flags = 0, .host_landing = host_area_ * args::landing_copies}; }
  Status place_own(std::size_t rank) override;
  // Packets touch a caller's buffers on their own GPU only.
  bool shares_buffers() const override { return false; }
  Status prepare() override;
  Status launch(Rank rank, const args::CallJournal& journal, device::StreamHandle stream) const override;
  std::string describe_wait(std::size_t rank, const args::HangReport& report) const override;

  Status launch(const RankPackets& state, const std::vector<std::uint64_t>& parameters, const args::CallJournal& journal, device::StreamHandle stream,
                const args::EpilogueCall* epilogue = nullptr) const;
  void link(int width, std::span<const std::vector<std::uint8_t>> stages = {});
  // packet_code.cpp: code made for the program
  Status specialise();
  struct Grid {
    std::int64_t blocks = 1;
    bool once = true;                // no thread has more than one packet
    std::int64_t per_processor = 1;  // blocks that must fit at once
    int cluster = 1;                 // blocks that share a row
    std::optional<RowCode> rows = std::nullopt;
  };
  Grid packet_grid() const;
  Status specialise(const Grid& grid);
  Grid epilogue_grid(bool shared);
  std::uint32_t row_threads(std::uint32_t packets) const;
  Grid row_grid(std::uint32_t packets, bool shared);
  Status specialise_rank(std::size_t rank, const Grid& grid);
  // the interpreter
  Status interpret();
  Status choose_interpreter_shape();
  std::uint32_t interpreter_threads() const;
  Status join_columns(std::int64_t most);
  Status upload_tables(std::size_t rank);

  std::int64_t packets_a_call() const;  // of any rank

  std::shared_ptr<const PacketProgram> packets_;  // the program's, in as many columns as GPUs have threads for
  PacketWire wire_;
  std::int64_t area_ = 0;  // bytes of one copy of the landing areas
  std::int64_t host_area_ = 0;
  KernelShape shape_;
  device::KernelChoice choice_;
  std::uint32_t blocks_ = 1;
  SpecialKernels& kernels_;
  std::string interpreted_;  // why there is no code made for the program
  std::vector<RankPackets> ranks_;
};

}  // namespace p2plab::cuda
