// SPDX-License-Identifier: Apache-2.0
// All inline PTX and all memory orders of the GPU kernels, each with the guarantee that it gives. The class is what the interpreters call Machine;
// its functions are constexpr (and it is a template, else
// g++ would object) only so that nvcc accepts them in code that the CPU shares, with --expt-relaxed-constexpr; none is ever run on the host.
#pragma once

#include <cstddef>
#include <cstdint>

#include <nv/target>

#include "device/words.h"
#include "lowered/kernel_args.h"

namespace p2plab::device {

template <class = void>
struct GpuMachine {
  /// Clocks and abort flags cost far more than a poll of local memory, so they are looked at this seldom: about once a millisecond.
  static constexpr std::uint32_t spins_between_checks = 2048;

  static constexpr std::uint32_t thread() {
    std::uint32_t value = 0;
    asm("mov.u32 %0, %%tid.x;" : "=r"(value));
    return value;
  }
  static constexpr std::uint32_t block() {
    std::uint32_t value = 0;
    asm("mov.u32 %0, %%ctaid.x;" : "=r"(value));
    return value;
  }
  static constexpr std::uint32_t threads() {
    std::uint32_t value = 0;
    asm("mov.u32 %0, %%ntid.x;" : "=r"(value));
    return value;
  }
  static constexpr std::uint32_t blocks() {
    std::uint32_t value = 0;
    asm("mov.u32 %0, %%nctaid.x;" : "=r"(value));
    return value;
  }

