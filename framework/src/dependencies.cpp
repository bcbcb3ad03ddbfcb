#include "p2plab/dependencies.h"

#include <algorithm>
#include <array>

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

Dependencies::Dependencies(const Schedule& schedule, bool in_place, const std::vector<bool>& left_out) {
  const LocationIndex index(schedule, in_place);
  std::vector<Access> accesses(index.size());
  std::vector<Read> reads;
  std::vector<std::int32_t> found;
  offsets_.push_back(0);
  for (std::size_t i = 0; i < schedule.step_count(); ++i) {
    const auto step = schedule.step(StepId{static_cast<std::int64_t>(i)});
    const auto self = static_cast<std::int32_t>(i);
    found.clear();
    if (!left_out.empty() && left_out[i]) {
      offsets_.push_back(steps_.size());
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
      if (step_before != self) steps_.emplace_back(step_before);
    }
    offsets_.push_back(steps_.size());
  }
}

}  // namespace p2plab
