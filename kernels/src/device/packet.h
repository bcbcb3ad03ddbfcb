// SPDX-License-Identifier: Apache-2.0
// The element-by-element interpreter: a thread takes its packets through all items of its column, with nothing between threads. Sources come in
// waves: all loads of a wave are in flight together, and the wave waits once for everything that is to land (packet_waves.h). The same source runs on
// GPUs with tables read at run time, with tables that are constants (then it becomes a specialised kernel: fixed_tables.h), and with atomics on the
// CPU.
#pragma once

#include "device/packet_waves.h"

namespace p2plab::device {

/// Where a block stands. A rank's blocks are dealt out to its columns, an equal run of them each, and those of a column share its packets.
struct ColumnPlace {
  std::uint32_t column = 0;
  std::uint32_t block = 0;  // of the column's
  std::uint32_t blocks = 1;
};
template <class Machine, class Tables>
constexpr ColumnPlace column_place(const args::PacketCall& call) {
  if (Tables::waves >= 0 || call.columns <= 1) return {0, Machine::block(), Machine::blocks()};
  const auto blocks = Machine::blocks() / call.columns;
  return {Machine::block() / blocks, Machine::block() % blocks, blocks};
}

/// A rank's tables as a block's column has them; `call`, too, becomes that of the column.
template <class Machine, class Tables>
constexpr Tables tables_of_column(const Tables& tables, args::PacketCall& call) {
  if (call.columns <= 1) return tables;
  const auto mine = tables.column(column_place<Machine, Tables>(call).column);
  call.waves = mine.waves;
  call.source_count = mine.sources;
  call.store_count = mine.stores;
  return tables.from(mine);
}

/// Takes a packet through the item that begins with wave `w`; `w` becomes the first wave of the next.
template <class Machine, class Wire, class Combine, class Tables, class Context>
constexpr bool carry_item(const Combine& combine, const Tables& tables, const args::PacketCall& call, Context& context, std::uint32_t& w,
                          std::uint32_t position) {
  [[maybe_unused]] const auto note = context.note(w);
  typename Combine::template Sum<Wire::words> sum;
  for (bool more = true; more;) {
    const auto wave = tables.wave(w++);
    clear_wave<Machine, Wire>(tables, context, wave, position);
    const bool whole = (wave.flags & args::wave_cut) == 0 && position < call.whole_packets;
    const bool good = whole ? carry<Machine, Wire, true>(combine, tables, call, context, wave, position, sum)
                            : carry<Machine, Wire, false>(combine, tables, call, context, wave, position, sum);
    if (!good) return false;
    more = (wave.flags & args::wave_adds) != 0 && (wave.flags & args::wave_ends) == 0;
  }
  return true;
}

/// The same where tables are constants and every item is one wave.
template <class Machine, class Wire, class Combine, class Tables, class Context, class Index>
constexpr bool carry_fixed(const Combine& combine, const Tables& tables, const args::PacketCall& call, Context& context, Index w,
                           std::uint32_t position, Words<4>* last = nullptr) {
  [[maybe_unused]] const auto note = context.note(w);
  typename Combine::template Sum<Wire::words> sum;
  const auto wave = tables.wave(w);
  // All at once, while the first packets are on their way.
  if (w == Tables::first_landing) {
    context.while_waiting();
    repeat<Tables::waves>(call.waves, [&](auto v) {
      clear_wave<Machine, Wire>(tables, context, tables.wave(v), position);
      return true;
    });
  }
  const bool cut = (wave.flags & args::wave_cut) != 0 || (Tables::odd && position >= call.whole_packets);
  if (cut) return carry<Machine, Wire, false>(combine, tables, call, context, wave, position, sum, last);
  return carry<Machine, Wire, true>(combine, tables, call, context, wave, position, sum, last);
}

/// Takes `batch` packets, `step` apart from `first` on, through all items, item after item: so what is sent early is under way while later packets
/// are sent. Code made for programs of one packet a thread takes that. False if a wait failed.
template <class Machine, class Wire, class Combine, class Tables, class Context>
constexpr bool carry_batch(const Combine& combine, const Tables& tables, const args::PacketCall& call, Context& context, std::uint32_t first,
                           std::uint32_t step) {
  if constexpr (Tables::waves >= 0) {
    return repeat<Tables::waves>(call.waves, [&](auto w) { return carry_fixed<Machine, Wire>(combine, tables, call, context, w, first); });
  } else {
    for (std::uint32_t w = 0; w < call.waves;) {
      auto next = w;
      auto position = first;
      for (std::uint32_t k = 0; k < call.batch && position < call.packets; ++k, position += step) {
        next = w;
        if (!carry_item<Machine, Wire>(combine, tables, call, context, next, position)) return false;
      }
      w = next;
    }
    return true;
  }
}

/// All packets of a thread, `first` being its first of each stride of the grid, in rounds of `batch` packets. At time t the waves of stage s take
/// round t - s: so data of one round is on its way while another is added, and what lands is read while it is still in the cache.
template <class Machine, class Wire, class Combine, class Tables, class Context>
constexpr void carry_rounds(const Combine& combine, const Tables& tables, const args::PacketCall& call, Context& context, std::uint32_t first,
                            std::uint32_t step) {
  const auto stride = step * call.batch;
  const auto rounds = (call.packets + stride - 1) / stride;
  const auto times = rounds + static_cast<std::uint32_t>(Tables::stages) - 1;
  for (std::uint32_t time = 0; time < times; ++time) {
    const bool good = repeat<Tables::waves>(call.waves, [&](auto w) {
      const auto round = time - Tables::stage(w);
      if (round >= rounds) return true;
      auto position = first + round * stride;
      for (std::uint32_t k = 0; k < call.batch && position < call.packets; ++k, position += step) {
        if (!carry_fixed<Machine, Wire>(combine, tables, call, context, w, position)) return false;
      }
      return true;
    });
    if (!good) return;
  }
}

/// The packet of a thread that has but one. What it notes lies between its last packet and the barrier: so nothing more stands between that and the
/// kernel's end, and threads that wait apart from each other need not come together before.
template <class Machine, class Wire, class Combine, class Tables, class Context>
constexpr void carry_once(const Combine& combine, const Tables& tables, const args::PacketCall& call, Context& context, std::uint32_t position) {
  if (!carry_batch<Machine, Wire>(combine, tables, call, context, position, 0)) return;
  if constexpr (Tables::first_landing >= Tables::waves) context.notes.add_up();
  context.notes.end(context.epoch);
}

/// All packets of a column, in strides of its blocks; every rank must have the same grid, all of it resident at once. The call's number. With Ends
/// the call's end is noted; else rows follow.
template <class Machine, class Wire, bool Ends, class Combine, class Tables>
constexpr std::uint32_t carry_packets(const Combine& combine, const Tables& tables, const args::PacketCall& call, CallNotes<Machine, Tables>& notes) {
  const auto counter = call.epochs + std::uint64_t{Machine::block()} * 4;
  const auto number = Machine::load_32(counter);
  notes.begin(number);
  PacketContext<Machine, Tables, Ends && Tables::once> context{notes, number, call.area};
  const auto place = column_place<Machine, Tables>(call);
  const auto step = place.blocks * Machine::threads();
  auto first = place.block * Machine::threads() + Machine::thread();
  if constexpr (Tables::once && Ends) {
    if (first < call.packets) carry_once<Machine, Wire>(combine, tables, call, context, first);
  } else if constexpr (Tables::once) {
    if (first < call.packets) carry_batch<Machine, Wire>(combine, tables, call, context, first, step);
  } else if constexpr (Tables::waves >= 0) {
    carry_rounds<Machine, Wire>(combine, tables, call, context, first, step);
  } else {
    for (; first < call.packets; first += step * call.batch) {
      if (!carry_batch<Machine, Wire>(combine, tables, call, context, first, step)) break;
    }
  }
  Machine::sync();
  if (Machine::thread() == 0) Machine::store_32(counter, number + 1 == args::epoch_limit ? 0 : number + 1);
  if constexpr (!Tables::once && Ends) {
    notes.add_up();
    notes.end(number);
  }
  return number;
}

/// The whole kernel.
template <class Machine, class Wire, class Combine, class Tables>
constexpr void run_packets(const Combine& combine, const Tables& tables, const args::PacketCall& call) {
  CallNotes<Machine, Tables> notes(call.journal);
  carry_packets<Machine, Wire, true>(combine, tables, call, notes);
}

}  // namespace p2plab::device
