// SPDX-License-Identifier: Apache-2.0
// A program's run on CPU threads by the GPU kernels' own interpreters, with memory for all ranks.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>

#include "device/fixed_tables.h"
#include "lowered/linked_packets.h"
#include "lowered/linked_slices.h"
#include "lowered/specialise.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/planner.h"
#include "p2plab/schedule/layout.h"
#include "support/emulation/bulk_cpu.h"
#include "support/emulation/vector_tables.h"

namespace p2plab::test {

// Memory of all ranks for one program, and calls of it. Values are small whole numbers, exact in any type and order.
class Emulation {
 public:
  Emulation(const Topology& machine, const Plan& plan, const Payload& payload, const Tuning& tuning, bool in_place)
      : peer_access_(machine), plan_(plan), payload_(payload), layout_(plan.schedule, payload) {
    const auto proof = *verify(machine, plan.schedule, {.in_place = in_place});
    program_ = *lower(plan.schedule, proof, payload, tuning, peer_access_);
    const auto n = program_.memory.size();
    addresses_.resize(n);
    for (std::size_t r = 0; r < n; ++r) {
      const auto& memory = program_.memory[r];
      auto& at = addresses_[r];
      at.buffers = {take(memory.input), take(memory.output), take(memory.scratch), take(memory.host)};
      if (in_place) share(Rank{static_cast<std::int64_t>(r)}, at);
      at.token = take(Bytes{64});
      at.flags = take(Bytes{flag_bytes(program_)});
      at.host_flags = take(Bytes{flag_bytes(program_)});
      reports_.push_back(take(Bytes{64}));
    }
    abort_ = take(Bytes{64});
  }

  const Program& program() const { return program_; }
  args::HangReport& report(std::size_t rank) { return *Cpu::at<args::HangReport>(reports_[rank]); }
  std::uint64_t timeout = 20'000'000'000;
  std::uint32_t first_call = 0;
  int missing_rank = -1;                           // this rank never starts
  std::int32_t most_columns = 1;                   // of threads: a block is a thread of this machine's
  std::function<void(PacketProgram&)> spoil = {};  // what is run by packets, before it is linked

  // By the interpreter, with so many blocks for each column of the program. A thread takes `batch` packets at a time.
  template <class Wire, class Combine>
  void prepare_packets(std::uint32_t blocks, std::uint32_t batch = 1) {
    prepare_kernel<Wire>(blocks, batch, [](const VectorTables& tables, const args::PacketCall& call, std::size_t) {
      device::run_packets<Cpu, Wire>(Combine{}, tables, call);
    });
  }
  // kernel(tables, call, rank) being the kernel.
  template <class Wire, class Kernel>
  void prepare_kernel(std::uint32_t blocks, std::uint32_t batch, Kernel kernel) {
    link<Wire>(blocks, batch, args::packet_width);
    launch_ = [this, blocks, kernel](std::vector<std::thread>& threads, std::size_t r) {
      const VectorTables tables{&linked_packets_[r]};
      const auto call = packet_calls_[r];
      test::run_blocks(threads, blocks * call.columns, [=] {
        auto mine = call;
        const auto of_column = device::tables_of_column<Cpu>(tables, mine);
        kernel(of_column, mine, r);
      });
    };
  }
  std::uint64_t output(std::size_t rank) const { return addresses_[rank].buffers[1]; }

  // By code made for the program: `Shape` must be what shape_source says of every rank.
  template <class Wire, class Combine, class Shape>
  void prepare_fixed(std::uint32_t blocks, std::uint32_t batch = 1) {
    link<Wire>(blocks, batch, args::most_packet_width);
    launch_ = [this, blocks](std::vector<std::thread>& threads, std::size_t r) {
      test::run_blocks(threads, blocks,
                       [=, tables = fixed_tables<Shape>(r), call = packet_calls_[r]] { device::run_packets<Cpu, Wire>(Combine{}, tables, call); });
    };
  }
  template <class Shape>
  device::FixedTables<Shape> fixed_tables(std::size_t rank) const {
    const auto parameters = packet_parameters(linked_packets_[rank]);
    device::FixedTables<Shape> tables;
    std::memcpy(static_cast<void*>(&tables), parameters.data(), sizeof tables);
    return tables;
  }
  // One block of a rank, by another Machine, in the thread that calls.
  template <class Machine, class Wire, class Combine>
  void packets_here(std::size_t rank) {
    device::run_packets<Machine, Wire>(Combine{}, VectorTables{&linked_packets_[rank]}, packet_calls_[rank]);
  }
  template <class Machine, class Wire, class Combine, class Shape>
  void fixed_here(std::size_t rank) {
    device::run_packets<Machine, Wire>(Combine{}, fixed_tables<Shape>(rank), packet_calls_[rank]);
  }
  template <class Machine, class Combine>
  void slices_here(std::size_t rank) {
    device::run_slices<Machine, false>(Combine{}, linked_slices_[rank].call);
  }
  std::uint32_t slice_blocks(std::size_t rank) const {
    return std::max(linked_slices_[rank].call.lane_count, 1U) * linked_slices_[rank].call.blocks_per_lane;
  }
  args::PacketCall& packet_call(std::size_t rank) { return packet_calls_[rank]; }
  args::SliceCall& slice_call(std::size_t rank) { return linked_slices_[rank].call; }

