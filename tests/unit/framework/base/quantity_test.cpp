// SPDX-License-Identifier: Apache-2.0
// Quantities read exactly, print in their shortest exact form, and read back as the same value.
#include <gtest/gtest.h>

#include <random>

#include "p2plab/base/quantity.h"

namespace p2plab::quantity_test {
namespace {

std::int64_t bytes(std::string_view text) {
  const auto size = parse_bytes(text);
  return size ? size->count() : -1;
}
std::int64_t rate(std::string_view text) {
  const auto value = parse_bandwidth(text);
  return value ? value->bytes_per_second() : -1;
}
template <class T>
std::string complaint(const Result<T>& result) {
  return result ? "accepted" : describe(result.error());
}

TEST(Quantity, SizesAreExactInPowersOf1024) {
  EXPECT_EQ(bytes("64 MiB"), std::int64_t{64} << 20);
  EXPECT_EQ(bytes("4KiB"), 4096);
  EXPECT_EQ(bytes(" 12 B "), 12);
  EXPECT_EQ(bytes("1.5 GiB"), std::int64_t{3} << 29);
  EXPECT_EQ(bytes("0 B"), 0);
  EXPECT_EQ(bytes("0.0009765625 KiB"), 1);
  EXPECT_EQ(bytes("8388607.99999904632568359375 TiB"), -1);  // 30 digits: refused rather than rounded
  EXPECT_EQ(bytes("9223372036854775807 B"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(bytes("1e3 B"), 1000);
}

TEST(Quantity, RatesAreExactInWholeBytesPerSecond) {
  EXPECT_EQ(rate("450 GB/s"), 450'000'000'000);
  EXPECT_EQ(rate("26.562 GB/s"), 26'562'000'000);
  EXPECT_EQ(rate("25 GiB/s"), std::int64_t{25} << 30);
  EXPECT_EQ(rate("15.753846 GB/s"), 15'753'846'000);
  EXPECT_EQ(rate("1.8 TB/s"), 1'800'000'000'000);
  EXPECT_EQ(rate("1.1 GiB/s"), 1'181'116'006);  // 1181116006.4
  EXPECT_EQ(rate("1.5 B/s"), 2);
}

TEST(Quantity, TimesAreTheNearestDouble) {
  EXPECT_EQ(*parse_time("500 ns"), Seconds{500e-9});
  EXPECT_EQ(*parse_time("1.2 us"), Seconds{1.2e-6});
  EXPECT_EQ(*parse_time("3ms"), Seconds{3e-3});
  EXPECT_EQ(*parse_time("0 ns"), Seconds{0});
  EXPECT_EQ(*parse_time("2 s"), Seconds{2});
  EXPECT_EQ(*parse_time("1 ps"), Seconds{1e-12});
}

TEST(Quantity, PrintsTheShortestForm) {
  EXPECT_EQ(to_string(64_MiB), "64 MiB");
  EXPECT_EQ(to_string(512_MiB), "512 MiB");
  EXPECT_EQ(to_string(Bytes{std::int64_t{3} << 29}), "1.5 GiB");
  EXPECT_EQ(to_string(1000_B), "1000 B");
  EXPECT_EQ(to_string(0_B), "0 B");
  EXPECT_EQ(to_string(Bytes{-4096}), "-4 KiB");
  EXPECT_EQ(to_string(GBps(450)), "450 GB/s");
  EXPECT_EQ(to_string(GBps(26.562)), "26.562 GB/s");
  EXPECT_EQ(to_string(GBps(1800)), "1.8 TB/s");
  EXPECT_EQ(to_string(Bandwidth::bytes_per_second(std::int64_t{25} << 30)), "26.8435456 GB/s");
  EXPECT_EQ(to_string(Bandwidth::bytes_per_second(7)), "7 B/s");
  EXPECT_EQ(to_string(Seconds{500e-9}), "500 ns");
  EXPECT_EQ(to_string(Seconds{1.2e-6}), "1.2 us");
  EXPECT_EQ(to_string(Seconds{0}), "0 s");
  EXPECT_EQ(to_string(Seconds{-3e-3}), "-3 ms");
  EXPECT_EQ(to_string(Seconds{1e-300}), "1e-300 s");
}

TEST(Quantity, WhatIsPrintedReadsBackAsTheSameValue) {
  std::mt19937_64 random{7};
  for (int i = 0; i < 20'000; ++i) {
    const auto whole = static_cast<std::int64_t>(random() >> (1 + random() % 63)) >> (random() % 8) << (random() % 8);
    const auto value = whole < 0 ? 0 : whole;
    ASSERT_EQ(*parse_bytes(to_string(Bytes{value})), Bytes{value}) << to_string(Bytes{value});
    ASSERT_EQ(*parse_bandwidth(to_string(Bandwidth::bytes_per_second(value))), Bandwidth::bytes_per_second(value));
    const Seconds decimal{static_cast<double>(random() % 100'000) * std::pow(10.0, -static_cast<double>(random() % 18))};
    ASSERT_EQ(*parse_time(to_string(decimal)), decimal) << to_string(decimal);
    const Seconds any{std::bit_cast<double>(random() >> 2)};
    ASSERT_EQ(*parse_time(to_string(any)), any) << to_string(any);
  }
}

TEST(Quantity, MistakesSayWhatWouldBeRight) {
  EXPECT_EQ(complaint(parse_bytes("64")),
            "error: expected a size with a unit, got '64'\nnote: write it as '64 MiB'; units are B, KiB, MiB, GiB, TiB\n");
  EXPECT_EQ(complaint(parse_bytes("64 MB")),
            "error: expected a size with a unit, got '64 MB'\nnote: sizes are in powers of 1024: did you mean '64 MiB'?\n");
  EXPECT_EQ(complaint(parse_bytes("64mib")), "error: expected a size with a unit, got '64mib'\nnote: did you mean '64 MiB'?\n");
  EXPECT_EQ(complaint(parse_bytes("-4 KiB")), "error: a size cannot be negative, got '-4 KiB'\n");
  EXPECT_EQ(complaint(parse_bytes("0.3 KiB")), "error: '0.3 KiB' is not a whole number of bytes\nnote: the nearest size is '307 B'\n");
  EXPECT_EQ(complaint(parse_bytes("9 EiB")),
            "error: expected a size with a unit, got '9 EiB'\nnote: write it as '64 MiB'; units are B, KiB, MiB, GiB, TiB\n");
  EXPECT_EQ(complaint(parse_bytes("1 PiB")), "error: expected a size with a unit, got '1 PiB'\nnote: the largest unit is TiB: 1 PiB is 1024 TiB\n");
  EXPECT_EQ(complaint(parse_bytes("1 KB")),
            "error: expected a size with a unit, got '1 KB'\nnote: sizes are in powers of 1024: did you mean '1 KiB'?\n");
  EXPECT_EQ(complaint(parse_bytes("8388608 TiB")), "error: '8388608 TiB' is more than 2^63 - 1 bytes\n");
  EXPECT_EQ(complaint(parse_bytes("")), "error: expected a size with a unit, got ''\nnote: write it as '64 MiB'; units are B, KiB, MiB, GiB, TiB\n");
  EXPECT_EQ(complaint(parse_bandwidth("450 GB")), "error: expected a bandwidth with a unit, got '450 GB'\nnote: did you mean '450 GB/s'?\n");
  EXPECT_EQ(complaint(parse_bandwidth("450 GBps")), "error: expected a bandwidth with a unit, got '450 GBps'\nnote: did you mean '450 GB/s'?\n");
  EXPECT_EQ(complaint(parse_bandwidth("100 Gb/s")),
            "error: expected a bandwidth with a unit, got '100 Gb/s'\n"
            "note: bandwidths are in bytes: 8 Gb/s is 1 GB/s; units are B/s, KB/s, MB/s, GB/s, TB/s, KiB/s, MiB/s, GiB/s, TiB/s\n");
  EXPECT_NE(complaint(parse_bandwidth("10 Gbit/s")).find("bandwidths are in bytes: 8 Gb/s is 1 GB/s"), std::string::npos);
  EXPECT_EQ(complaint(parse_time("5 usec")), "error: expected a time with a unit, got '5 usec'\nnote: did you mean '5 us'?\n");
  EXPECT_EQ(complaint(parse_time("5")), "error: expected a time with a unit, got '5'\nnote: write it as '500 ns'; units are ps, ns, us, ms, s\n");
  EXPECT_EQ(complaint(parse_time("1e999 s")), "error: '1e999 s' is too large for a time\n");
}

TEST(Quantity, HostileNumbersEndInErrorsAtOnce) {
  EXPECT_FALSE(parse_bytes(std::string(1'000'000, '9') + " B"));
  EXPECT_FALSE(parse_bytes("1e999999999999 B"));
  EXPECT_FALSE(parse_bandwidth("1e400000 GB/s"));
  EXPECT_EQ(rate("1e-900000 GB/s"), 0);
  EXPECT_FALSE(parse_time("1e2147483648 s"));
  EXPECT_FALSE(parse_time(std::string("\0 ns", 4)));
  EXPECT_FALSE(parse_time("nan s"));
  EXPECT_FALSE(parse_time("0x10 ns"));
}

}  // namespace
}  // namespace p2plab::quantity_test
