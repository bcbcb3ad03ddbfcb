// The element-by-element interpreter: a thread takes its packet through all items of its rank, with nothing between threads. Sources come in waves
// of up to four: all loads of a wave are in flight together, and the wave waits once for everything that is to land. The same source runs on GPUs
// and, with a Machine of atomics, on the CPU.
#pragma once

#include "device/wire.h"
#include "image.h"

namespace p2plab::device {

inline constexpr int width = image::packet_width;

/// Where a thread stands: constant for all its packets.
struct PacketContext {
  std::uint32_t epoch = 0;
  std::uint64_t copy = 0;   // byte offset of the landing copy of this call
  std::uint64_t clear = 0;  // byte offset of the copy to be cleared for the call after next
};

/// Waits until all of a wave's landing packets are there. False after the deadline, with a report.
template <class Machine, class Wire>
constexpr bool await(const image::PacketCall& call, const PacketContext& context, const std::uint64_t (&slots)[width], Words<4> (&packets)[width],
                     std::uint32_t first_source, std::uint32_t position) {
  std::uint64_t started = 0;
  for (std::uint32_t spins = 1;; ++spins) {
    int missing = -1;
    unroll<width>([&](auto k) {
      if (slots[k] != 0) packets[k] = Machine::receive(slots[k]);
    });
    unroll<width>([&](auto k) {
      if (slots[k] != 0 && !Wire::arrived(packets[k], context.epoch)) missing = k;
    });
    if (missing < 0) return true;
    if (spins % Machine::spins_between_checks != 0) continue;
    if (started == 0) started = Machine::now();
    const bool late = Machine::now() - started > call.timeout;
    if (!late && Machine::peek(call.abort) == 0) continue;
    if (late) Machine::report(call.report, call.abort, {1, Machine::block(), first_source + static_cast<std::uint32_t>(missing), 0, position});
    return false;
  }
}

/// Loads what lies in memory for a wave, clears what will land two calls on, and waits for what lands. Sources that have no packet `position` are
/// left empty; `Whole` promises that all have it, in full and aligned. False if a wait failed.
template <class Machine, class Wire, bool Whole, class Combine, class Image>
constexpr bool load_wave(const Combine& combine, const Image& program, const image::PacketCall& call, const PacketContext& context,
                         const image::PacketWave& wave, std::uint32_t position, Words<4> (&packets)[width]) {
  constexpr int N = Wire::words;
  const std::uint64_t from = std::uint64_t{position} * (N * 4);
  std::uint64_t slots[width] = {};
  unroll<width>([&](auto k) {
    if (k >= wave.count) return;
    const auto source = program.source(wave.first + k);
    if (!Whole && from >= source.bytes) return;
    if ((wave.lands >> k & 1) != 0) {
      slots[k] = source.address + std::uint64_t{position} * 16;
      return;
    }
    Words<N> data;
    if constexpr (Whole) {
      data = Machine::template load<N>(source.address + from);
    } else {
      data = load_some<Machine, N>(source.address + from, static_cast<std::int64_t>(source.bytes - from));
    }
    if constexpr (Wire::clears) data = combine.tidy(data);
    packets[k] = Wire::wrap(data, 0);
  });
  if (wave.lands == 0) return true;
  unroll<width>([&](auto k) {
    if (slots[k] == 0) return;
    if constexpr (Wire::clears) Machine::send(slots[k] + context.clear, Wire::empty());
    slots[k] += context.copy;
  });
  return await<Machine, Wire>(call, context, slots, packets, wave.first, position);
}

/// Writes one packet to one store; `bytes` are those of the item, from the first packet on.
template <class Machine, class Wire, bool Whole>
constexpr void store_packet(const PacketContext& context, image::PacketStore store, const Words<4>& packet, std::uint32_t position,
                            std::uint32_t bytes) {
  constexpr int N = Wire::words;
  const std::uint64_t from = std::uint64_t{position} * (N * 4);
  const auto address = store & image::store_address;
  const auto value = Wire::unwrap(packet);
  if ((store & image::store_lands) != 0) {
    Machine::send(address + std::uint64_t{position} * 16 + context.copy, Wire::wrap(value, context.epoch));
  } else if constexpr (Whole) {
    Machine::template store<N>(address + from, value);
  } else {
    store_some<Machine, N>(address + from, value, static_cast<std::int64_t>(bytes - from));
  }
}

/// Copies what a wave has loaded to its stores: the source that each names, if that source has such a packet.
template <class Machine, class Wire, bool Whole, class Image>
constexpr void copy_wave(const Image& program, const PacketContext& context, const image::PacketWave& wave, std::uint32_t position,
                         const Words<4> (&packets)[width]) {
  for (std::uint32_t i = 0; i < wave.stores; ++i) {
    const auto store = program.store(wave.store + i);
    const auto which = static_cast<int>(store >> image::store_source_shift & 3);
    std::uint32_t bytes = 0;
    if constexpr (!Whole) {
      bytes = program.source(wave.first + static_cast<std::uint32_t>(which)).bytes;
      if (std::uint64_t{position} * (Wire::words * 4) >= bytes) continue;
    }
    auto packet = packets[0];
    unroll<width>([&](auto k) {
      if (which == k) packet = packets[k];
    });
    store_packet<Machine, Wire, Whole>(context, store, packet, position, bytes);
  }
}

/// Takes packet `position` through all waves. False if a wait failed.
template <class Machine, class Wire, bool Whole, class Combine, class Image>
constexpr bool carry(const Combine& combine, const Image& program, const image::PacketCall& call, const PacketContext& context,
                     std::uint32_t position) {
  constexpr int N = Wire::words;
  typename Combine::template Sum<N> sum;
  for (std::uint32_t w = 0; w < call.waves; ++w) {
    const auto wave = program.wave(w);
    Words<4> packets[width];
    if (!load_wave<Machine, Wire, Whole>(combine, program, call, context, wave, position, packets)) return false;
    if ((wave.flags & image::wave_adds) == 0) {
      copy_wave<Machine, Wire, Whole>(program, context, wave, position, packets);
      continue;
    }
    const bool begins = (wave.flags & image::wave_begins) != 0;
    unroll<width>([&](auto k) {
      if (k >= wave.count) return;
      const auto value = Wire::unwrap(packets[k]);
      k == 0 && begins ? combine.start(sum, value) : combine.add(sum, value);
    });
    if ((wave.flags & image::wave_ends) == 0) continue;
    const auto bytes = Whole ? 0U : program.source(wave.first).bytes;
    if (!Whole && std::uint64_t{position} * (N * 4) >= bytes) continue;
    auto value = combine.finish(sum, (wave.flags & image::wave_divides) != 0 ? call.divisor : 1);
    if constexpr (Wire::clears) value = combine.tidy(value);
    for (std::uint32_t i = 0; i < wave.stores; ++i) {
      store_packet<Machine, Wire, Whole>(context, program.store(wave.store + i), Wire::wrap(value, 0), position, bytes);
    }
  }
  return true;
}

/// The whole kernel: packets in strides of the grid; every rank must have the same grid, all of it resident at once.
template <class Machine, class Wire, class Combine, class Image>
constexpr void run_packets(const Combine& combine, const Image& program, const image::PacketCall& call) {
  const auto counter = call.epochs + std::uint64_t{Machine::block()} * 4;
  PacketContext context;
  context.epoch = Machine::load_32(counter);
  context.copy = context.epoch % image::landing_copies * call.area;
  context.clear = (context.epoch + 2) % image::landing_copies * call.area;
  const auto step = Machine::blocks() * Machine::threads();
  for (auto position = Machine::block() * Machine::threads() + Machine::thread(); position < call.packets; position += step) {
    const bool good = position < call.whole_packets ? carry<Machine, Wire, true>(combine, program, call, context, position)
                                                    : carry<Machine, Wire, false>(combine, program, call, context, position);
    if (!good) break;
  }
  Machine::sync();
  if (Machine::thread() == 0) Machine::store_32(counter, context.epoch + 1 == image::epoch_limit ? 0 : context.epoch + 1);
}

}  // namespace p2plab::device