  /// Orders all memory accesses of the block's threads before it, for these threads, before all after it.
  static constexpr void sync() { asm volatile("bar.sync 0;" ::: "memory"); }
  /// The same; true in all threads if `mine` is true in any.
  static constexpr bool sync_any(bool mine) {
    std::uint32_t any = 0;
    asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; bar.red.or.pred q, 0, p; selp.u32 %0, 1, 0, q; }"
                 : "=r"(any)
                 : "r"(mine ? 1U : 0U)
                 : "memory");
    return any != 0;
  }

  /// The threads of a warp that share an arrival with this one, a bit each.
  template <int Threads>
  static constexpr std::uint32_t neighbours() {
    return ((1U << Threads) - 1) << (thread() % 32 / Threads * Threads);
  }

  /// Is it true in any of the `Threads` neighbouring threads? All of them must come here.
  template <int Threads>
  static constexpr bool any(bool mine) {
    if constexpr (Threads == 1) {
      return mine;
    } else {
      std::uint32_t all = 0;
      asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; vote.sync.any.pred q, p, %2; selp.u32 %0, 1, 0, q; }"
                   : "=r"(all)
                   : "r"(mine ? 1U : 0U), "r"(neighbours<Threads>())
                   : "memory");
      return all != 0;
    }
  }
  /// Brings `Threads` neighbouring threads together again, however their ways parted: a store that follows is one instruction of all of them. All of
  /// them must come here.
  template <int Threads>
  static constexpr void converge() {
    if constexpr (Threads > 1) asm volatile("bar.warp.sync %0;" ::"r"(neighbours<Threads>()) : "memory");
  }

  /// Threads that run together, with neighbouring numbers; blocks have at least so many.
  static constexpr std::uint32_t warp_threads = 32;
  /// What the next of them has, or the first for the last one. All of them must come here.
  static constexpr Words<4> next_lane(const Words<4>& mine) {
    Words<4> value;
    const auto from = (thread() + 1) % warp_threads;
    unroll<4>([&](auto k) {
      std::uint32_t word = 0;
      asm volatile("shfl.sync.idx.b32 %0, %1, %2, 31, 0xffffffff;" : "=r"(word) : "r"(mine.w[k]), "r"(from));
      value.w[k] = word;
    });
    return value;
  }

  /// Before: everything this thread did or, through barriers, knows of. After: its flag stores, as seen by any GPU or the host. One such fence by
  /// one thread after sync() covers the whole block's stores.
  static constexpr void fence() { asm volatile("fence.acq_rel.sys;" ::: "memory"); }
  /// A flag that others poll; ordered only by a fence before it.
  static constexpr void store_flag(std::uint64_t address, std::uint32_t value) {
    asm volatile("st.relaxed.sys.global.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
  }
  /// Whoever reads a flag this way and then syncs its block sees, in all threads, what came before the fence before the flag.
  static constexpr std::uint32_t acquire(std::uint64_t address) {
    std::uint32_t value = 0;
    asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
    return value;
  }
  /// A word of host memory, with no order at all.
  static constexpr std::uint32_t peek(std::uint64_t address) {
    std::uint32_t value = 0;
    asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
    return value;
  }

  /// A packet on the wire: strong (never cached, never torn apart by the compiler), in no order with anything else. The hardware moves an aligned
  /// 16-byte store whole; the wires need no more than 8 bytes of that.
  static constexpr void send(std::uint64_t address, const Words<4>& packet) {
    asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(packet.w[0]), "r"(packet.w[1]), "r"(packet.w[2]),
                 "r"(packet.w[3])
                 : "memory");
  }
  static constexpr Words<4> receive(std::uint64_t address) {
    Words<4> packet;
    asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(packet.w[0]), "=r"(packet.w[1]), "=r"(packet.w[2]), "=r"(packet.w[3])
                 : "l"(address)
                 : "memory");
    return packet;
  }

  /// The same unless `mine` is 0: then nothing is loaded. Without a branch, behind which what was loaded would be waited for.
  static constexpr Words<4> receive_if(std::uint32_t mine, std::uint64_t address) {
    Words<4> packet;
    asm volatile(
        "{ .reg .pred p; setp.ne.u32 p, %4, 0; mov.u32 %0, 0; mov.u32 %1, 0; mov.u32 %2, 0; mov.u32 %3, 0;"
        " @p ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%5]; }"
        : "=&r"(packet.w[0]), "=&r"(packet.w[1]), "=&r"(packet.w[2]), "=&r"(packet.w[3])
        : "r"(mine), "l"(address)
        : "memory");
    return packet;
  }

  /// Ordinary data: ordered by sync, fence and acquire above, or by being the thread's own.
  template <int N>
  static constexpr Words<N> load(std::uint64_t address) {
    Words<N> value;
    if constexpr (N == 4) {
      asm volatile("ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                   : "=r"(value.w[0]), "=r"(value.w[1]), "=r"(value.w[2]), "=r"(value.w[3])
                   : "l"(address)
                   : "memory");
    } else {
      asm volatile("ld.global.v2.u32 {%0, %1}, [%2];" : "=r"(value.w[0]), "=r"(value.w[1]) : "l"(address) : "memory");
    }
    return value;
  }
  template <int N>
  static constexpr void store(std::uint64_t address, const Words<N>& value) {
    if constexpr (N == 4) {
      asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(value.w[0]), "r"(value.w[1]), "r"(value.w[2]), "r"(value.w[3])
                   : "memory");
    } else {
      asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(address), "r"(value.w[0]), "r"(value.w[1]) : "memory");
    }
  }
  /// Stores it unless `mine` is 0, with no branch: threads of a warp stay together.
  static constexpr void store_if(std::uint32_t mine, std::uint64_t address, const Words<4>& value) {
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %0, 0; @p st.global.v4.u32 [%1], {%2, %3, %4, %5}; }" ::"r"(mine), "l"(address), "r"(value.w[0]),
                 "r"(value.w[1]), "r"(value.w[2]), "r"(value.w[3])
                 : "memory");
  }
  static constexpr void store_32_if(std::uint32_t mine, std::uint64_t address, std::uint32_t value) {
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %0, 0; @p st.global.u32 [%1], %2; }" ::"r"(mine), "l"(address), "r"(value) : "memory");
  }
  static constexpr std::uint32_t load_32(std::uint64_t address) {
    std::uint32_t value = 0;
    asm volatile("ld.global.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
    return value;
  }
  /// Unless `mine` is 0.
  static constexpr std::uint32_t load_32_if(std::uint32_t mine, std::uint64_t address) {
    std::uint32_t value = 0;
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %1, 0; mov.u32 %0, 0; @p ld.global.u32 %0, [%2]; }"
                 : "=&r"(value)
                 : "r"(mine), "l"(address)
                 : "memory");
    return value;
  }
  static constexpr std::uint32_t load_16(std::uint64_t address) {
    std::uint32_t value = 0;
    asm volatile("{ .reg .u16 h; ld.global.u16 h, [%1]; cvt.u32.u16 %0, h; }" : "=r"(value) : "l"(address) : "memory");
    return value;
  }
  static constexpr std::uint32_t load_8(std::uint64_t address) {
    std::uint32_t value = 0;
    asm volatile("ld.global.u8 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
    return value;
  }
  static constexpr void store_32(std::uint64_t address, std::uint32_t value) {
    asm volatile("st.global.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
  }
  static constexpr void store_16(std::uint64_t address, std::uint32_t value) {
    asm volatile("{ .reg .u16 h; cvt.u16.u32 h, %1; st.global.u16 [%0], h; }" ::"l"(address), "r"(value) : "memory");
  }
  static constexpr void store_8(std::uint64_t address, std::uint32_t value) {
    asm volatile("st.global.u8 [%0], %1;" ::"l"(address), "r"(value) : "memory");
  }

  /// Nanoseconds of the GPU's own clock; it steps in about a microsecond, which is fine for deadlines.
  static constexpr std::uint64_t now() {
    std::uint64_t value = 0;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(value));
    return value;
  }
  /// Leaves a report in pinned host memory and tells all ranks to stop. Several threads may come; they write the same kind of thing, and any is true.
  static constexpr void report(std::uint64_t where, std::uint64_t abort, const args::HangReport& hang) {
    store_flag(where + offsetof(args::HangReport, block), hang.block);
    store_flag(where + offsetof(args::HangReport, item), hang.item);
    store_flag(where + offsetof(args::HangReport, wait), hang.wait);
    store_flag(where + offsetof(args::HangReport, position), static_cast<std::uint32_t>(hang.position));
    fence();
    store_flag(where + offsetof(args::HangReport, hung), hang.hung);
    store_flag(abort, 1);
  }

  /// Makes sure that a value is in a register here.
  static constexpr void keep(std::uint64_t value) { asm volatile("" ::"l"(value)); }

  /// Four of the eight bytes of two words, each by four bits of the selector.
  template <std::uint32_t Selector>
  static constexpr std::uint32_t pick(std::uint32_t low, std::uint32_t high) {
    std::uint32_t picked = 0;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(picked) : "r"(low), "r"(high), "n"(Selector));
    return picked;
  }

  /// The same value, in a register from here on: the compiler cannot know that it need not be, if threads differ in it. All threads of a warp come
  /// here.
  static constexpr std::uint32_t hold(std::uint32_t value) {
    std::uint32_t held = 0;
    asm volatile("shfl.sync.idx.b32 %0, %1, %2, 31, 0xffffffff;" : "=r"(held) : "r"(value), "r"(thread() % warp_threads));
    return held;
  }

  /// Has a value made by here, not where it is needed: it would be the address of a load, were it 1. Nothing is loaded.
  static constexpr void settle(std::uint64_t value) {
    asm volatile("{ .reg .pred p; .reg .u32 none; setp.eq.u64 p, %0, 1; @p ld.volatile.global.u32 none, [%0]; }" ::"l"(value) : "memory");
  }

  /// Programmatic launch: lets the next kernel of the stream be set up while this one runs; no order of memory.
  static constexpr void let_next_start() { NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("griddepcontrol.launch_dependents;");)) }
  /// Waits until the kernel before this one has ended and its stores are visible; returns at once if it was launched in the ordinary way.
  static constexpr void await_previous() { NV_IF_TARGET(NV_PROVIDES_SM_90, (asm volatile("griddepcontrol.wait;" ::: "memory");)) }
};

using Gpu = GpuMachine<>;

}  // namespace p2plab::device
