// SPDX-License-Identifier: Apache-2.0
// What a kernel is given: plain structs with absolute addresses, made by the linkers (linked_packets.h, linked_slices.h), read by the device code and
// by its emulation on the CPU.
#pragma once

#include <cstdint>

namespace p2plab::args {

/// Up to packet_width sources (most_packet_width where code is made for the program) that are loaded, and waited for, together. Either all belong to
/// one item, whose sum goes to its stores (perhaps begun in the wave before, or ended in the next), or each is an item of its own, copied to its own
/// stores.
struct PacketWave {
  std::uint16_t first = 0;  // source
  std::uint16_t store = 0;  // first store
  std::uint8_t count = 0;   // sources
  std::uint8_t stores = 0;
  std::uint8_t flags = 0;
  std::uint8_t lands = 0;  // bit k: source k is waited for
};
static_assert(sizeof(PacketWave) == 8);
inline constexpr int packet_width = 4;
inline constexpr int most_packet_width = 8;  // bits of `lands`

inline constexpr std::uint8_t wave_adds = 1;     // one item, summed; otherwise copies
inline constexpr std::uint8_t wave_begins = 2;   // its first source is here
inline constexpr std::uint8_t wave_ends = 4;     // its last source is here
inline constexpr std::uint8_t wave_divides = 8;  // with wave_ends: divide the sum by the call's divisor
inline constexpr std::uint8_t wave_cut = 16;     // shorter than the others: tokens

/// A source: its address in memory, or of its slot's first packet in copy 0 of the landing area.
struct PacketSource {
  std::uint64_t address = 0;
  std::uint32_t bytes = 0;  // data bytes of the item
  std::uint32_t unused = 0;
};
static_assert(sizeof(PacketSource) == 16);

/// A destination: an address in memory, or with the top bit set a slot in a landing area; bits 60 to 62 say which source of the wave is
/// copied there (0 for a sum).
using PacketStore = std::uint64_t;
inline constexpr PacketStore store_lands = PacketStore{1} << 63;
inline constexpr int store_source_shift = 60;
inline constexpr PacketStore store_address = (PacketStore{1} << store_source_shift) - 1;
constexpr std::uint32_t store_source(PacketStore store) { return static_cast<std::uint32_t>(store >> store_source_shift & 7); }

/// What one column of a rank's threads (PacketProgram::columns) has of the rank's tables: it counts waves, sources and stores from its own first.
struct ColumnTables {
  std::uint32_t wave = 0;  // its first
  std::uint32_t waves = 0;
  std::uint32_t source = 0;
  std::uint32_t sources = 0;
  std::uint32_t store = 0;
  std::uint32_t stores = 0;
};

/// Where a kernel writes how long a call took; all zero: nowhere. One thread does so, at the kernel's end, by stores that nobody waits for.
struct CallJournal {
  std::uint64_t counts = 0;  // address of a CallCounts: of a call in a graph, which no host sees replayed
  std::uint64_t ring = 0;    // address of a JournalRing, its entries behind it
  std::uint32_t name = 0;    // of the call, in its entry
  std::uint32_t mask = 0;    // entries of the ring, a power of two, less one
};

/// When something began and ended, by a GPU's clock: the low words of both, and the low halves of their high words. So it costs a kernel no more than
/// to read the clock twice.
struct Span {
  std::uint32_t begun = 0;
  std::uint32_t ended = 0;
  std::uint32_t highs = 0;
};
inline constexpr std::uint32_t low_halves = 0x5410;                  // of two words, as `pick` of a Machine takes them
inline constexpr std::uint64_t span_times = std::uint64_t{1} << 48;  // they begin anew after three days
constexpr std::uint64_t begun_of(const Span& span) { return span.begun | std::uint64_t{span.highs & 0xffff} << 32; }
constexpr std::uint64_t time_of(const Span& span) { return ((span.ended | std::uint64_t{span.highs >> 16} << 32) - begun_of(span)) % span_times; }

/// What one call did, as often as it ran. Times are nanoseconds; counts and sums of them are modulo 2^32. Each vector of 16 bytes is stored whole.
struct CallCounts {
  std::uint32_t count = 0;  // of runs that were added up: all but the last one
  std::uint32_t sum = 0;
  std::uint32_t least = 0;
  std::uint32_t most = 0;
  Span last = {};
  std::uint32_t run = 0;   // the last one's number, from 1: `count` + 1 until it is added up
  std::uint64_t left = 0;  // begin of a call of several kernels, which the last of them ends
  std::uint64_t unused = 0;
};
inline constexpr std::uint64_t last_run = 16;    // offset of `last`
inline constexpr std::uint64_t left_begin = 32;  // of `left`
static_assert(sizeof(CallCounts) == 48);

/// Calls of a rank, one after another.
struct JournalRing {
  std::uint32_t next = 0;  // entries ever begun, modulo 2^32: the last one may be under way
  std::uint32_t unused = 0;
  std::uint64_t begun = 0;  // of a call of several kernels, which the last of them ends
  std::uint64_t more[2] = {};
};
struct JournalEntry {
  Span span = {};
  std::uint32_t name = 0;
};
static_assert(sizeof(JournalRing) == 32 && sizeof(JournalEntry) == 16);
inline constexpr std::uint32_t journal_of_graph = 1U << 31;  // in a name: of a call in a graph, its number in the low bits
inline constexpr std::uint32_t journal_replay_shift = 15;    // in such a name at level steps: from this bit on 16 bits of the operation's call

/// What a thread block noted of one step. Both halves are stored whole, so whoever finds two different serials came between them.
struct StepEntry {
  std::uint32_t begun_low = 0;  // by the GPU's clock
  std::uint32_t begun_high = 0;
  std::uint32_t place = 0;   // block 12 bits, item 20: a wave of packets, or an instruction within the lane
  std::uint32_t serial = 0;  // of the block's entries, from 1
  std::uint32_t ready = 0;   // when what it waited for was there: the low word, as of the next
  std::uint32_t ended = 0;
  std::uint32_t name = 0;   // the call's
  std::uint32_t again = 0;  // 16 bits of `folded`, 8 of the high word of `ready` and 8 of that of `ended`

