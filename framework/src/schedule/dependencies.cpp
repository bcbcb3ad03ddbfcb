// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/dependencies.h"

#include <algorithm>
#include <array>
#include <map>

namespace p2plab {

LocationIndex::LocationIndex(const Schedule& schedule, bool in_place) : in_place_(in_place) {
  constexpr std::array all{Buffer::input, Buffer::output, Buffer::scratch, Buffer::host};
  for (int r = 0; r < schedule.ranks(); ++r) {
    for (const auto buffer : all) {
      base_.push_back(size_);
      if (in_place && buffer == Buffer::input) continue;
      size_ += static_cast<std::size_t>(schedule.slots(Rank{r}, buffer));
    }
  }
}

namespace {

// Per location: the last step that wrote it and the steps that have read it since, as a linked list.
struct Access {
  std::int32_t writer = -1;
  std::int32_t readers = -1;  // head in the list of reads
};
struct Read {
  std::int32_t step;
  std::int32_t next;
};

}  // namespace

std::span<const StepId> Dependencies::of(StepId step, std::vector<StepId>& memory) const& {
  if (!folding_.folded()) return lists_.front().of(step);
  const auto [image, base] = folding_.origin(step);
  const auto& lists = of_image_.empty() ? lists_.front() : lists_[static_cast<std::size_t>(of_image_[static_cast<std::size_t>(image)])];
  memory.clear();
  for (const auto before : lists.of(base)) memory.push_back(folding_.id_of(image, before));
  return memory;
}

Dependencies::Dependencies(const Schedule& schedule, bool in_place, const std::vector<bool>& left_out) : folding_(schedule.folding()) {
  if (!folding_.folded()) {
    lists_.push_back(lists_of(schedule, in_place, left_out));
    return;
  }
  // Images touch no location together, so each waits only within itself.
  const auto base = schedule.base();
  std::map<std::vector<bool>, int> known;
  for (int image = 0; image < folding_.images(); ++image) {
    std::vector<bool> left(left_out.empty() ? 0 : base.step_count());
    for (std::size_t i = 0; i < left.size(); ++i) left[i] = left_out[folding_.id_of(image, StepId{static_cast<std::int64_t>(i)}).index()];
    const auto [place, added] = known.try_emplace(std::move(left), static_cast<int>(lists_.size()));
    if (added) lists_.push_back(lists_of(base, in_place, place->first));
    of_image_.push_back(place->second);
  }
}

Dependencies::Lists Dependencies::lists_of(const Schedule& schedule, bool in_place, const std::vector<bool>& left_out) {
  auto lists = Lists{};
  auto& [offsets, steps] = lists;
  const LocationIndex index(schedule, in_place);
  std::vector<Access> accesses(index.size());
  std::vector<Read> reads;
  std::vector<std::int32_t> found;
  offsets.push_back(0);
  for (std::size_t i = 0; i < schedule.step_count(); ++i) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(i)});
    const auto self = static_cast<std::int32_t>(i);
    found.clear();
    if (!left_out.empty() && left_out[i]) {
      offsets.push_back(steps.size());
      continue;
    }
    for (const auto& source : step.sources) {
      auto& access = accesses[index(source)];
      if (access.writer >= 0) found.push_back(access.writer);
      reads.push_back({self, access.readers});
      access.readers = static_cast<std::int32_t>(reads.size()) - 1;
    }
    for (const auto& destination : step.destinations) {
      auto& access = accesses[index(destination)];
      // A later reader has waited for the writer already.
      if (access.readers < 0 && access.writer >= 0) found.push_back(access.writer);
      for (auto read = access.readers; read >= 0; read = reads[static_cast<std::size_t>(read)].next) {
        found.push_back(reads[static_cast<std::size_t>(read)].step);
      }
      access = {self, -1};
    }
    std::ranges::sort(found);
    found.erase(std::unique(found.begin(), found.end()), found.end());  // std::ranges::unique does not pass clang 14
    for (const auto step_before : found) {
      if (step_before != self) steps.emplace_back(step_before);
    }
    offsets.push_back(steps.size());
  }
  return lists;
}

}  // namespace p2plab
