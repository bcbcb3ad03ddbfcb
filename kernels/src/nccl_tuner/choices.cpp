// SPDX-License-Identifier: Apache-2.0
#include "nccl_tuner/choices.h"

#include <algorithm>

namespace p2plab::nccl_tuner {

namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

// Sizes of whole messages, where a rule counts each rank's share.
Range whole_bytes(const Rule& rule, std::int64_t ranks) {
  const std::int64_t least = std::max<std::int64_t>(rule.bytes.least, 0);
  if (!rule.per_rank || rule.bytes.most < 0) return {least, rule.bytes.most};
  const auto times = [&](std::int64_t value) { return value > largest / ranks ? largest : value * ranks; };
  return {times(least), rule.bytes.most >= largest / ranks ? largest : rule.bytes.most * ranks + ranks - 1};
}

bool asks_only_for_size(const Rule& rule) { return rule.operations < 0 && rule.registered < 0; }

}  // namespace

Choices::Choices(const std::vector<Rule>& rules, std::int64_t ranks) : count_(rules.size()), entries_(std::make_unique<Entry[]>(rules.size())) {
  std::vector<Range> sizes;
  begins_.push_back(0);
  for (std::size_t r = 0; r < rules.size(); ++r) {
    entries_[r].rule = rules[r];
    sizes.push_back(whole_bytes(rules[r], ranks));
    begins_.push_back(sizes.back().least);
    if (sizes.back().most >= 0 && sizes.back().most < largest) begins_.push_back(sizes.back().most + 1);
  }
  std::ranges::sort(begins_);
  begins_.erase(std::unique(begins_.begin(), begins_.end()), begins_.end());
  for (const auto begin : begins_) {
    offsets_.push_back(static_cast<std::uint32_t>(candidates_.size()));
    for (std::size_t r = 0; r < rules.size(); ++r) {
      if (!sizes[r].holds(begin)) continue;
      candidates_.push_back(static_cast<std::uint32_t>(r));
      if (asks_only_for_size(rules[r])) break;
    }
  }
  offsets_.push_back(static_cast<std::uint32_t>(candidates_.size()));
}

std::size_t Choices::interval(std::int64_t bytes) const {
  return static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), std::max<std::int64_t>(bytes, 0)) - begins_.begin()) - 1;
}

Choices::Entry* Choices::find(std::int64_t bytes, int operations, int registered) const {
  if (count_ == 0) return nullptr;
  const auto i = interval(bytes);
  for (auto c = offsets_[i]; c < offsets_[i + 1]; ++c) {
    auto& entry = entries_[candidates_[c]];
    const auto& rule = entry.rule;
    if ((rule.operations < 0 || rule.operations == operations) && (rule.registered < 0 || registered < 0 || rule.registered == registered))
      return &entry;
  }
  return nullptr;
}

Choices::Entry* Choices::find_chunk(std::int64_t bytes, int algorithm, int protocol) const {
  if (count_ == 0) return nullptr;
  const auto i = interval(bytes);
  for (auto c = offsets_[i]; c < offsets_[i + 1]; ++c) {
    auto& entry = entries_[candidates_[c]];
    if (entry.rule.chunk > 0 && entry.rule.algorithm == algorithm && entry.rule.protocol == protocol) return &entry;
  }
  return nullptr;
}

}  // namespace p2plab::nccl_tuner
