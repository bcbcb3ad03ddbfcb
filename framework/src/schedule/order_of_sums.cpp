// SPDX-License-Identifier: Apache-2.0
#include "p2plab/schedule/order_of_sums.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "p2plab/schedule/step_reader.h"

namespace p2plab {

namespace {

// Takes the steps through memory; a value is how it came to be, whichever chunk it is of.
class OrderFinder {
 public:
  OrderFinder(const Schedule& schedule, bool in_place) : schedule_(schedule), in_place_(in_place) {}

  Result<std::string> run() {
    if (!reduces(schedule_.collective().kind)) {
      return Error{ErrorCode::unsupported, fmt::format("{} adds nothing, so there is no order of sums", to_string(schedule_.collective().kind))};
    }
    StepReader step_of(schedule_);
    for (std::size_t i = 0; i < schedule_.step_count(); ++i) execute(step_of(StepId{static_cast<std::int64_t>(i)}));
    return compare();
  }

 private:
  using Value = std::int32_t;

  // In place a rank's result lies where its contribution did.
  std::tuple<std::int32_t, Buffer, std::uint32_t> key(const Location& location) const {
    const bool shared = in_place_ && location.buffer == Buffer::output && contributes(location.rank, ChunkId{location.slot});
    return {location.rank.value, shared ? Buffer::input : location.buffer, location.slot};
  }
  bool contributes(Rank rank, ChunkId chunk) const {
    const auto& contributors = schedule_.block_of(chunk).contributors;
    return std::ranges::find(contributors, rank) != contributors.end();
  }

  Value intern(std::vector<Value> sum) {
    const auto [place, added] = numbers_.emplace(std::move(sum), static_cast<Value>(sums_.size()));
    if (added) sums_.push_back(&place->first);
    return place->second;
  }
  // Ranks are sums of nothing, counted below zero.
  static Value contribution(Rank rank) { return -1 - rank.value; }

  Value at(const Location& location) const {
    const auto found = values_.find(key(location));
    return found == values_.end() ? contribution(location.rank) : found->second;
  }

  void execute(const Step& step) {
    std::vector<Value> sources;
    for (const auto& source : step.sources) sources.push_back(at(source));
    const auto value = sources.size() == 1 ? sources.front() : intern(std::move(sources));
    for (const auto& destination : step.destinations) values_[key(destination)] = value;
  }

  Result<std::string> compare() const {
    std::optional<Location> first;
    for (std::size_t c = 0; c < schedule_.chunks().size(); ++c) {
      const ChunkId chunk{static_cast<std::int64_t>(c)};
      if (schedule_.block_of(chunk).contributors.empty()) continue;
      for (const auto rank : schedule_.block_of(chunk).receivers) {
        const auto here = output(rank, chunk);
        if (!first) first = here;
        if (at(here) != at(*first)) return different(*first, here);
      }
    }
    if (!first) return Error{ErrorCode::unsupported, "there are no results, so there is no order of sums"};
    return text_of(at(*first));
  }

  Error different(const Location& first, const Location& other) const {
    const auto name = [&](const Location& where) {
      return fmt::format("chunk {} at rank {} as {}", where.slot, where.rank.value, shortened(text_of(at(where))));
    };
    return Error{.code = ErrorCode::unsupported,
                 .message = "sums are not made in one order",
                 .notes = {fmt::format("{}, {}", name(first), name(other)),
                           "one_shot, and two_shot with mode=direct, add all ranks in their order, whatever the chunk"}};
  }
  static std::string shortened(std::string text) {
    constexpr std::size_t most = 60;
    if (text.size() > most) text.replace(most, std::string::npos, "...");
    return text;
  }

  std::string text_of(Value value) const {
    if (value < 0) return std::to_string(-1 - value);
    std::string text;
    for (const auto part : *sums_[static_cast<std::size_t>(value)]) {
      if (!text.empty()) text += '+';
      text += part < 0 ? text_of(part) : '(' + text_of(part) + ')';
    }
    return text;
  }

  const Schedule& schedule_;
  bool in_place_;
  std::map<std::vector<Value>, Value> numbers_;
  std::vector<const std::vector<Value>*> sums_;  // keys of `numbers_`, which stay where they are
  std::map<std::tuple<std::int32_t, Buffer, std::uint32_t>, Value> values_;
};

}  // namespace

Result<std::string> order_of_sums(const Schedule& schedule, bool in_place) { return OrderFinder(schedule, in_place).run(); }

std::string members_in_order(const Collective& collective) {
  std::string text;
  for (const auto rank : collective.members) {
    if (std::ranges::find(collective.silent, rank) == collective.silent.end()) text += fmt::format("{}{}", text.empty() ? "" : "+", rank.value);
  }
  return text;
}

Status keeps_order(const Schedule& schedule, bool in_place, const std::string& promised) {
  if (promised.empty()) return {};
  const auto found = order_of_sums(schedule, in_place);
  const auto broken = [&](const std::string& what, std::vector<std::string> notes) {
    return Error{ErrorCode::verification_failed, fmt::format("the plan promises to add in the order {}; {}", promised, what), std::nullopt,
                 std::move(notes)};
  };
  if (!found) return broken(found.error().message, found.error().notes);
  return *found == promised ? Status{} : broken(fmt::format("it adds in the order {}", *found), {});
}

}  // namespace p2plab
