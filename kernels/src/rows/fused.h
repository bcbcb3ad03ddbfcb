// SPDX-License-Identifier: Apache-2.0
// Packets and the epilogue in one kernel. Where a row's packets go through all items at the row's own place, a block takes whole rows, and what it
// has received is what it norms; else all blocks of the rank meet before rows are touched.
#pragma once

#include "device/fixed_tables.h"
#include "rows/worker.h"

namespace p2plab::device {

/// The first wave that is not sent without waiting: that of the first item of which anything lands.
template <class Tables>
constexpr std::uint32_t first_to_wait(const Tables& tables, const args::PacketCall& call) {
  if constexpr (Tables::waves >= 0) return static_cast<std::uint32_t>(Tables::first_landing);
  std::uint32_t item = 0;
  for (std::uint32_t w = 0; w < call.waves; ++w) {
    const auto wave = tables.wave(w);
    if (wave.lands != 0) return item;
    if ((wave.flags & args::wave_adds) == 0 || (wave.flags & args::wave_ends) != 0) item = w + 1;
  }
  return call.waves;
}

/// What a rank does with a row's packets: what waits for nobody, or the rest.
enum class RowPart : std::uint8_t { sent, received };

/// The packets of a row through the items of one part, item after item; sums that end stay with the worker if they are `Taken`. False if a wait
/// failed.
template <RowPart Part, class Machine, class Wire, class Shape, bool Taken, class Combine, class Tables, class Context, class Worker>
constexpr bool carry_row(const Combine& combine, const Tables& tables, const args::PacketCall& call, Context& context, std::uint32_t row,
                         std::uint32_t packets, Worker& worker) {
  const auto first = row * packets;
  constexpr bool sends = Part == RowPart::sent;
  if constexpr (Tables::waves >= 0) {
    constexpr int threads = Shape::threads;
    constexpr int slots = Shape::slots > 0 ? Shape::slots * (4 / Wire::words) : 0;
    return repeat<Tables::waves>(call.waves, [&](auto w) {
      if ((w < Tables::first_landing) != sends) return true;
      bool good = true;
      if constexpr (slots > 0) {
        unroll<slots>([&](auto slot) {
          const auto p = static_cast<std::uint32_t>(slot * threads) + Machine::thread();
          if (!good || p >= packets) return;
          good = carry_fixed<Machine, Wire>(combine, tables, call, context, w, first + p, Taken ? worker.taken(slot) : nullptr);
        });
      } else {
        for (auto p = Machine::thread(); good && p < packets; p += threads)
          good = carry_fixed<Machine, Wire>(combine, tables, call, context, w, first + p);
      }
      return good;
    });
  } else {
    const auto middle = first_to_wait(tables, call);
    bool good = true;
    for (auto p = Machine::thread(); good && p < packets; p += Shape::threads) {
      for (auto w = sends ? 0U : middle; good && w < (sends ? middle : call.waves);)
        good = carry_item<Machine, Wire>(combine, tables, call, context, w, first + p);
    }
    return good;
  }
}

/// A row's epilogue.
template <bool Taken, class Notes, class Worker>
constexpr void finish_row(Notes& notes, Worker& worker, std::uint32_t row) {
  [[maybe_unused]] const auto note = notes.note(args::item_epilogue);
  worker.template finish<Taken>(row);
}

/// Row by row: `packets` of a row. What a row sends without waiting is sent before the row before it is received, so that links are at work while
/// rows are normed. With `Taken` the last item of each packet is the sum that ends in the output, a packet is a vector of the row, and threads norm
/// what they have in their registers.
template <class Machine, class Wire, class Shape, bool Taken, class Combine, class Tables>
constexpr void run_packet_rows(const Combine& combine, const Tables& tables, const args::PacketCall& call, const args::EpilogueCall& epilogue,
                               std::uint32_t packets, std::uint32_t shared, CallNotes<Machine, Tables>& notes) {
  const auto counter = call.epochs + std::uint64_t{Machine::own_block()} * 4;
  PacketContext<Machine, Tables> context{notes, Machine::load_32(counter), call.area};
  notes.begin(context.epoch);
  RowWorker<Machine, Shape> worker(epilogue, shared);
  const auto send = [&](std::uint32_t row) {
    if (row < epilogue.rows) carry_row<RowPart::sent, Machine, Wire, Shape, Taken>(combine, tables, call, context, row, packets, worker);
  };
  bool failed = false;
  if (Machine::block() < epilogue.rows) worker.fetch(Machine::block());
  send(Machine::block());
  for (auto row = Machine::block(); row < epilogue.rows; row += Machine::blocks()) {
    if constexpr (!Machine::one_row) send(row + Machine::blocks());
    const bool good = carry_row<RowPart::received, Machine, Wire, Shape, Taken>(combine, tables, call, context, row, packets, worker);
    // What threads have in registers they norm before they know of each other.
    if constexpr (!Taken) failed = Machine::sync_any(!good);
    if (!Taken && failed) break;
    if (row == Machine::block()) Machine::row_ready();
    finish_row<Taken>(notes.steps, worker, row);
    if (Machine::one_row || row + Machine::blocks() >= epilogue.rows) break;
    if constexpr (Taken) failed = Machine::sync_any(!good);
    if (failed) break;
    worker.fetch(row + Machine::blocks());
  }
  Machine::sync();
  if (Machine::own_thread() == 0) Machine::store_32(counter, context.epoch + 1 == args::epoch_limit ? 0 : context.epoch + 1);
  notes.add_up();
  notes.end(context.epoch);
}

/// Waits until all blocks of the rank have come here; then what any of them wrote before is seen by all. False after the deadline, with a report.
template <class Machine>
constexpr bool meet(const args::PacketCall& call, std::uint64_t arrivals) {
  Machine::sync();
  bool failed = false;
  if (Machine::thread() == 0) {
    const auto own = arrivals + args::arrivals_stride + std::uint64_t{Machine::block()} * 4;
    const auto all = Machine::load_32(own) + Machine::blocks();
    Machine::store_32(own, all);
    Machine::arrive(arrivals);
    std::uint64_t started = 0;
    for (std::uint32_t spins = 1; !failed && static_cast<std::int32_t>(Machine::acquire(arrivals) - all) < 0; ++spins) {
      if (spins % Machine::spins_between_checks != 0) continue;
      if (started == 0) started = Machine::now();
      const bool late = Machine::now() - started > call.timeout;
      failed = late || Machine::peek(call.abort) != 0;
      if (late) Machine::report(call.report, call.abort, {1, Machine::block(), args::item_arrivals, 0, 0});
    }
  }
  return !Machine::sync_any(failed);
}

/// All packets, then all rows.
template <class Machine, class Wire, class Shape, class Combine, class Tables>
constexpr void run_packets_then_rows(const Combine& combine, const Tables& tables, const args::PacketCall& call, const args::EpilogueCall& epilogue,
                                     std::uint32_t shared, CallNotes<Machine, Tables>& notes) {
  const auto number = carry_packets<Machine, Wire, false>(combine, tables, call, notes);
  RowWorker<Machine, Shape> worker(epilogue, shared);
  auto row = Machine::block();
  if (row < epilogue.rows) worker.fetch(row);
  if (!meet<Machine>(call, epilogue.arrivals)) return;
  while (row < epilogue.rows) {
    finish_row<false>(notes.steps, worker, row);
    row += Machine::blocks();
    if (row < epilogue.rows) worker.fetch(row);
  }
  notes.add_up();
  notes.end(number);
}

/// Has what the first row adds of this rank come to the L2 cache, too.
template <class Machine, class Shape, class Tables>
constexpr void prefetch_sources(const Tables& tables, std::uint32_t packets) {
  for (auto p = Machine::thread(); p < packets; p += Shape::threads) {
    const auto at = (std::uint64_t{Machine::block()} * packets + p) * 16;
    unroll<Tables::waves>([&](auto w) {
      const auto wave = tables.wave(w);
      if (wave.count > 0 && (wave.lands & 1) == 0) Machine::prefetch(tables.source_address(wave.first) + at);
    });
  }
}

/// A kernel's body. `Packets`: of a row, where blocks take whole rows; else 0.
template <class Machine, class Wire, class Combine, class Shape, int Packets, bool Taken, class Tables>
constexpr void fused_kernel(const Combine& combine, const Tables& tables, const args::PacketCall& call, const args::EpilogueCall& epilogue,
                            std::uint32_t shared) {
  Machine::let_next_start();
  fetch_call<Machine>(tables, call);
  Machine::keep(epilogue.residual + epilogue.rows);
  Machine::row_begin(shared);
  if constexpr (Packets > 0 && Taken) {
    prefetch_sources<Machine, Shape>(tables, static_cast<std::uint32_t>(Packets));
    prefetch_row<Machine, Shape>(epilogue, 0);
  }
  CallNotes<Machine, Tables> notes(journal_of<Machine, Tables>(call));
  Machine::await_previous();
  if constexpr (Packets > 0) {
    run_packet_rows<Machine, Wire, Shape, Taken>(combine, tables, call, epilogue, static_cast<std::uint32_t>(Packets), shared, notes);
  } else {
    run_packets_then_rows<Machine, Wire, Shape>(combine, tables, call, epilogue, shared, notes);
  }
}

}  // namespace p2plab::device