  // All memory as it is, and back to that.
  void remember() {
    remembered_.clear();
    for (const auto& memory : memory_) remembered_.push_back(*memory);
  }
  void restore() {
    for (std::size_t m = 0; m < memory_.size(); ++m) std::ranges::copy(remembered_[m], memory_[m]->begin());
  }

  const LinkedPackets& linked_packets(std::size_t rank) const { return linked_packets_[rank]; }
  // What was linked: the program's own packets, unless the test wanted another wire.
  const PacketProgram& packets() const { return *packets_; }
  const LinkedSlices& linked_slices(std::size_t rank) const { return linked_slices_[rank]; }

  // With ordinary loads and stores, or by bulk copies through shared memory.
  template <class Combine, bool Steps = false>
  void prepare_slices(bool bulk = false) {
    for (std::size_t r = 0; r < addresses_.size(); ++r)
      linked_slices_.push_back(link_slices(program_, peer_access_, Rank{static_cast<std::int64_t>(r)}, addresses_));
    for (std::size_t r = 0; r < addresses_.size(); ++r) {
      auto& linked = linked_slices_[r];
      auto& call = linked.call;
      const auto blocks = std::max(call.lane_count, 1U) * call.blocks_per_lane;
      call.lanes = linked.lanes.data();
      call.instructions = linked.instructions.data();
      call.waits = linked.waits.data();
      call.addresses = linked.addresses.data();
      call.calls = Cpu::at<std::uint32_t>(take(Bytes{blocks * 4}));
      for (std::uint32_t b = 0; b < blocks; ++b) call.calls[b] = first_call;
      call.report = reports_[r];
      call.abort = abort_;
      call.timeout = timeout;
      const auto flags = flag_bytes(program_) / args::flag_stride;
      const auto n = static_cast<std::int64_t>(addresses_.size());
      for (std::int64_t f = 0; f < flags; ++f) {
        const auto value = f < n ? first_call : first_call * call.stride;
        Cpu::store_flag(addresses_[r].flags + static_cast<std::uint64_t>(f) * args::flag_stride, value);
        Cpu::store_flag(addresses_[r].host_flags + static_cast<std::uint64_t>(f) * args::flag_stride, value);
      }
    }
    const bool shifts = !is_aligned();
    launch_ = [this, bulk, shifts](std::vector<std::thread>& threads, std::size_t r) {
      const auto call = linked_slices_[r].call;
      test::run_blocks(threads, std::max(call.lane_count, 1U) * call.blocks_per_lane, [=] {
        if (bulk) return device::run_bulk_slices<BulkCpu, Steps>(Combine{}, call, 0);
        shifts ? device::run_slices<Cpu, true, Steps>(Combine{}, call) : device::run_slices<Cpu, false, Steps>(Combine{}, call);
      });
    };
  }

  // One call with fresh data: returns the number of wrong output elements.
  template <class T>
  int call(int number) {
    for (std::size_t r = 0; r < addresses_.size(); ++r) fill<T>(r, number);
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < addresses_.size(); ++r) {
      if (static_cast<int>(r) != missing_rank) launch_(threads, r);
    }
    for (auto& thread : threads) thread.join();
    int bad = 0;
    for (std::size_t r = 0; r < addresses_.size(); ++r) bad += wrong<T>(r, number);
    return bad;
  }

  // One rank's data of a call, and how many elements of its result are wrong.
  template <class T>
  void fill(std::size_t r, int number) {
    const auto elements = block_elements(plan_.schedule.collective(), plan_.schedule.blocks(), payload_);
    const Rank rank{static_cast<std::int64_t>(r)};
    if (!program_.in_place) std::memset(Cpu::at<void>(addresses_[r].buffers[1]), 0xee, static_cast<std::size_t>(program_.memory[r].output.count()));
    for (std::size_t b = 0; b < elements.size(); ++b) {
      const auto offset = layout_.input_offset(rank, static_cast<std::int32_t>(b));
      if (offset < 0) continue;
      auto* data = Cpu::at<T>(addresses_[r].buffers[0] + static_cast<std::uint64_t>(offset));
      for (std::int64_t e = 0; e < elements[b]; ++e) data[e] = value<T>(rank.value, b, e, number);
    }
  }

