// What costs time on a machine beside its links: the numbers of the cost model, few enough to be measured in a minute.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "p2plab/program.h"
#include "p2plab/result.h"
#include "p2plab/units.h"

namespace p2plab {

/// The cost model of a machine. As constructed it is `ideal`: no overheads, no limits but those of the topology, so that the closed forms of
/// the literature hold exactly. Rates that are not given do not limit.
struct Profile {
  std::string name = "ideal";
  Seconds launch{0};         // from the call to the first instruction of every thread block
  Seconds start_skew{0};     // the last rank starts this much after the first, the others evenly between
  Seconds signal_peer{0};    // data visible -> a thread block of another rank, which waits for the flag, goes on
  Seconds signal_local{0};   // the same for another thread block of the same rank
  Seconds poll{0};           // the same for another rank where data carries its own flag (ll, ll128, flagless)
  Seconds fence{0};          // protocol simple: ordering the data before the flag
  Seconds slice_cost{0};     // a thread block's loop, for each slice
  std::optional<Bandwidth> store_rate = std::nullopt;    // of one thread block, storing to other ranks
  std::optional<Bandwidth> load_rate = std::nullopt;     // of one thread block, loading from other ranks
  std::optional<Bandwidth> reduce_rate = std::nullopt;   // of one thread block, over its local operands (read or written)
  std::optional<Bandwidth> memory_rate = std::nullopt;   // of a whole GPU's memory, over local operands of all its thread blocks
  int outstanding = 0;          // slices of one thread block that may be in flight; 0 means no limit
  double read_request = 0;      // a remote load asks first: that many path latencies before its data set out
  double link_efficiency = 1;   // payload over raw bandwidth of every link (packet headers)

  friend bool operator==(const Profile&, const Profile&) = default;
};

/// Bytes on the wire for `data` bytes of payload: `ll` doubles them, `ll128` sends 128 for each 120 begun, the others add nothing.
Bytes wire_bytes(Protocol protocol, Bytes data);

/// Checks ranges: times from 0 to 1 s, rates above zero, efficiency in (0, 1], outstanding and read_request not negative.
Status check(const Profile& profile);

/// Reads a profile file (see simulator/README.md). What the file does not give is ideal. Errors: those of the strict reader, each with its
/// place, and of `check`.
Result<Profile> load_profile(const std::string& path);
/// The same from text; `filename` is for messages.
Result<Profile> parse_profile(std::string_view text, const std::string& filename);

}  // namespace p2plab
