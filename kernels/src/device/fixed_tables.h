// SPDX-License-Identifier: Apache-2.0
// Tables of the packet interpreter for code that is made for one program: what a program looks like is constant (a Shape, written by specialise.h),
// where its data lies is among the kernel's parameters. So programs that differ only in addresses and sizes share one kernel.
#pragma once

#include "device/packet.h"

namespace p2plab::device {

/// A Shape has: waves, sources, stores (of the longest wave), all_stores, width, first_landing (the first wave that waits), stages, odd,
/// once, recorded (calls may carry a journal), steps (and note their steps in it); wave(i), stage(i) and store_kind(i), which is the source of the
/// wave that is stored, plus `kind_lands` if it goes to a landing area.
template <class Shape>
struct FixedTables {
  static constexpr std::uint8_t kind_lands = 8;
  static constexpr int width = Shape::width;
  static constexpr int waves = Shape::waves;
  static constexpr int stores = Shape::stores;
  static constexpr int first_landing = Shape::first_landing;
  static constexpr int stages = Shape::stages;
  static constexpr bool odd = Shape::odd;
  static constexpr bool once = Shape::once;
  static constexpr bool recorded = Shape::recorded;
  static constexpr bool steps = Shape::steps;

  std::uint64_t source_addresses[Shape::sources];
  std::uint64_t store_addresses[Shape::all_stores];
  std::uint32_t bytes[Shape::sources];

  constexpr args::PacketWave wave(std::uint32_t i) const { return Shape::wave(i); }
  static constexpr std::uint32_t stage(std::uint32_t i) { return Shape::stage(i); }
  constexpr std::uint64_t source_address(std::uint32_t i) const { return source_addresses[i]; }
  constexpr std::uint32_t source_bytes(std::uint32_t i) const { return bytes[i]; }
  constexpr std::uint64_t store_address(std::uint32_t i) const { return store_addresses[i]; }
  constexpr bool store_lands(std::uint32_t i) const { return (Shape::store_kind(i) & kind_lands) != 0; }
  constexpr int store_source(std::uint32_t i) const { return Shape::store_kind(i) % kind_lands; }

  /// Has every address read: a kernel's parameters come from memory like anything else, so this is for the time before there is work.
  template <class Machine>
  constexpr void fetch() const {
    unroll<Shape::sources>([&](auto i) { Machine::keep(source_addresses[i]); });
    unroll<Shape::all_stores>([&](auto i) { Machine::keep(store_addresses[i]); });
  }
};

/// Has all parameters of a call read.
template <class Machine, class Tables>
constexpr void fetch_call(const Tables& tables, const args::PacketCall& call) {
  tables.template fetch<Machine>();
  Machine::keep(call.epochs + call.area + call.packets + call.batch);
  if constexpr (Tables::recorded) Machine::keep(call.journal.counts + call.journal.ring);
}

/// Where it is noted.
template <class Machine, class Tables>
constexpr args::CallJournal journal_of(const args::PacketCall& call) {
  if constexpr (!Tables::recorded) return {};
  return hold<Machine>(call.journal);
}

/// A kernel's body: everything that does not depend on the kernel before this one is done while that one still runs.
template <class Machine, class Wire, class Combine, class Tables>
constexpr void packet_kernel(const Combine& combine, const Tables& tables, const args::PacketCall& call) {
  Machine::let_next_start();
  fetch_call<Machine>(tables, call);
  CallNotes<Machine, Tables> notes(journal_of<Machine, Tables>(call));
  Machine::await_previous();
  carry_packets<Machine, Wire, true>(combine, tables, call, notes);
}

}  // namespace p2plab::device
