// SPDX-License-Identifier: Apache-2.0
// What costs time on a machine beside its links: the numbers of the cost model, few enough to be measured in a minute.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"
#include "p2plab/program/program.h"

namespace p2plab {

/// Where a number of a profile comes from and between which values it lies: in seconds, bytes per second, or plain.
struct NumberInfo {
  std::string name;
  double low = 0;
  double high = 0;
  std::string source = {};
  friend bool operator==(const NumberInfo&, const NumberInfo&) = default;
};

/// Named deviations of a machine from the model. As constructed: none.
struct Quirks {
  static constexpr Bytes largest_minimum{std::int64_t{1} << 20};
  double pcie_read = 1;       // loads over a PCIe link reach this share of what stores reach
  double duplex_read = 1;     // loads reach this share where the program uses the other direction of a link too
  double fan_in = 1;          // an instruction that loads from several ranks gets this share of each of their links
  double fan_out = 1;         // the same where it stores to several ranks
  Bytes minimum_transfer{1};  // links carry whole multiples of it (flits, packets)
  double posted_writes = 1;   // a link out of a root complex keeps this share of its bandwidth where several GPUs store through it
  double exchange = 1;        // a GPU's PCIe link keeps this share where it stores to several ranks and they are stored to by several
  friend bool operator==(const Quirks&, const Quirks&) = default;
};

/// The cost model of a machine. As constructed it is `ideal`: no overheads, no limits but those of the topology, so that the closed forms of
/// the literature hold exactly. Rates that are not given do not limit.
struct Profile {
  std::string name = "ideal";
  Seconds launch{0};        // from the call to the first instruction of every thread block
  Seconds start_skew{0};    // the last rank starts this much after the first, the others evenly between
  Seconds signal_peer{0};   // data visible -> a thread block of another rank, which waits for the flag, goes on
  Seconds signal_local{0};  // the same for another thread block of the same rank
  Seconds poll{0};          // the same for another rank where data carries its own flag (ll, ll128, lamport)
  Seconds fence{0};         // protocol simple: ordering the data before the flag
  Seconds slice_cost{0};    // a thread block's loop, for each slice
  Seconds packet_start{0};  // by packets (ll, lamport): from the call to the first packet in hand; the launch hides behind the call before
  Seconds ll128_start{0};   // the same: beside that where they go by ll128, whose lines warps put together
  Seconds packet_item{0};   // the same: a thread's work, for each operand; loads that go out together count once
  Seconds packet_tail{0};   // the same: mean lateness of a warp's packets; the slowest of n are late by this times ln n
  Seconds copy_start{0};    // protocol copy: for each slice, the kernels and the copy engine's start between waits and data
  std::optional<Bandwidth> copy_rate = std::nullopt;    // the same: all copy engines of one GPU together
  double copy_efficiency = 0;                           // the same: payload over raw bandwidth of every link; 0: link_efficiency
  std::optional<Bandwidth> store_rate = std::nullopt;   // of one thread block, storing to other ranks
  std::optional<Bandwidth> load_rate = std::nullopt;    // of one thread block, loading from other ranks
  std::optional<Bandwidth> reduce_rate = std::nullopt;  // of one thread block, over its local operands (read or written)
  std::optional<Bandwidth> memory_rate = std::nullopt;  // of a whole GPU's memory, over local operands of all its thread blocks
  int outstanding = 0;                                  // slices of one thread block that may be in flight; 0 means no limit
  double read_request = 0;                              // a remote load asks first: that many path latencies before its data set out
  double link_efficiency = 1;                           // payload over raw bandwidth of every link (packet headers)
  Quirks quirks = {};
  std::vector<NumberInfo> numbers = {};    // of the numbers above whose interval or source is known
  std::vector<std::string> warnings = {};  // of its file: old words

  friend bool operator==(const Profile&, const Profile&) = default;
};

/// Checks ranges: times from 0 to 1 s, rates above zero, efficiency in (0, 1], outstanding and read_request not negative.
Status check(const Profile& profile);

/// The same machine with every number at the fast end of its interval, or at the slow one: predictions with the two enclose what the intervals
/// leave open. Without intervals both are `profile`.
Profile fastest(const Profile& profile);
Profile slowest(const Profile& profile);

/// The numbers that a profile may hold, in order, each with its unit and meaning; for people and for what-if.
struct NumberMeaning {
  std::string_view name;
  std::string_view unit;  // "s", "B/s" or ""
  std::string_view meaning;
  bool more_is_faster = false;
};
std::vector<NumberMeaning> profile_numbers();
/// The value of one of them, in its unit; none where it does not limit. `name` must be known.
std::optional<double> number_of(const Profile& profile, std::string_view name);
/// The same profile with another value for one of them.
Profile with_number(Profile profile, std::string_view name, double value);

/// The file of a profile that comes with the program, as in "h200"; none if there is no such one. Looked for in $P2PLAB_PROFILES, beside the program
/// (../share/p2plab/profiles), where it was installed, and in the source tree.
std::optional<std::string> known_profile(const std::string& name);
/// The names of all of them, sorted.
std::vector<std::string> known_profiles();
/// Where they are looked for, in that order.
std::vector<std::string> profile_folders();

/// Reads a profile file (see simulator/README.md), or one by name: a path without an extension that is no file. Errors: an unknown name; those of the
/// strict reader, each with its place: unknown and missing numbers, impossible ones, intervals that do not hold their value.
Result<Profile> load_profile(const std::string& path);
/// The same from text; `filename` is for messages.
Result<Profile> parse_profile(std::string_view text, const std::string& filename);

}  // namespace p2plab
