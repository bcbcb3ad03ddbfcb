// SPDX-License-Identifier: Apache-2.0
// One packet through one wave: its sources are loaded, what lands is waited for, sums and copies are stored.
//
// Tables give: wave(w), source_address(i), source_bytes(i), store_address(i), store_lands(i), store_source(i); `width`, the most sources of a wave;
// `waves` and `stores`, how many waves there are and stores the longest wave has, or -1 if that is only known at run time; `odd`, are there packets
// that are not whole?; `recorded`, `steps`: calls may carry a journal, and note each step. An index may be a constant (std::integral_constant).
#pragma once

#include "device/journal.h"
#include "device/steps.h"
#include "device/wire.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

/// Calls body(0), body(1) ... while it answers true: a loop, or unrolled if `Fixed` is not negative. Its last answer.
template <int Fixed, class Body>
constexpr bool repeat(std::uint32_t count, Body&& body) {
  if constexpr (Fixed >= 0) {
    bool good = true;
    unroll<Fixed>([&](auto i) { good = good && body(i); });
    return good;
  } else {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (!body(i)) return false;
    }
    return true;
  }
}

/// What a kernel notes of its call, and where. To be made while the preceding kernel runs (programmatic dependent launch).
template <class Machine, class Tables>
struct CallNotes {
  args::CallJournal journal;
  JournalMark<Machine, Tables::recorded> mark;
  StepNotes<Machine, Tables::steps> steps;
  constexpr explicit CallNotes(const args::CallJournal& where) : journal(where), mark(journal), steps(journal) {}

  /// The call begins; `number`: its own.
  constexpr void begin(std::uint32_t number) {
    mark.begin(journal);
    steps.begin(number);
  }
  constexpr void add_up() { mark.add_up(journal); }
  /// The call ends, all runs before being added up.
  constexpr void end(std::uint32_t number) {
    steps.close();
    mark.end(journal, StepNotes<Machine, Tables::steps>::name_of(journal, number));
  }
};

/// Where a thread stands, and what it notes. Offsets of landing copies are made where they are needed: after the first loads are on their way, not
/// before. With AddsUp the first wait of a thread's one packet is the time to add up runs before.
template <class Machine, class Tables, bool AddsUp = false>
struct PacketContext {
  CallNotes<Machine, Tables>& notes;
  std::uint32_t epoch = 0;
  std::uint64_t area = 0;
  constexpr std::uint64_t copy() const { return epoch % args::landing_copies * area; }
  constexpr std::uint64_t clear() const { return (epoch + 2) % args::landing_copies * area; }  // for the call after next
  constexpr auto note(std::uint32_t item) { return notes.steps.note(item); }
  constexpr void while_waiting() {
    if constexpr (AddsUp) notes.add_up();
  }
};

/// Waits until all of a wave's packets whose bits are set in `waiting` are there. False after the deadline, with a report.
template <class Machine, class Wire, int Width, class Context>
constexpr bool await(const args::PacketCall& call, const Context& context, const std::uint64_t (&slots)[Width], Words<4> (&packets)[Width],
                     std::uint32_t waiting, std::uint32_t first_source, std::uint32_t position) {
  std::uint64_t started = 0;
  for (std::uint32_t spins = 1;; ++spins) {
    int missing = -1;
    // A line is loaded by one instruction of all its threads: who loaded before the others would not know that they found it whole.
    Machine::template converge<Wire::threads>();
    unroll<Width>([&](auto k) {
      if ((waiting >> k & 1) != 0) packets[k] = Machine::receive(slots[k]);
    });
    unroll<Width>([&](auto k) {
      if ((waiting >> k & 1) != 0 && !Wire::arrived(packets[k], context.epoch, position)) missing = k;
    });
    // Threads that share an arrival go through this loop together.
    if (!Machine::template any<Wire::threads>(missing >= 0)) return true;
    if (spins % Machine::spins_between_checks != 0) continue;
    if (started == 0) started = Machine::now();
    const bool late = Machine::template any<Wire::threads>(Machine::now() - started > call.timeout);
    if (!late && !Machine::template any<Wire::threads>(Machine::peek(call.abort) != 0)) continue;
    const auto source = first_source + static_cast<std::uint32_t>(missing);
    if (late && missing >= 0) Machine::report(call.report, call.abort, {1, Machine::block(), source, 0, position});
    return false;
  }
}

/// Clears what will land two calls on, of one wave.
template <class Machine, class Wire, class Tables, class Context>
constexpr void clear_wave(const Tables& tables, const Context& context, const args::PacketWave& wave, std::uint32_t position) {
  if constexpr (Wire::clears) {
    unroll<Tables::width>([&](auto k) {
      if ((wave.lands >> k & 1) == 0) return;
      if (Tables::odd || (wave.flags & args::wave_cut) != 0) {
        if (Wire::start(position) >= tables.source_bytes(wave.first + k)) return;
      }
      Machine::template store<4>(tables.source_address(wave.first + k) + std::uint64_t{position} * 16 + context.clear(), Wire::empty());
    });
  }
}