  /// The serials of two laps of a ring of up to 65,536 differ in these 16 bits, too.
  static constexpr std::uint32_t folded(std::uint32_t serial) { return serial ^ serial >> 16; }
  constexpr bool whole() const { return (folded(serial) & 0xffff) == (again & 0xffff); }
  constexpr std::uint64_t begun() const { return begun_low | std::uint64_t{begun_high} << 32; }
  /// Nanoseconds from its begin, of at most 18 minutes.
  constexpr std::uint64_t waited() const { return since(ready, again >> 16 & 0xff); }
  constexpr std::uint64_t time() const { return since(ended, again >> 24); }

 private:
  constexpr std::uint64_t since(std::uint32_t low, std::uint32_t high) const {
    return ((low | std::uint64_t{high} << 32) - begun()) % (std::uint64_t{1} << 40);
  }
};
/// Selectors that put `again` together.
inline constexpr std::uint32_t low_half_and_byte = 0x4410;
inline constexpr std::uint32_t all_but_top_and_byte = 0x4210;
/// Behind a ring's calls at level steps: how many entries each block has written, then the entries, in equal parts for the launch's blocks, of which
/// there is a power of two.
inline constexpr std::uint32_t most_noting_blocks = 1U << 12;
inline constexpr std::uint32_t noted_steps = 1U << 16;
inline constexpr int noted_item_shift = 12;
inline constexpr std::uint32_t item_epilogue = (1U << 20) - 1;  // a row, after its sum
struct StepHeads {
  std::uint32_t written[most_noting_blocks] = {};
};
static_assert(sizeof(StepEntry) == 32 && sizeof(StepHeads) % 32 == 0);
constexpr std::uint64_t steps_at(const CallJournal& journal) {
  return journal.ring + sizeof(JournalRing) + (std::uint64_t{journal.mask} + 1) * sizeof(JournalEntry);
}

/// What one launch of the packet kernel needs beside sources and stores; what the path of a packet needs comes first.
struct PacketCall {
  std::uint64_t epochs = 0;  // address of one uint32 per block: the number of this call
  std::uint64_t area = 0;    // bytes from one copy of a landing area to the next
  std::uint32_t packets = 0;
  std::uint32_t whole_packets = 0;  // so many are whole and aligned in every item
  std::uint32_t batch = 1;          // packets that a thread takes through one item before the next item; the same on all ranks
  std::uint32_t waves = 0;
  std::int32_t divisor = 1;
  std::uint32_t source_count = 0;
  std::uint32_t store_count = 0;
  std::uint32_t columns = 1;  // that the grid's blocks are dealt out to, an equal run of them each
  std::uint64_t report = 0;   // address of the rank's HangReport, in pinned host memory
  std::uint64_t abort = 0;    // address of the shared abort word, in pinned host memory
  std::uint64_t timeout = 0;  // nanoseconds that a thread waits for one packet
  CallJournal journal;
};

/// Three copies of the landing area are used in turn: one is written, one may still be read, one is being cleared.
inline constexpr std::uint32_t landing_copies = 3;
/// Epochs count up to this multiple of landing_copies, then start again at 0.
inline constexpr std::uint32_t epoch_limit = 3U << 30;

/// How the operands of an instruction lie beside multiples of 16: all at them; all destinations equally far behind them, sources anywhere; or not
/// even that.
enum class Alignment : std::uint8_t { whole, destinations, none };

/// One move of a lane. Addresses of sources, then destinations, from `operands` on.
struct SliceInstruction {
  std::int64_t bytes = 0;
  std::int64_t slice = 0;  // bytes of each slice but perhaps the last: a multiple of 16 if there are more
  std::uint32_t operands = 0;
  std::uint32_t waits = 0;
  std::uint32_t signals = 0;
  std::uint32_t wait_count = 0;
  std::uint16_t sources = 0;
  std::uint16_t destinations = 0;
  std::uint16_t signal_count = 0;
  std::uint8_t divides = 0;
  Alignment alignment = Alignment::none;
  std::int32_t divisor = 1;
  std::uint32_t first_value = 0;  // what the flag shows after slice s: base + first_value + s / parts + 1
};

/// Wait for slice s of another lane's instruction, if it has so many slices.
struct SliceWait {
  std::uint64_t flag = 0;  // address for part 0
  std::int64_t slices = 0;
  std::uint32_t first_value = 0;
  std::uint32_t unused = 0;
};

/// A lane of this rank. `start_waits` and `done_signals` are indices into the list of addresses.
struct SliceLane {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t start_waits = 0;  // flags that say that a rank which this lane touches has begun
  std::uint32_t start_wait_count = 0;
  std::uint32_t done_signals = 0;  // flags that tell a touched rank that this lane (and part) has ended
  std::uint32_t done_signal_count = 0;
};

/// What one launch of the slice kernel needs.
struct SliceCall {
  const SliceLane* lanes = nullptr;
  const SliceInstruction* instructions = nullptr;
  const SliceWait* waits = nullptr;
  const std::uint64_t* addresses = nullptr;  // operands, signals, start and done flags
  std::uint32_t* calls = nullptr;            // one per block: the number of this call
  std::uint64_t report = 0;
  std::uint64_t abort = 0;
  std::uint64_t timeout = 0;
  std::uint32_t lane_count = 0;
  std::uint32_t blocks_per_lane = 1;
  std::uint32_t stride = 1;         // flags rise by this much a call
  std::uint32_t start_signals = 0;  // in addresses: flags of the ranks that touch this one's memory
  std::uint32_t start_signal_count = 0;
  std::uint32_t closing = 0;  // in addresses: done flags of the lanes that touch this rank's memory
  std::uint32_t closing_count = 0;
  std::uint32_t rank = 0;
  CallJournal journal;
};

/// What one launch between two chunks of a call raises, then waits for: words in the GPU's memory that its other kernels poll or raise.
struct NeighbourCall {
  std::uint64_t done = 0;     // address of the first of `done_count` words; 0: none
  std::uint64_t given = 0;    // address of a word; 0: nothing is waited for
  std::uint64_t late = 0;     // address of a word in pinned host memory that gets `chunk` + 1 after the deadline
  std::uint64_t timeout = 0;  // nanoseconds
  std::uint32_t done_count = 0;
  std::uint32_t done_value = 0;
  std::uint32_t given_value = 0;
  std::uint32_t chunk = 0;
};

/// Flags lie this far apart, one sector of the memory system each.
inline constexpr std::uint32_t flag_stride = 32;

/// Where a wait ended that took too long; written once, by whichever thread comes first.
struct HangReport {
  std::uint32_t hung = 0;
  std::uint32_t block = 0;
  std::uint32_t item = 0;      // packet kernel: index of the source; slice kernel: instruction within the lane, or one of the below
  std::uint32_t wait = 0;      // slice kernel: which of its waits
  std::uint64_t position = 0;  // packet, or slice
};
inline constexpr std::uint32_t item_start = 0xfffffffe;
inline constexpr std::uint32_t item_closing = 0xffffffff;

}  // namespace p2plab::args
