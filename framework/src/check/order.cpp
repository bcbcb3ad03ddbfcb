// SPDX-License-Identifier: Apache-2.0
#include "check/order.h"

#include <algorithm>

#include <fmt/format.h>

#include "check/ahead.h"
#include "check/describe.h"

namespace p2plab::checking {

Result<Large<std::uint32_t>> owners_of(const Program& program) {
  Large<std::uint32_t> owners(program.operands.size(), nobody);
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    if (i + instructions_ahead < program.instructions.size()) ask_for(owners, program.instructions[i + instructions_ahead].operands);
    const auto& instruction = program.instructions[i];
    const auto index = static_cast<std::uint32_t>(i);
    const auto end = instruction.operands + instruction.sources + instruction.destinations;
    for (auto o = instruction.operands; o < end; ++o) {
      if (owners[o] != nobody) {
        return Error{ErrorCode::verification_failed, name_of(program, index) + " shares an operand with " + name_of(program, owners[o])};
      }
      owners[o] = index;
    }
  }
  return owners;
}

Order::Order(const Program& program) : program_(program), lanes_(program.instructions.size()) {
  for (std::size_t l = 0; l < program.lanes.size(); ++l) {
    const auto& lane = program.lanes[l];
    std::fill_n(lanes_.begin() + lane.first, lane.count, static_cast<std::uint32_t>(l));
  }
  for (const auto& instruction : program.instructions) signals_.push_back(instruction.signals);
}

std::int64_t Order::slices_between(std::uint32_t waiting, std::uint32_t awaited) const {
  return std::min(program_.slices(program_.instructions[waiting]), program_.slices(program_.instructions[awaited]));
}

// Runs each lane as far as it comes; lanes that others let go on are put on the list.
Status Order::find_sequence(std::span<const std::uint32_t> owners) {
  if (!owners.empty() && take_order_of(owners)) return {};
  const auto lanes = program_.lanes.size();
  sequence_.clear();
  done_.assign(lanes, 0);
  blocked_.assign(lanes, {});
  sequence_.reserve(program_.instructions.size());
  std::vector<std::uint32_t> ready;
  for (std::size_t l = lanes; l-- > 0;) ready.push_back(static_cast<std::uint32_t>(l));
  while (!ready.empty()) {
    const auto lane = ready.back();
    ready.pop_back();
    run_lane(lane, ready);
  }
  if (sequence_.size() != program_.instructions.size()) return circle();
  blocked_ = {};
  return {};
}

// Takes the instructions as their operands lie; false if lanes or waits want another order.
bool Order::take_order_of(std::span<const std::uint32_t> owners) {
  sequence_.reserve(program_.instructions.size());
  for (const auto owner : owners) {
    if (owner != nobody && (sequence_.empty() || sequence_.back() != owner)) sequence_.push_back(owner);
  }
  if (sequence_.size() != program_.instructions.size()) return false;
  done_.assign(program_.lanes.size(), 0);
  bool all_signal = true;
  for (std::size_t at = 0; at < sequence_.size(); ++at) {
    if (at + 2 * instructions_ahead < sequence_.size()) {
      ask_for(program_.instructions, sequence_[at + 2 * instructions_ahead]);
      ask_for(lanes_, sequence_[at + 2 * instructions_ahead]);
      ask_for(program_.waits, program_.instructions[sequence_[at + instructions_ahead]].waits);
    }
    const auto lane = lanes_[sequence_[at]];
    if (program_.lanes[lane].first + done_[lane] != sequence_[at]) return false;
    for (const auto& wait : program_.waits_of(program_.instructions[sequence_[at]])) {
      if (done_[wait.lane.index()] <= static_cast<std::uint32_t>(wait.instruction)) return false;
      all_signal = all_signal && signals_[index_of(wait)];
    }
    ++done_[lane];
  }
  all_signal_ = all_signal;
  return true;
}

