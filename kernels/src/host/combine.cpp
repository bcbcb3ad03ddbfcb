// SPDX-License-Identifier: Apache-2.0
#include "p2plab/detail/combine.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "p2plab/detail/elements.h"

namespace p2plab {

namespace {

constexpr std::size_t tile = 512;  // elements: sums stay in the first-level cache

void copy(const std::byte* source, std::span<std::byte* const> destinations, std::size_t bytes) {
  for (auto* const to : destinations) {
    if (to != source) std::memcpy(to, source, bytes);
  }
}

// One tile: everything is read before anything is written, so a destination may be a source.
template <class E>
class Tile {
 public:
  void run(const Combination& what, std::span<const std::byte* const> sources, std::span<std::byte* const> destinations, std::size_t first,
           std::size_t count) {
    const auto offset = first * sizeof(Stored);
    for (std::size_t s = 0; s < sources.size(); ++s) {
      std::memcpy(raw_.data(), sources[s] + offset, count * sizeof(Stored));
      s == 0 ? load(count) : add(what.op, count);
    }
    for (std::size_t i = 0; i < count && what.divisor != 1; ++i) sums_[i] = averaged(sums_[i], what.divisor);
    for (std::size_t i = 0; i < count; ++i) raw_[i] = E::store(sums_[i]);
    for (auto* const to : destinations) std::memcpy(to + offset, raw_.data(), count * sizeof(Stored));
  }

 private:
  using Stored = typename E::Stored;
  using Sum = typename E::Sum;

  void load(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) sums_[i] = E::load(raw_[i]);
  }
  void add(ReduceOp op, std::size_t count) {
    with_operation(op, [&](auto constant) {
      for (std::size_t i = 0; i < count; ++i) sums_[i] = combined(decltype(constant)::value, sums_[i], E::load(raw_[i]));
    });
  }

  std::array<Stored, tile> raw_;
  std::array<Sum, tile> sums_;
};

}  // namespace

void combine(const Combination& what, std::span<const std::byte* const> sources, std::span<std::byte* const> destinations, std::int64_t elements) {
  const auto count = static_cast<std::size_t>(elements);
  if (count == 0) return;
  if (sources.size() == 1 && what.divisor == 1) return copy(sources.front(), destinations, count * static_cast<std::size_t>(size_of(what.type)));
  with_element(what.type, [&](auto element) {
    Tile<decltype(element)> work;
    for (std::size_t first = 0; first < count; first += tile) work.run(what, sources, destinations, first, std::min(tile, count - first));
  });
}

}  // namespace p2plab