/// Loads what lies in memory for a wave and waits for what lands. Sources that have no packet `position` are
/// left empty; `Whole` promises that all have it, in full and aligned. False if a wait failed.
template <class Machine, class Wire, bool Whole, class Combine, class Tables, class Context>
constexpr bool load_wave(const Combine& combine, const Tables& tables, const args::PacketCall& call, Context& context, const args::PacketWave& wave,
                         std::uint32_t position, Words<4> (&packets)[Tables::width]) {
  std::uint64_t slots[Tables::width] = {};
  std::uint32_t waiting = wave.lands;
  unroll<Tables::width>([&](auto k) {
    if (k >= wave.count) return;
    const auto source = tables.source_address(wave.first + k);
    const bool lands = (wave.lands >> k & 1) != 0;
    if constexpr (!Whole) {
      if (Wire::start(position) >= tables.source_bytes(wave.first + k)) {
        waiting &= ~(1U << k);
        return;
      }
    }
    if (lands) {
      slots[k] = source + std::uint64_t{position} * 16;
      return;
    }
    Words<Wire::words> data;
    if constexpr (Whole) {
      data = load_packet<Machine, Wire>(source, position);
    } else {
      data = load_cut_packet<Machine, Wire>(source, position, tables.source_bytes(wave.first + k));
    }
    // A sum is tidied when it is complete.
    if constexpr (Wire::clears) {
      if ((wave.flags & args::wave_adds) == 0) data = combine.tidy(data);
    }
    packets[k] = Wire::wrap(data, 0, position);
  });
  if (wave.lands == 0) return true;
  unroll<Tables::width>([&](auto k) {
    if ((waiting >> k & 1) != 0) slots[k] += context.copy();
  });
  context.notes.steps.waits();
  const bool there = await<Machine, Wire>(call, context, slots, packets, waiting, wave.first, position);
  context.notes.steps.ready();
  return there;
}

/// Writes one packet to one store; `bytes` are those of the item.
template <class Machine, class Wire, bool Whole, class Tables, class Context, class Index>
constexpr void store_packet(const Tables& tables, const Context& context, Index store, const Words<4>& packet, std::uint32_t position,
                            std::uint32_t bytes) {
  const auto address = tables.store_address(store);
  const auto value = Wire::unwrap(packet);
  if (tables.store_lands(store)) {
    Machine::template converge<Wire::threads>();
    Machine::send(address + std::uint64_t{position} * 16 + context.copy(), Wire::wrap(value, context.epoch, position));
  } else if constexpr (Whole) {
    store_packet_data<Machine, Wire>(address, value, position);
  } else {
    store_cut_packet<Machine, Wire>(address, value, position, bytes);
  }
}

/// Copies what a wave has loaded to its stores: the source that each names, if that source has such a packet.
template <class Machine, class Wire, bool Whole, class Tables, class Context>
constexpr void copy_wave(const Tables& tables, const Context& context, const args::PacketWave& wave, std::uint32_t position,
                         const Words<4> (&packets)[Tables::width]) {
  repeat<Tables::stores>(wave.stores, [&](auto i) {
    if (i >= wave.stores) return true;
    const auto store = wave.store + i;
    const auto which = static_cast<int>(tables.store_source(store));
    std::uint32_t bytes = 0;
    if constexpr (!Whole) {
      bytes = tables.source_bytes(wave.first + static_cast<std::uint32_t>(which));
      if (Wire::start(position) >= bytes) return true;
    }
    auto packet = packets[0];
    unroll<Tables::width>([&](auto k) {
      if (which == k) packet = packets[k];
    });
    store_packet<Machine, Wire, Whole>(tables, context, store, packet, position, bytes);
    return true;
  });
}

/// Takes packet `position` through a wave; `sum` is what waves of one item hand on. `last`, if it is not null, gets a sum that ends here, instead
/// of this rank's memory. False if a wait failed.
template <class Machine, class Wire, bool Whole, class Combine, class Tables, class Context, class Sum>
constexpr bool carry(const Combine& combine, const Tables& tables, const args::PacketCall& call, Context& context, const args::PacketWave& wave,
                     std::uint32_t position, Sum& sum, Words<4>* last = nullptr) {
  Words<4> packets[Tables::width];
  if (!load_wave<Machine, Wire, Whole>(combine, tables, call, context, wave, position, packets)) return false;
  if ((wave.flags & args::wave_adds) == 0) {
    copy_wave<Machine, Wire, Whole>(tables, context, wave, position, packets);
    return true;
  }
  const bool begins = (wave.flags & args::wave_begins) != 0;
  unroll<Tables::width>([&](auto k) {
    if (k >= wave.count) return;
    const auto value = Wire::unwrap(packets[k]);
    k == 0 && begins ? combine.start(sum, value) : combine.add(sum, value);
  });
  if ((wave.flags & args::wave_ends) == 0) return true;
  const auto bytes = Whole ? 0U : tables.source_bytes(wave.first);
  if (!Whole && Wire::start(position) >= bytes) return true;
  auto value = combine.finish(sum, (wave.flags & args::wave_divides) != 0 ? call.divisor : 1);
  if constexpr (Wire::clears) value = combine.tidy(value);
  if (last != nullptr) *last = Wire::wrap(value, 0, position);
  repeat<Tables::stores>(wave.stores, [&](auto i) {
    if (i < wave.stores && (last == nullptr || tables.store_lands(wave.store + i)))
      store_packet<Machine, Wire, Whole>(tables, context, wave.store + i, Wire::wrap(value, 0, position), position, bytes);
    return true;
  });
  return true;
}

}  // namespace p2plab::device
