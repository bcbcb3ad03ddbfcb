// SPDX-License-Identifier: Apache-2.0
// Memory that lasts from program to program: a few long extents, lent out in regions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "p2plab/base/result.h"
#include "p2plab/base/units.h"

namespace p2plab {

/// One allocation, freed with its last owner.
struct Extent {
  std::uint64_t address = 0;
  Bytes size{0};
  std::shared_ptr<void> memory = nullptr;
};

class Arena {
  struct Holes;

 public:
  /// Makes an extent of at least so many bytes.
  using Source = std::function<Result<Extent>(Bytes)>;
  /// Regions begin at multiples of this, and are whole multiples of it.
  static constexpr std::int64_t unit = 256;

  /// A piece of an arena; goes back to it with its owner, and keeps its memory alive.
  class Region {
   public:
    Region() = default;
    Region(Region&& other) noexcept { *this = std::move(other); }
    Region& operator=(Region&& other) noexcept {
      std::swap(holes_, other.holes_);
      std::swap(address_, other.address_);
      std::swap(size_, other.size_);
      return *this;
    }
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region();
    std::uint64_t address() const { return address_; }
    Bytes size() const { return size_; }

   private:
    friend class Arena;
    std::shared_ptr<Holes> holes_;
    std::uint64_t address_ = 0;
    Bytes size_{0};
  };

  /// An arena without memory; the first extent has at least `least` bytes, and so has each one after it.
  Arena(Source source, Bytes least);

  /// At least one unit, from the smallest hole that is long enough, else from a new extent. Errors: those of the source.
  Result<Region> take(Bytes size);

  /// What was allocated, oldest first; nothing in it ever moves or goes before the arena does.
  std::span<const Extent> extents() const&;
  std::span<const Extent> extents() && = delete;
  /// Bytes of all extents, and of all regions that are lent out; how many extents.
  Bytes held() const;
  Bytes lent() const;
  int allocations() const;

 private:
  Source source_;
  Bytes least_;
  std::shared_ptr<Holes> holes_;
};

}  // namespace p2plab
