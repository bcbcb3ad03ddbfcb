// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/dependencies.h"

#include <algorithm>
#include <array>
#include <map>

namespace p2plab {

LocationIndex::LocationIndex(const Schedule& schedule, bool in_place) : in_place_(in_place) {
  nobodys_ = size_++;
  const auto ranks = static_cast<std::size_t>(schedule.ranks());
  for (std::size_t c = 0; c < schedule.chunks().size(); ++c) {
    const auto& block = schedule.block_of(ChunkId{static_cast<std::int64_t>(c)});
    std::vector<Rank> members(block.contributors.begin(), block.contributors.end());
    if (in_place) {
      members.insert(members.end(), block.receivers.begin(), block.receivers.end());
      inputs_.push_back(row_of(std::move(members), ranks));
    } else {
      inputs_.push_back(row_of(std::move(members), ranks));
      outputs_.push_back(row_of({block.receivers.begin(), block.receivers.end()}, ranks));
    }
  }
  for (int r = 0; r < schedule.ranks(); ++r) {
    for (const auto buffer : {Buffer::scratch, Buffer::host}) {
      base_.push_back(size_);
      size_ += static_cast<std::size_t>(schedule.slots(Rank{r}, buffer));
    }
  }
}

LocationIndex::Row LocationIndex::row_of(std::vector<Rank> members, std::size_t ranks) {
  constexpr std::size_t few = 4;  // looked through one by one
  std::ranges::sort(members);
  members.erase(std::unique(members.begin(), members.end()), members.end());
  Row row{.first = size_, .members = static_cast<std::uint32_t>(members_.size()), .count = static_cast<std::uint32_t>(members.size())};
  if (members.size() > few) {
    row.count = every_rank;
    size_ += ranks;
  } else {
    members_.insert(members_.end(), members.begin(), members.end());
    size_ += members.size();
  }
  return row;
}

namespace {

// The accesses to each location that a later one may have to wait for: what was written and by whom it has been read since. A write covers what it is
// at least as large as; what is larger stays beside it, for its bytes beyond.
class Accesses {
 public:
  explicit Accesses(std::size_t locations) : last_(locations, none) {}

  /// Adds to `found` the step that wrote the `bytes` bytes which `reader` reads, if any.
  void read(std::size_t location, std::int32_t reader, std::int64_t bytes, std::vector<std::int32_t>& found) {
    auto& last = last_[location];
    if (last == none) last = add({.bytes = bytes});
    auto& value = values_[at(last)];
    if (value.writer != none) found.push_back(value.writer);
    reads_.push_back({reader, value.readers});
    value.readers = static_cast<std::int32_t>(reads_.size()) - 1;
  }

  /// Adds to `found` whom `writer`, of `bytes` bytes, has to wait for.
  void write(std::size_t location, std::int32_t writer, std::int64_t bytes, std::vector<std::int32_t>& found) {
    auto larger = none;  // the values that are not covered
    auto* end = &larger;
    auto covered = none;
    for (auto v = last_[location]; v != none;) {
      auto& value = values_[at(v)];
      // A reader has waited for the writer already.
      if (value.readers == none && value.writer != none) found.push_back(value.writer);
      for (auto read = value.readers; read != none; read = reads_[at(read)].next) found.push_back(reads_[at(read)].step);
      const auto earlier = value.earlier;
      if (value.bytes > bytes) {
        *end = v;
        end = &value.earlier;
      } else {
        covered = v;
      }
      v = earlier;
    }
    *end = none;
    const Value written{.bytes = bytes, .writer = writer, .earlier = larger};
    if (covered == none) {
      last_[location] = add(written);
    } else {
      values_[at(covered)] = written;
      last_[location] = covered;
    }
  }

 private:
  static constexpr std::int32_t none = -1;
  struct Value {
    std::int64_t bytes = 0;
    std::int32_t writer = none;
    std::int32_t readers = none;  // head in the list of reads
    std::int32_t earlier = none;
  };
  struct Read {
    std::int32_t step;
    std::int32_t next;
  };
  static std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }
  std::int32_t add(const Value& value) {
    values_.push_back(value);
    return static_cast<std::int32_t>(values_.size()) - 1;
  }

  std::vector<std::int32_t> last_;  // by location
  std::vector<Value> values_;
  std::vector<Read> reads_;
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

Dependencies::Dependencies(const Schedule& schedule, bool in_place, const StepLoads& loads) : folding_(schedule.folding()) {
  if (!folding_.folded()) {
    lists_.push_back(lists_of(schedule, in_place, loads));
    return;
  }
  // Images touch no location together, so each waits only within itself.
  const auto base = schedule.base();
  std::map<StepLoads, int> known;
  for (int image = 0; image < folding_.images(); ++image) {
    StepLoads here{.left_out = std::vector<bool>(loads.left_out.empty() ? 0 : base.step_count()),
                   .bytes = std::vector<std::int64_t>(loads.bytes.empty() ? 0 : base.step_count())};
    for (std::size_t i = 0; i < base.step_count(); ++i) {
      const auto step = folding_.id_of(image, StepId{static_cast<std::int64_t>(i)}).index();
      if (!loads.left_out.empty()) here.left_out[i] = loads.left_out[step];
      if (!loads.bytes.empty()) here.bytes[i] = loads.bytes[step];
    }
    const auto [place, added] = known.try_emplace(std::move(here), static_cast<int>(lists_.size()));
    if (added) lists_.push_back(lists_of(base, in_place, place->first));
    of_image_.push_back(place->second);
  }
}

Dependencies::Lists Dependencies::lists_of(const Schedule& schedule, bool in_place, const StepLoads& loads) {
  auto lists = Lists{};
  auto& [offsets, steps] = lists;
  const LocationIndex index(schedule, in_place);
  Accesses accesses(index.size());
  std::vector<std::int32_t> found;
  offsets.push_back(0);
  for (std::size_t i = 0; i < schedule.step_count(); ++i) {
    const auto step = schedule.base_step(StepId{static_cast<std::int64_t>(i)});
    const auto self = static_cast<std::int32_t>(i);
    found.clear();
    if (!loads.left_out.empty() && loads.left_out[i]) {
      offsets.push_back(steps.size());
      continue;
    }
    const auto bytes = loads.bytes.empty() ? 0 : loads.bytes[i];
    for (const auto& source : step.sources) accesses.read(index(source), self, bytes, found);
    for (const auto& destination : step.destinations) accesses.write(index(destination), self, bytes, found);
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
