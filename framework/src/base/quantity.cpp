// SPDX-License-Identifier: Apache-2.0
#include "p2plab/base/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "base/quantity_units.h"
#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

__extension__ using Wide = __int128;

// What kind of quantity is read: the words of its messages.
struct Kind {
  std::string_view noun;     // "a size"
  std::string_view example;  // "64 MiB"
  std::span<const Unit> units;
};

const Kind size_kind{"a size", "64 MiB", size_units};
const Kind rate_kind{"a bandwidth", "25 GB/s", rate_units};
const Kind time_kind{"a time", "500 ns", time_units};

std::string unit_list(const Kind& kind) {
  std::string list;
  for (const auto& unit : kind.units) list += fmt::format("{}{}", list.empty() ? "" : ", ", unit.name);
  return list;
}

Error bad(std::string message, std::string note = {}) {
  Error error{ErrorCode::invalid_input, std::move(message)};
  if (!note.empty()) error.notes.push_back(std::move(note));
  return error;
}

// Units that others write, and what to say of them; {0} is the number as written.
struct ForeignUnit {
  std::string_view name;
  std::string_view note;
};
constexpr std::array foreign_units{ForeignUnit{"kb", "sizes are in powers of 1024: did you mean '{0} KiB'?"},
                                   ForeignUnit{"k", "did you mean '{0} KiB'?"},
                                   ForeignUnit{"mb", "sizes are in powers of 1024: did you mean '{0} MiB'?"},
                                   ForeignUnit{"m", "did you mean '{0} MiB'?"},
                                   ForeignUnit{"gb", "sizes are in powers of 1024: did you mean '{0} GiB'?"},
                                   ForeignUnit{"g", "did you mean '{0} GiB'?"},
                                   ForeignUnit{"tb", "sizes are in powers of 1024: did you mean '{0} TiB'?"},
                                   ForeignUnit{"pib", "the largest unit is TiB: 1 PiB is 1024 TiB"},
                                   ForeignUnit{"byte", "did you mean '{0} B'?"},
                                   ForeignUnit{"bytes", "did you mean '{0} B'?"}};
constexpr std::array foreign_times{ForeignUnit{"\u00b5s", "did you mean '{0} us'?"}, ForeignUnit{"\u03bcs", "did you mean '{0} us'?"},
                                   ForeignUnit{"usec", "did you mean '{0} us'?"},    ForeignUnit{"nsec", "did you mean '{0} ns'?"},
                                   ForeignUnit{"msec", "did you mean '{0} ms'?"},    ForeignUnit{"sec", "did you mean '{0} s'?"}};

std::string lower(std::string_view text) {
  std::string result{text};
  for (auto& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return result;
}

std::string usual_hint(const Kind& kind) { return fmt::format("write it as '{}'; units are {}", kind.example, unit_list(kind)); }

// What to write in place of a number with an unknown unit.
std::string unit_hint(const Kind& kind, std::string_view number, std::string_view unit) {
  const auto plain = lower(unit);
  // The letter b decides between bits and bytes, so its case is not a slip of the hand.
  const bool bits = &kind == &rate_kind && unit.find('b') != unit.npos;
  if (bits) return fmt::format("bandwidths are in bytes: 8 Gb/s is 1 GB/s; units are {}", unit_list(kind));
  for (const auto& known : kind.units) {
    if (plain == lower(known.name) ||
        (&kind == &rate_kind && (plain + "/s" == lower(known.name) || plain == lower(known.name.substr(0, known.name.size() - 2)) + "ps"))) {
      return fmt::format("did you mean '{} {}'?", number, known.name);
    }
  }
  const auto foreign = &kind == &size_kind   ? std::span<const ForeignUnit>{foreign_units}
                       : &kind == &time_kind ? foreign_times
                                             : std::span<const ForeignUnit>{};
  const auto found = std::ranges::find(foreign, plain, &ForeignUnit::name);
  return found == foreign.end() ? usual_hint(kind) : fmt::format(fmt::runtime(found->note), number);
}

// A number as written, still in decimal: digits * 10^exponent.
struct Quantity {
  std::string_view number;  // the text of the number
  Wide digits = 0;
  int exponent = 0;
  Unit unit;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// How much of `text` is a decimal number with an optional exponent; 0 if it does not start with one.
std::size_t number_length(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const auto from = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - from;
  };
  auto count = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    count += digits();
  }
  if (count == 0) return 0;
  const auto mantissa = i;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return mantissa;
  }
  return i;
}

