// SPDX-License-Identifier: Apache-2.0
// The file in which a process records its collective calls, as it lies in memory: header, communicators, names, events, calls, steps, replays. Fixed
// size; written without locks by any thread; read by others with pread, who see by `next` what was overwritten. Needs nothing but libc: plugins are
// built with it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace p2plab::monitor {

inline constexpr std::uint64_t magic = 0x31304e4f4d4c3250;  // "P2LMON01"
inline constexpr std::uint32_t version = 3;
inline constexpr std::uint32_t most_sides = 256;
inline constexpr std::uint32_t most_names = 250;
inline constexpr std::uint32_t most_events = 256;
inline constexpr std::uint32_t most_left_out = 256;
inline constexpr std::size_t kinds = 12;

enum class Level : std::uint8_t { off = 0, basic = 1, detailed = 2, steps = 3 };

/// Kinds 0 to 8 are p2plab_kind's; the others are NCCL's alone.
enum Kind : std::uint8_t { all_reduce = 0, send_receive = 8, send = 9, receive = 10, other_kind = 11 };
/// Bytes of an element of NCCL's type of this number; 0: not known.
constexpr std::uint8_t bytes_of_nccl_type(int type) {
  constexpr std::uint8_t bytes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
  return type >= 0 && type < static_cast<int>(sizeof bytes) ? bytes[type] : 0;
}
enum class Backend : std::uint8_t { unknown = 0, p2p = 1, host = 2, nccl = 3, cpu = 4 };

/// What a call's flags say.
inline constexpr std::uint8_t captured = 1;         // into a graph: recorded once, replayed unseen by the host
inline constexpr std::uint8_t passed_on = 2;        // by the shim, to NCCL
inline constexpr std::uint8_t recorded_inside = 4;  // the shim's note of a call that libp2plab records itself
inline constexpr std::uint8_t replayed = 8;         // by a graph, seen by the device alone
inline constexpr std::uint8_t follows = 16;         // in a graph: its replays are known by another call of that graph, of the same form

/// Steps that the schedule does not have: a rank says that it has begun; a row after its sum.
inline constexpr std::uint32_t token_step = 0xffffffff;
inline constexpr std::uint32_t epilogue_step = 0xfffffffe;

/// How far a call has come, as its rank knows it.
enum class Progress : std::uint8_t { running = 0, done = 1, failed = 2, queued = 3 };

struct Header {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t pid;
  std::uint32_t level;
  std::uint32_t calls;  // the ring's length, a power of two
  std::uint32_t steps;
  std::uint32_t replays;        // captured calls that there is room for
  std::uint64_t process_start;  // of /proc/PID/stat: tells a process from a later one of the same number
  std::uint64_t opened;         // CLOCK_MONOTONIC, ns, which all processes of a machine share
  std::uint64_t opened_wall;    // the same moment, ns since 1970
  char source[16];              // p2plab, shim, nccl, host
  char program[48];
  alignas(64) std::atomic<std::uint64_t> next_call;
  alignas(64) std::atomic<std::uint64_t> next_step;
  alignas(64) std::atomic<std::uint64_t> next_event;
  std::atomic<std::uint64_t> dropped;  // calls and steps that were not written, since the slot was still being written a lap ago
  std::atomic<std::uint32_t> sides;
  std::atomic<std::uint32_t> names;
  std::atomic<std::uint32_t> sides_refused;
  std::atomic<std::uint32_t> closed;                           // the process ended in order
  std::atomic<std::uint32_t> captured;                         // calls in graphs that are counted
  std::atomic<std::uint32_t> captures_refused;                 // those for which there was no room: their replays are not counted
  std::atomic<std::uint64_t> replays_lost;                     // that are counted, but are no calls of their own: nobody looked in time
  std::atomic<std::uint64_t> left_out;                         // calls that were dropped
  std::atomic<std::uint64_t> left_out_numbers[most_left_out];  // of the latest of them, + 1: tells them from calls that are still being written
  std::atomic<std::uint64_t> recaptures_begun;                 // places of captured calls that were given to others
  std::atomic<std::uint64_t> recaptures_ended;
  std::atomic<std::uint64_t> steps_lost;  // that kernels noted and nobody read in time
};

/// One rank of a communicator in this process.
struct Side {
  std::uint64_t communicator;  // the same on all its ranks
  std::int32_t rank;
  std::int32_t ranks;
  std::int32_t device;
  std::uint32_t place;  // of the GPU on PCIe (gpu_place.h); 0: not known
  char name[64];
  std::atomic<std::uint64_t> begun;  // calls of all ranks; the number of the next one
  std::atomic<std::uint64_t> pairs;  // sends and receives, which only two ranks know of: they have numbers of their own
  std::atomic<std::uint64_t> ended;
  std::atomic<std::uint64_t> replayed;  // recorded one by one: they have numbers of their own, too
  std::atomic<std::uint64_t> closed;    // CLOCK_MONOTONIC, ns; 0: open
  std::atomic<std::uint64_t> ready;     // 1: written
  std::atomic<std::uint64_t> counts[kinds];
  std::atomic<std::uint64_t> bytes[kinds];
};

