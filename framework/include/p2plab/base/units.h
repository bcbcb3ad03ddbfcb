// SPDX-License-Identifier: Apache-2.0
// Physical quantities. A quantity carries its unit in its type; the only ways across are divisions that make physical sense.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <ratio>

namespace p2plab {

/// An amount of data, in bytes. Sizes print in KiB, MiB, GiB (powers of 1024).
class Bytes {
 public:
  constexpr Bytes() = default;
  constexpr explicit Bytes(std::int64_t count) : count_(count) {}
  /// The number of bytes.
  constexpr std::int64_t count() const { return count_; }
  friend constexpr auto operator<=>(Bytes, Bytes) = default;
  friend constexpr Bytes operator+(Bytes a, Bytes b) { return Bytes{a.count_ + b.count_}; }
  friend constexpr Bytes operator-(Bytes a, Bytes b) { return Bytes{a.count_ - b.count_}; }
  friend constexpr Bytes operator*(Bytes a, std::int64_t n) { return Bytes{a.count_ * n}; }
  friend constexpr Bytes operator*(std::int64_t n, Bytes a) { return a * n; }
  friend constexpr Bytes operator/(Bytes a, std::int64_t n) { return Bytes{a.count_ / n}; }
  friend constexpr std::int64_t operator/(Bytes a, Bytes b) { return a.count_ / b.count_; }
  constexpr Bytes& operator+=(Bytes b) { return *this = *this + b; }

 private:
  std::int64_t count_ = 0;
};

/// A time for people and models, in seconds.
using Seconds = std::chrono::duration<double>;

/// The simulator's clock: integer picoseconds, so that the order of events is exact and results are deterministic.
using SimTime = std::chrono::duration<std::int64_t, std::pico>;

/// A data rate, stored exactly as whole bytes per second. GB/s means 1e9 bytes per second.
class Bandwidth {
 public:
  constexpr Bandwidth() = default;
  static constexpr Bandwidth bytes_per_second(std::int64_t rate) { return Bandwidth{rate}; }
  constexpr std::int64_t bytes_per_second() const { return rate_; }
  /// The rate in GB/s (1e9 bytes per second), for printing and for models.
  constexpr double gbps() const { return static_cast<double>(rate_) * 1e-9; }
  friend constexpr auto operator<=>(Bandwidth, Bandwidth) = default;
  friend constexpr Bandwidth operator+(Bandwidth a, Bandwidth b) { return Bandwidth{a.rate_ + b.rate_}; }
  constexpr Bandwidth& operator+=(Bandwidth b) { return *this = *this + b; }

 private:
  constexpr explicit Bandwidth(std::int64_t rate) : rate_(rate) {}
  std::int64_t rate_ = 0;
};

/// The nearest whole number, halves away from zero.
constexpr std::int64_t to_nearest(double value) {
  const auto truncated = static_cast<std::int64_t>(value);
  const double rest = value - static_cast<double>(truncated);
  return truncated + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0);
}

/// `GBps(300)` is 300e9 bytes per second, rounded to whole bytes per second.
constexpr Bandwidth GBps(double value) { return Bandwidth::bytes_per_second(to_nearest(value * 1e9)); }

/// Time to send `size` at `rate`; `rate` must not be zero.
constexpr Seconds operator/(Bytes size, Bandwidth rate) {
  return Seconds{static_cast<double>(size.count()) / static_cast<double>(rate.bytes_per_second())};
}

/// The rate that moves `size` in `time`; zero time gives a zero rate.
constexpr Bandwidth operator/(Bytes size, Seconds time) {
  return time.count() > 0 ? Bandwidth::bytes_per_second(static_cast<std::int64_t>(static_cast<double>(size.count()) / time.count())) : Bandwidth{};
}

/// Time to send `size` at `rate` on the simulator's clock, rounded up to a whole picosecond (so never too fast).
constexpr SimTime transfer_time(Bytes size, Bandwidth rate) {
  __extension__ using Wide = __int128;
  const Wide picoseconds = static_cast<Wide>(size.count()) * 1'000'000'000'000;
  return SimTime{static_cast<std::int64_t>((picoseconds + rate.bytes_per_second() - 1) / rate.bytes_per_second())};
}

/// Nearest whole picosecond.
constexpr SimTime to_sim_time(Seconds time) { return SimTime{to_nearest(time.count() * 1e12)}; }

/// Seconds of a simulator time.
constexpr Seconds to_seconds(SimTime time) { return Seconds{static_cast<double>(time.count()) * 1e-12}; }

/// Microseconds, the unit of reports.
constexpr double microseconds(Seconds time) { return time.count() * 1e6; }

inline namespace literals {
constexpr Bytes operator""_B(unsigned long long n) { return Bytes{static_cast<std::int64_t>(n)}; }
constexpr Bytes operator""_KiB(unsigned long long n) { return Bytes{static_cast<std::int64_t>(n) << 10}; }
constexpr Bytes operator""_MiB(unsigned long long n) { return Bytes{static_cast<std::int64_t>(n) << 20}; }
constexpr Bytes operator""_GiB(unsigned long long n) { return Bytes{static_cast<std::int64_t>(n) << 30}; }
}  // namespace literals

}  // namespace p2plab
