// SPDX-License-Identifier: Apache-2.0
// Quantities as text: "64 MiB", "26.562 GB/s", "1.2 us". What is printed reads back as the same value.
#pragma once

#include <string>
#include <string_view>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// A size: a decimal number and one of B, KiB, MiB, GiB, TiB. Errors: no unit, a decimal unit (MB), negative, not a whole number of bytes,
/// above 2^63 - 1 bytes; a note says what would be right.
Result<Bytes> parse_bytes(std::string_view text);

/// A data rate: a decimal number and one of B/s, KB/s, MB/s, GB/s, TB/s (powers of 1000), KiB/s, MiB/s, GiB/s, TiB/s (powers of 1024). Exact where
/// the text is a whole number of bytes per second, otherwise the nearest one. Errors: no unit, bits per second, negative, above 2^63 - 1.
Result<Bandwidth> parse_bandwidth(std::string_view text);

/// A time: a decimal number and one of ps, ns, us, ms, s, as the nearest double. Errors: no unit, negative, too large for a double.
Result<Seconds> parse_time(std::string_view text);

/// The text with the fewest digits that reads back as the same value: "64 MiB", "1.5 GiB", "1000 B".
std::string to_string(Bytes size);
/// The same for rates, in powers of 1000: "450 GB/s", "26.562 GB/s", "10 B/s".
std::string to_string(Bandwidth rate);
/// The same for times: "500 ns", "1.2 us". Times that are negative or not finite are printed, but do not read back.
std::string to_string(Seconds time);

}  // namespace p2plab