struct Name {
  char text[96];  // empty until it is whole
};

struct Event {
  std::atomic<std::uint64_t> stamp;  // 2 * (number + 1) once it is written
  std::uint64_t when;
  std::uint32_t kind;
  std::int32_t side;
  char text[360];
};
enum class EventKind : std::uint32_t { error = 0, topology = 1, note = 2, weakened = 3 };

/// A call. What is known later has the low 16 bits of the lap on top, so that a late writer never marks another call.
struct CallSlot {
  std::atomic<std::uint64_t> stamp;  // 2 * (number + 1); odd while it is written
  std::atomic<std::uint64_t> begun;  // CLOCK_MONOTONIC, ns
  std::atomic<std::uint64_t> sequence;
  std::atomic<std::uint64_t> count;
  std::atomic<std::uint64_t> ended;         // lap, Progress in 2 bits, ns since begun in 46
  std::atomic<std::uint64_t> device_begun;  // lap, the device's clock in ns, 48 bits; 0: not known
  std::atomic<std::uint64_t> device_ended;
  std::atomic<std::uint64_t> expected;  // float: predicted s; float: the low end of its interval
  std::atomic<std::uint64_t> high;      // float: the high end; stream, 32 bits
  std::atomic<std::uint64_t> words;     // kind, type, op, backend, algorithm, protocol, reason, flags: a byte each, from the lowest
  std::atomic<std::uint64_t> place;     // side, root, peer, blocks: 16 bits each, from the lowest
  std::atomic<std::uint64_t> graph;     // of a replayed one: its number among captured calls + 1
};

/// A call in a graph, and what its replays came to. Who reads in between may find the times of one replay more or less than the count says.
struct ReplaySlot {
  std::atomic<std::uint64_t> stamp;     // 0: none is there, nor behind it; else one of these below
  std::atomic<std::uint64_t> captured;  // CLOCK_MONOTONIC, ns
  std::atomic<std::uint64_t> sequence;  // of the call that was captured
  std::atomic<std::uint64_t> count;
  std::atomic<std::uint64_t> expected;  // these four as in CallSlot
  std::atomic<std::uint64_t> high;
  std::atomic<std::uint64_t> words;
  std::atomic<std::uint64_t> place;
  std::atomic<std::uint64_t> capture;  // tells captures apart
  std::atomic<std::uint64_t> replays;
  std::atomic<std::uint64_t> sum;       // ns
  std::atomic<std::uint64_t> extremes;  // the least, 32 bits, and the most, ns
  std::atomic<std::uint64_t> last;      // ns
  std::atomic<std::uint64_t> begun;     // the last one, CLOCK_MONOTONIC, ns
};

inline constexpr std::uint64_t replay_written = 1;
inline constexpr std::uint64_t replay_rewritten = 2;  // for another call: nothing is to be read
inline constexpr std::uint64_t replay_released = 3;   // written; its graph is gone

/// What a thread block (on a CPU: a part of a lane) did in one step of a call.
struct StepSlot {
  std::atomic<std::uint64_t> stamp;
  std::atomic<std::uint64_t> call;  // its number + 1
  std::atomic<std::uint64_t> begun;
  std::atomic<std::uint64_t> times;  // how long, 32 bits, and how much of it was spent waiting for what it needs, ns
  std::atomic<std::uint64_t> place;  // step 32 bits, lane 16, block 16
};

static_assert(sizeof(CallSlot) == 96 && sizeof(StepSlot) == 40 && sizeof(ReplaySlot) == 112, "as short as the seeds ask: at most 100 bytes a call");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

inline constexpr std::size_t sides_at = 4096;
static_assert(sizeof(Header) <= sides_at);
inline constexpr std::size_t names_at = sides_at + most_sides * sizeof(Side);
inline constexpr std::size_t events_at = names_at + most_names * sizeof(Name);
inline constexpr std::size_t calls_at = (events_at + most_events * sizeof(Event) + 4095) / 4096 * 4096;
constexpr std::size_t steps_at(std::size_t calls) { return calls_at + calls * sizeof(CallSlot); }
constexpr std::size_t replays_at(std::size_t calls, std::size_t steps) { return steps_at(calls) + steps * sizeof(StepSlot); }
constexpr std::size_t file_bytes(std::size_t calls, std::size_t steps, std::size_t replays) {
  return replays_at(calls, steps) + replays * sizeof(ReplaySlot);
}

/// The top bits of what is known of a call later.
constexpr std::uint64_t lap_of(std::uint64_t number, std::uint32_t calls) { return (number / calls) << 48; }
inline constexpr std::uint64_t low48 = (std::uint64_t{1} << 48) - 1;
inline constexpr std::uint64_t low46 = (std::uint64_t{1} << 46) - 1;

}  // namespace p2plab::monitor