void Order::run_lane(std::uint32_t lane, std::vector<std::uint32_t>& ready) {
  const auto& [rank, first, count] = program_.lanes[lane];
  for (auto& done = done_[lane]; done < count; ++done) {
    for (const auto& wait : program_.waits_of(program_.instructions[first + done])) {
      const auto other = wait.lane.index();
      const auto until = static_cast<std::uint32_t>(wait.instruction);
      if (done_[other] > until) continue;
      blocked_[other].push_back({lane, until});
      return;
    }
    sequence_.push_back(first + done);
    auto& waiting = blocked_[lane];
    if (waiting.empty()) continue;
    const auto freed = std::partition(waiting.begin(), waiting.end(), [&](const Blocked& b) { return b.until > done; });
    for (auto b = freed; b != waiting.end(); ++b) ready.push_back(b->lane);
    waiting.erase(freed, waiting.end());
  }
}

// Follows what the first lane that stands still waits for, until a lane comes again.
Error Order::circle() const {
  const auto lanes = program_.lanes.size();
  std::uint32_t lane = 0;
  while (done_[lane] == program_.lanes[lane].count) ++lane;
  std::vector<bool> met(lanes);
  std::vector<std::uint32_t> path;
  while (!met[lane]) {
    met[lane] = true;
    const auto index = program_.lanes[lane].first + done_[lane];
    path.push_back(index);
    for (const auto& wait : program_.waits_of(program_.instructions[index])) {
      if (done_[wait.lane.index()] > static_cast<std::uint32_t>(wait.instruction)) continue;
      lane = static_cast<std::uint32_t>(wait.lane.value);
      break;
    }
  }
  const auto begin = std::ranges::find_if(path, [&](std::uint32_t index) { return lanes_[index] == lane; });
  Error error{ErrorCode::verification_failed, fmt::format("{}: it waits for itself through others", name_of(program_, *begin))};
  constexpr std::ptrdiff_t most_named = 8;
  for (auto i = begin; i != path.end() && i - begin < most_named; ++i) {
    const auto next = i + 1 == path.end() ? *begin : *(i + 1);
    error.notes.push_back(fmt::format("{} cannot begin before lane {}, which stands at instruction {}, has gone on", name_of(program_, *i),
                                      lanes_[next], next - program_.lanes[lanes_[next]].first));
  }
  return error;
}

Status Order::check_waits(std::uint32_t instruction) const {
  for (const auto& wait : program_.waits_of(program_.instructions[instruction])) {
    if (signals_[index_of(wait)]) continue;
    const auto& awaited = program_.at(wait.lane, wait.instruction);
    return Error{ErrorCode::verification_failed, fmt::format("{} waits for instruction {} of lane {} (step {}), which signals nobody",
                                                             name_of(program_, instruction), wait.instruction, wait.lane.value, awaited.step.value)};
  }
  return {};
}

bool Order::shows(const Known& known, std::uint32_t first, const Need& need) const {
  if (lanes_[known.instruction] != lanes_[first] || known.instruction < first) return false;
  if (known.instruction > first) return true;
  return known.wide && (known.passed || !need.falling);
}

bool Order::ordered(std::uint32_t first, std::uint32_t second, const Need& need) {
  if (need.apart) return false;
  if (lanes_[first] == lanes_[second]) return true;
  for (const auto& wait : program_.waits_of(program_.instructions[second])) {
    const auto awaited = index_of(wait);
    if (lanes_[awaited] != lanes_[first] || awaited < first) continue;
    const auto slices = slices_between(second, awaited);
    if (slices >= need.blocks && shows({awaited, slices >= need.slices, false}, first, need)) return true;
  }
  return search(first, second, need);
}

// Backwards from `second` over lanes and waits. Between two waits one may pass to an earlier instruction of a lane, all of whose slices of a block
// are complete before the block goes on: beyond such a place one slice of each block is enough.
bool Order::search(std::uint32_t first, std::uint32_t second, const Need& need) {
  if (group_ends_.empty()) prepare_search();
  ++searches_;
  open_.assign(1, Known{second, true, false});
  std::vector<Known> found;
  while (!open_.empty()) {
    const auto from = open_.back();
    open_.pop_back();
    found.clear();
    look_behind(from, first, need, found);
    steps_ +=
        1 + found.size() + group_ends_[lanes_[from.instruction]] - (lanes_[from.instruction] == 0 ? 0 : group_ends_[lanes_[from.instruction] - 1]);
    for (const auto& known : found) {
      if (shows(known, first, need)) return true;
      if (positions_[known.instruction] > positions_[first] && is_new(known)) open_.push_back(known);
    }
  }
  return false;
}