  template <class T>
  int wrong(std::size_t r, int number) const {
    const auto elements = block_elements(plan_.schedule.collective(), plan_.schedule.blocks(), payload_);
    const Rank rank{static_cast<std::int64_t>(r)};
    int bad = 0;
    for (std::size_t b = 0; b < elements.size(); ++b) {
      const auto& block = plan_.schedule.blocks()[b];
      if (std::ranges::find(block.receivers, rank) == block.receivers.end()) continue;
      const auto* data = Cpu::at<T>(addresses_[r].buffers[1] + static_cast<std::uint64_t>(layout_.output_offset(rank, static_cast<std::int32_t>(b))));
      for (std::int64_t e = 0; e < elements[b]; ++e) {
        T sum{};
        for (const auto sender : block.contributors) sum += value<T>(sender.value, b, e, number);
        bad += data[e] == sum ? 0 : 1;
      }
    }
    return bad;
  }

 private:
  bool is_aligned() const {
    return std::ranges::all_of(linked_slices_, [](const LinkedSlices& linked) {
      return std::ranges::all_of(linked.instructions, [](const auto& i) { return i.alignment == args::Alignment::whole; });
    });
  }

  template <class Wire>
  void link(std::uint32_t blocks, std::uint32_t batch, int width) {
    const auto wire = Wire::words == 2 ? PacketWire::ll : PacketWire::lamport;
    // Lowered to this wire, or, where a test wants another one, afresh.
    const bool lowered =
        program_.packets && (program_.packets->wire == wire || (program_.packets->wire == PacketWire::ll128 && wire == PacketWire::ll));
    packets_ = lowered ? program_.packets : std::make_shared<const PacketProgram>(make_packet_program(program_, peer_access_, wire));
    if (packets_->columns > most_columns) packets_ = std::make_shared<const PacketProgram>(in_columns(*packets_, most_columns));
    if (spoil) {
      auto spoilt = std::make_shared<PacketProgram>(*packets_);
      spoil(*spoilt);
      packets_ = std::move(spoilt);
    }
    const auto area = std::max(landing_area(*packets_, wire), host_landing_area(*packets_, wire));
    for (auto& at : addresses_) {
      at.landing = take(Bytes{area * args::landing_copies}, Wire::empty().w);
      at.host_landing = take(Bytes{area * args::landing_copies}, Wire::empty().w);
    }
    const auto stages = packet_stages(*packets_);
    for (std::size_t r = 0; r < addresses_.size(); ++r) {
      linked_packets_.push_back(link_packets(*packets_, Rank{static_cast<std::int64_t>(r)}, addresses_, wire, width, stages[r]));
      args::PacketCall call{
          .epochs = take(Bytes{blocks * packets_->columns * 4}), .area = static_cast<std::uint64_t>(area), .batch = batch, .journal = {}};
      call.report = reports_[r];
      call.abort = abort_;
      call.timeout = timeout;
      call.columns = static_cast<std::uint32_t>(packets_->columns);
      for (std::uint32_t b = 0; b < blocks * call.columns; ++b) Cpu::at<std::uint32_t>(call.epochs)[b] = first_call;
      call.packets = static_cast<std::uint32_t>(packets_of(wire, packets_->most_bytes));
      call.waves = static_cast<std::uint32_t>(linked_packets_.back().waves.size());
      call.divisor = linked_packets_.back().divisor;
      call.whole_packets = linked_packets_.back().whole_packets;
      packet_calls_.push_back(call);
    }
  }

  std::uint64_t take(Bytes bytes) {
    memory_.push_back(std::make_unique<std::vector<device::Words<4>>>(static_cast<std::size_t>(bytes.count()) / 16 + 2));
    return reinterpret_cast<std::uint64_t>(memory_.back()->data());
  }
  std::uint64_t take(Bytes bytes, const std::uint32_t (&pattern)[4]) {
    const auto address = take(bytes);
    for (auto& words : *memory_.back()) std::copy_n(pattern, 4, words.w);
    return address;
  }
  void share(Rank rank, RankAddresses& at) const {
    const auto offset = layout_.output_within_input(rank);
    auto& in = at.buffers[0];
    auto& out = at.buffers[1];
    if (layout_.output_size(rank) > layout_.input_size(rank)) {
      in = out - static_cast<std::uint64_t>(offset);
    } else {
      out = in + static_cast<std::uint64_t>(offset);
    }
  }

  template <class T>
  static T value(std::int32_t rank, std::size_t block, std::int64_t element, int number) {
    return static_cast<T>((element * 7 + rank * 13 + static_cast<std::int64_t>(block) * 5 + number * 3) % 19 - 6);
  }

  PeerAccess peer_access_;
  const Plan& plan_;
  Payload payload_;
  BufferLayout layout_;
  Program program_;
  std::vector<RankAddresses> addresses_;
  std::vector<std::uint64_t> reports_;
  std::uint64_t abort_ = 0;
  std::vector<std::unique_ptr<std::vector<device::Words<4>>>> memory_;
  std::vector<std::vector<device::Words<4>>> remembered_;
  std::shared_ptr<const PacketProgram> packets_;
  std::vector<LinkedPackets> linked_packets_;
  std::vector<args::PacketCall> packet_calls_;
  std::vector<LinkedSlices> linked_slices_;
  std::function<void(std::vector<std::thread>&, std::size_t)> launch_;
};

}  // namespace p2plab::test