// Collects the digits of a number of the form that number_length accepts; false if there are too many to be exact.
bool read_number(std::string_view text, Quantity& quantity) {
  constexpr Wide most = Wide{10'000'000'000'000} * 10'000'000'000'000;  // times any unit's scale still fits 127 bits
  bool after_point = false;
  std::int64_t exponent = 0;
  int zeros = 0;  // not yet known to matter
  std::size_t i = 0;
  for (; i < text.size() && text[i] != 'e' && text[i] != 'E'; ++i) {
    if (text[i] == '.') {
      after_point = true;
      continue;
    }
    if (after_point) --exponent;
    if (text[i] == '0') {
      ++zeros;
      continue;
    }
    for (; zeros > 0 && quantity.digits > 0; --zeros) {
      if ((quantity.digits *= 10) >= most) return false;
    }
    zeros = 0;
    quantity.digits = quantity.digits * 10 + (text[i] - '0');
    if (quantity.digits >= most) return false;
  }
  exponent += quantity.digits > 0 ? zeros : 0;
  int written = 0;
  if (i < text.size()) {
    const auto from = text[i + 1] == '+' ? i + 2 : i + 1;
    if (std::from_chars(text.data() + from, text.data() + text.size(), written).ec != std::errc{}) return false;
  }
  exponent += written;
  if (std::abs(exponent) > 1'000'000) return false;
  quantity.exponent = static_cast<int>(exponent);
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Result<Quantity> read(const Kind& kind, std::string_view whole) {
  const auto text = trimmed(whole);
  if (text.starts_with('-')) return bad(fmt::format("{} cannot be negative, got {}", kind.noun, quoted(text)));
  const auto length = number_length(text);
  if (length == 0) return bad(fmt::format("expected {} with a unit, got {}", kind.noun, quoted(text)), usual_hint(kind));
  Quantity quantity{.number = text.substr(0, length), .unit = {}};
  const auto unit = trimmed(text.substr(length));
  const auto found = std::ranges::find(kind.units, unit, &Unit::name);
  if (found == kind.units.end()) {
    return bad(fmt::format("expected {} with a unit, got {}", kind.noun, quoted(text)), unit_hint(kind, quantity.number.substr(0, 40), unit));
  }
  quantity.unit = *found;
  if (!read_number(quantity.number, quantity)) return bad(fmt::format("{} has too many digits: {}", kind.noun, quoted(text)));
  return quantity;
}

// digits * scale * 10^exponent in whole units and whether that is exact; below rounded to nearest, -1 if above 2^63 - 1.
struct Whole {
  std::int64_t value = 0;
  bool exact = true;
};

Whole whole(const Quantity& quantity) {
  constexpr auto most = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
  Wide value = quantity.digits * quantity.unit.scale;
  int exponent = quantity.exponent;
  for (; exponent > 0 && value > 0 && value <= most; --exponent) value *= 10;
  bool exact = true;
  Wide last = 0;  // the digit that was cut last decides rounding
  for (; exponent < 0 && (value > 0 || last > 0); ++exponent) {
    last = value % 10;
    exact = exact && last == 0;
    value /= 10;
  }
  if (last >= 5) ++value;
  if (value > most) return {-1, false};
  return {static_cast<std::int64_t>(value), exact};
}

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  const auto quantity = read(size_kind, text);
  if (!quantity) return quantity.error();
  const auto [value, exact] = whole(*quantity);
  if (value < 0) return bad(fmt::format("{} is more than 2^63 - 1 bytes", quoted(trimmed(text))));
  if (!exact) return bad(fmt::format("{} is not a whole number of bytes", quoted(trimmed(text))), fmt::format("the nearest size is '{} B'", value));
  return Bytes{value};
}

Result<Bandwidth> parse_bandwidth(std::string_view text) {
  const auto quantity = read(rate_kind, text);
  if (!quantity) return quantity.error();
  const auto value = whole(*quantity).value;
  if (value < 0) return bad(fmt::format("{} is more than 2^63 - 1 bytes per second", quoted(trimmed(text))));
  return Bandwidth::bytes_per_second(value);
}

Result<Seconds> parse_time(std::string_view text) {
  const auto quantity = read(time_kind, text);
  if (!quantity) return quantity.error();
  // One conversion from decimal to binary, so that no second rounding comes in.
  const auto number = fmt::format("{}e{}", quantity->digits, quantity->exponent + quantity->unit.scale);
  double value = 0;
  const auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (fault == std::errc::result_out_of_range && quantity->exponent < 0) return Seconds{0};
  if (fault != std::errc{}) return bad(fmt::format("{} is too large for a time", quoted(trimmed(text))));
  return Seconds{value};
}

}  // namespace p2plab
