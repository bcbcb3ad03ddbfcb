// SPDX-License-Identifier: Apache-2.0
#include "lowered/arena.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>

namespace p2plab {

// Shared with the regions, which give themselves back from any thread.
struct Arena::Holes {
  mutable std::mutex mutex;
  std::vector<Extent> extents;
  std::map<std::uint64_t, Bytes> free;  // holes by address; no two of one extent touch
  Bytes lent{0};

  bool begins_extent(std::uint64_t address) const {
    return std::ranges::any_of(extents, [&](const Extent& extent) { return extent.address == address; });
  }

  void add(std::uint64_t address, Bytes size) {
    auto hole = free.emplace(address, size).first;
    const auto end = [](const auto& h) { return h->first + static_cast<std::uint64_t>(h->second.count()); };
    if (const auto next = std::next(hole); next != free.end() && end(hole) == next->first && !begins_extent(next->first)) {
      hole->second += next->second;
      free.erase(next);
    }
    if (hole == free.begin() || begins_extent(address)) return;
    if (const auto before = std::prev(hole); end(before) == address) {
      before->second += hole->second;
      free.erase(hole);
    }
  }

  // Null if no hole is long enough.
  std::uint64_t cut(Bytes size) {
    auto best = free.end();
    for (auto hole = free.begin(); hole != free.end(); ++hole) {
      if (hole->second >= size && (best == free.end() || hole->second < best->second)) best = hole;
    }
    if (best == free.end()) return 0;
    const auto address = best->first;
    const auto rest = best->second - size;
    free.erase(best);
    if (rest > Bytes{0}) free.emplace(address + static_cast<std::uint64_t>(size.count()), rest);
    lent += size;
    return address;
  }
};

Arena::Region::~Region() {
  if (!holes_) return;
  const std::lock_guard lock(holes_->mutex);
  holes_->add(address_, size_);
  holes_->lent = holes_->lent - size_;
}

Arena::Arena(Source source, Bytes least) : source_(std::move(source)), least_(least), holes_(std::make_shared<Holes>()) {}

Result<Arena::Region> Arena::take(Bytes size) {
  const Bytes whole{std::max<std::int64_t>((size.count() + unit - 1) / unit, 1) * unit};
  const std::lock_guard lock(holes_->mutex);
  auto address = holes_->cut(whole);
  if (address == 0) {
    auto extent = source_(std::max(whole, least_));
    if (!extent) return std::move(extent).error();
    expects(extent->size >= whole && extent->address != 0);
    holes_->extents.push_back(*extent);
    holes_->add(extent->address, extent->size);
    address = holes_->cut(whole);
  }
  Region region;
  region.holes_ = holes_;
  region.address_ = address;
  region.size_ = whole;
  return region;
}

std::span<const Extent> Arena::extents() const& { return holes_->extents; }

Bytes Arena::held() const {
  const std::lock_guard lock(holes_->mutex);
  Bytes sum{0};
  for (const auto& extent : holes_->extents) sum += extent.size;
  return sum;
}

int Arena::allocations() const {
  const std::lock_guard lock(holes_->mutex);
  return static_cast<int>(holes_->extents.size());
}

Bytes Arena::lent() const {
  const std::lock_guard lock(holes_->mutex);
  return holes_->lent;
}

}  // namespace p2plab
