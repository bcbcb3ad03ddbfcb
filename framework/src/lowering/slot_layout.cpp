// SPDX-License-Identifier: Apache-2.0
#include "lowering/slot_layout.h"

#include <algorithm>
#include <utility>

#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

constexpr std::int64_t alignment = 128;  // bytes: a line of the LL128 protocol, and of the memory system

bool in_slot(const Location& location) { return location.buffer == Buffer::scratch || location.buffer == Buffer::host; }

}  // namespace

SlotLayout::SlotLayout(const Schedule& schedule, const Proof& proof, const std::vector<std::int64_t>& chunk_bytes, std::optional<int> alike) {
  for (int r = 0; r < schedule.ranks(); ++r) {
    for (const auto buffer : {Buffer::scratch, Buffer::host}) {
      base_.push_back(offsets_.size());
      offsets_.resize(offsets_.size() + static_cast<std::size_t>(schedule.slots(Rank{r}, buffer)));
    }
  }
  base_.push_back(offsets_.size());
  const auto steps = alike ? schedule.base_step_count() : schedule.step_count();
  StepReader read(schedule);
  for (std::size_t i = 0; i < steps; ++i) {
    const StepId listed{static_cast<std::int64_t>(i)};
    const auto id = alike ? schedule.folding().id_of(*alike, listed) : listed;
    for (const auto& location : read(id).destinations) {
      if (in_slot(location)) take(index(location), chunk_bytes[proof.chunk(id).index()]);
    }
  }
  if (alike) spread(schedule, *alike);
  for (std::size_t area = 0; area + 1 < base_.size(); ++area) {
    std::int64_t total = 0;
    for (auto slot = base_[area]; slot < base_[area + 1]; ++slot) {
      const auto bytes = std::exchange(offsets_[slot], total);
      total += (bytes + alignment - 1) / alignment * alignment;
    }
    sizes_.push_back(total);
  }
}

void SlotLayout::take(std::size_t slot, std::int64_t bytes) {
  auto& size = offsets_[slot];
  if (size != 0 && bytes != 0 && size != bytes) even_ = false;
  size = std::max(size, bytes);
}

// The slots of the other images are as large.
void SlotLayout::spread(const Schedule& schedule, int from) {
  const auto base = schedule.base();
  for (int image = 0; image < schedule.folding().images(); ++image) {
    for (int r = 0; r < schedule.ranks(); ++r) {
      for (const auto buffer : {Buffer::scratch, Buffer::host}) {
        const auto count = static_cast<std::ptrdiff_t>(base.slots(Rank{r}, buffer));
        const auto first = at(Rank{r}, buffer, 0);
        if (count > 0 && image != from)
          std::copy_n(offsets_.begin() + static_cast<std::ptrdiff_t>(index(schedule.in_image(from, first))), count,
                      offsets_.begin() + static_cast<std::ptrdiff_t>(index(schedule.in_image(image, first))));
      }
    }
  }
}

}  // namespace p2plab
