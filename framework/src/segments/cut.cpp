// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "p2plab/program/check.h"
#include "p2plab/segments/segments.h"
#include "segments/parts.h"

namespace p2plab {

namespace {

using segments::Part;
using segments::Parts;
using segments::PickedLane;
using segments::Role;

// The wires lie behind everything else, and nobody gives memory for them.
std::vector<RankMemory> without_wires(const Program& whole, const Parts& parts) {
  auto memory = whole.memory;
  for (std::size_t i = 0; i < parts.of.size(); ++i) {
    if (parts.of[i].role != Role::receive) continue;
    auto& scratch = memory[parts.of[i].rank.index()].scratch;
    scratch = std::min(scratch, Bytes{whole.sources(whole.instructions[i])[0].offset});
  }
  return memory;
}

MessageEnd end_of(const Operand& operand) { return {operand.rank, operand.buffer, operand.offset}; }

bool goes_on(const MessageEnd& end, const MessageEnd& next, std::int64_t bytes) {
  return end.buffer == next.buffer && end.offset + bytes == next.offset;
}

// Messages of one pair that lie behind each other at both ends become one.
void add_message(std::vector<Message>& messages, std::map<std::pair<Rank, Rank>, std::size_t>& last, const Message& message) {
  const std::pair pair{message.from.rank, message.to.rank};
  if (const auto known = last.find(pair); known != last.end()) {
    auto& before = messages[known->second];
    if (goes_on(before.from, message.from, before.bytes) && goes_on(before.to, message.to, before.bytes)) {
      before.bytes += message.bytes;
      return;
    }
  }
  last[pair] = messages.size();
  messages.push_back(message);
}

class Cutting {
 public:
  Cutting(const Program& whole, const Parts& parts, const Servers& servers)
      : whole_(whole), parts_(parts), servers_(servers), memory_(without_wires(whole, parts)), within_(segments::waits_within_stages(whole, parts)) {}

  SegmentedProgram run(Program joined) const {
    SegmentedProgram cut{.servers = servers_, .memory = memory_, .stages = {}, .joined = std::move(joined)};
    int last = -1;
    for (const auto& part : parts_.of) last = std::max(last, part.time / 2);
    for (int stage = 0; stage <= last; ++stage) {
      ProgramStage made{.segments = {}, .messages = messages_of(stage)};
      for (int server = 0; server < servers_.count(); ++server) made.segments.push_back(segment_of(stage, server));
      const bool idle = std::ranges::all_of(made.segments, [](const Program& program) { return program.lanes.empty(); });
      if (!idle || !made.messages.empty()) cut.stages.push_back(std::move(made));
    }
    return cut;
  }

 private:
  Program segment_of(int stage, int server) const {
    std::vector<PickedLane> lanes;
    for (const auto& lane : whole_.lanes) {
      if (servers_.of[lane.rank.index()] != server) continue;
      PickedLane picked{lane.rank, {}};
      for (auto i = lane.first; i < lane.first + lane.count; ++i) {
        if (parts_.of[i].role == Role::local && parts_.of[i].time == 2 * stage) picked.instructions.push_back(i);
      }
      if (!picked.instructions.empty()) lanes.push_back(std::move(picked));
    }
    auto segment = segments::pick(whole_, lanes, within_);
    segment.memory = memory_;
    return segment;
  }

  std::vector<Message> messages_of(int stage) const {
    std::vector<Message> messages;
    std::map<std::pair<Rank, Rank>, std::size_t> last;
    for (std::size_t step = 0; step + 1 < parts_.instruction.size(); ++step) {
      const auto index = parts_.instruction[step];
      if (index == segments::dropped || parts_.of[index].role != Role::send || parts_.of[index].time != 2 * stage + 1) continue;
      const auto& send = whole_.instructions[index];
      const auto& receive = whole_.instructions[parts_.instruction[step + 1]];
      add_message(messages, last, {end_of(whole_.sources(send)[0]), end_of(whole_.destinations(receive)[0]), send.bytes});
    }
    return messages;
  }

  const Program& whole_;
  const Parts& parts_;
  const Servers& servers_;
  std::vector<RankMemory> memory_;
  segments::Awaited within_;
};

}  // namespace

Result<SegmentedProgram> cut_at_servers(const Topology& topology, const Schedule& schedule, const Payload& payload, const Tuning& tuning,
                                        bool in_place) {
  const auto servers = servers_of(topology);
  auto steps = segments::stage_steps(schedule, servers);
  const auto unordered = segments::schedule_of(schedule, steps);
  if (!unordered) return unordered.error();
  const auto order = segments::order_by_stages(*unordered, std::move(steps), in_place);
  const auto staged = segments::schedule_of(schedule, order.steps);
  if (!staged) return staged.error();
  const auto proof = verify(topology, *staged, {.in_place = in_place});
  if (!proof) return proof.error();
  auto form = tuning;
  form.protocol = Protocol::simple;
  const auto whole = lower(*staged, *proof, payload, form);
  if (!whole) return whole.error();
  const auto parts = segments::parts_of(*whole, order);
  auto joined = segments::join_stages(*whole, parts, *staged);
  if (!joined) return joined.error();
  if (auto proved = check(topology, *joined); !proved) return std::move(proved).error();
  return Cutting(*whole, parts, servers).run(*std::move(joined));
}

}  // namespace p2plab