// What is known to be complete because `from` is: what it waits for itself, and what earlier instructions of its lane have waited for.
void Order::look_behind(const Known& from, std::uint32_t first, const Need& need, std::vector<Known>& found) const {
  for (const auto& wait : program_.waits_of(program_.instructions[from.instruction])) {
    const auto awaited = index_of(wait);
    const auto slices = slices_between(from.instruction, awaited);
    if (slices >= need.blocks) found.push_back({awaited, from.wide && slices >= need.slices, from.passed});
  }
  const auto lane = lanes_[from.instruction];
  for (auto g = lane == 0 ? 0 : group_ends_[lane - 1]; g < group_ends_[lane]; ++g) {
    const auto begin = edges_.begin() + groups_[g].first;
    auto edge = std::lower_bound(begin, begin + groups_[g].count, from.instruction, [](const Edge& e, std::uint32_t own) { return e.own < own; });
    std::optional<Known> best;
    constexpr int most_tried = 64;
    for (int tried = 0; edge != begin && tried < most_tried; ++tried) {
      --edge;
      if (best && best->instruction >= edge->highest && best->wide) break;
      if (groups_[g].lane == lanes_[first] && edge->highest < first) break;
      if (edge->slices < need.blocks) continue;
      const Known known{edge->awaited, edge->slices >= need.slices, true};
      if (best && known.instruction <= best->instruction && !(known.wide && !best->wide)) continue;
      found.push_back(known);
      if (!best || known.instruction > best->instruction) best = known;
      if (known.wide && known.instruction == edge->highest) break;
    }
  }
}

// Has nothing that shows as much been looked behind in this search?
bool Order::is_new(const Known& known) {
  auto& seen = seen_[lanes_[known.instruction]];
  if (seen.search != searches_) seen = {.search = searches_};
  const auto mine = (known.wide ? 1U : 0U) | (known.passed ? 2U : 0U);
  for (std::uint32_t as_much = 0; as_much < 4; ++as_much) {
    if ((as_much & mine) == mine && seen.instruction[as_much] > known.instruction) return false;
  }
  seen.instruction[mine] = known.instruction + 1;
  return true;
}

void Order::prepare_search() {
  positions_.resize(sequence_.size());
  for (std::size_t i = 0; i < sequence_.size(); ++i) positions_[sequence_[i]] = static_cast<std::uint32_t>(i);
  seen_.resize(program_.lanes.size());
  group_edges();
}

void Order::group_edges() {
  std::vector<Edge> own;
  for (const auto& lane : program_.lanes) {
    own.clear();
    for (auto i = lane.first; i < lane.first + lane.count; ++i) {
      for (const auto& wait : program_.waits_of(program_.instructions[i])) {
        const auto awaited = index_of(wait);
        own.push_back({i, awaited, awaited, slices_between(i, awaited)});
      }
    }
    std::ranges::stable_sort(own, {}, [&](const Edge& e) { return lanes_[e.awaited]; });
    for (const auto& edge : own) {
      const auto other = lanes_[edge.awaited];
      const bool fresh = groups_.size() == (group_ends_.empty() ? 0 : group_ends_.back()) || groups_.back().lane != other;
      if (fresh) groups_.push_back({other, static_cast<std::uint32_t>(edges_.size()), 0});
      ++groups_.back().count;
      edges_.push_back(edge);
      if (!fresh) edges_.back().highest = std::max(edges_.back().highest, edges_[edges_.size() - 2].highest);
    }
    group_ends_.push_back(static_cast<std::uint32_t>(groups_.size()));
  }
}

}  // namespace p2plab::checking
