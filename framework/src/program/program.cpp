// SPDX-License-Identifier: Apache-2.0
#include "p2plab/program/program.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/old_words.h"
#include "p2plab/detail/digest.h"
#include "p2plab/detail/named.h"
#include "p2plab/program/epilogue.h"
#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {
constexpr std::array protocols{Named{"simple", Protocol::simple}, Named{"ll", Protocol::ll}, Named{"ll128", Protocol::ll128},
                               Named{"lamport", Protocol::lamport}, Named{"copy", Protocol::copy}};
}  // namespace

std::string_view to_string(Protocol protocol) { return to_name<Protocol>(protocol, protocols); }
Result<Protocol> protocol(std::string_view name) {
  if (name == old_lamport) return Protocol::lamport;
  return from_name<Protocol>("protocol", name, protocols);
}

bool Program::adds() const { return std::ranges::any_of(instructions, &Instruction::adds); }

int Program::blocks() const {
  std::vector<int> lanes_of(memory.size());
  for (const auto& lane : lanes) ++lanes_of[lane.rank.index()];
  return lanes_of.empty() ? 0 : *std::ranges::max_element(lanes_of) * tuning.blocks_per_lane;
}

namespace {

void add_collective(Digest& digest, const Collective& collective) {
  digest.add(static_cast<std::int64_t>(collective.kind));
  digest.add(collective.root.value);
  for (const auto* ranks : {&collective.members, &collective.silent}) {
    digest.add(std::ssize(*ranks));
    for (const auto rank : *ranks) digest.add(rank.value);
  }
  digest.add(std::ssize(collective.shares));
  for (const auto share : collective.shares) digest.add(share);
  digest.add(std::ssize(collective.pairs));
  for (const auto& [from, to] : collective.pairs) digest.add(from.value), digest.add(to.value);
}

void add_settings(Digest& digest, const Program& program) {
  const auto& payload = program.payload;
  const auto& tuning = program.tuning;
  for (const auto value :
       {payload.elements, static_cast<std::int64_t>(payload.type), static_cast<std::int64_t>(payload.op), std::int64_t{tuning.blocks_per_lane},
        tuning.slice.count(), static_cast<std::int64_t>(tuning.protocol), std::int64_t{tuning.slices}, std::int64_t{tuning.lane_per_step ? 1 : 0},
        std::int64_t{program.in_place ? 1 : 0}, std::int64_t{program.ranks()}, std::int64_t{std::ssize(program.lanes)},
        std::int64_t{std::ssize(program.instructions)}, std::int64_t{std::ssize(program.operands)}, std::int64_t{std::ssize(program.waits)}}) {
    digest.add(value);
  }
}

// The items follow from the rest and from who reaches whom, which the landing slots tell.
void add_packets(Digest& digest, const PacketProgram& packets) {
  digest.add(static_cast<std::int64_t>(packets.wire));
  if (packets.columns > 1) digest.add(packets.columns);
  for (const auto* sizes : {&packets.landing, &packets.host_landing}) {
    for (const auto bytes : *sizes) digest.add(bytes);
  }
  for (const auto& [from, to] : packets.messages) digest.add(from.value), digest.add(to.value);
}

void add_epilogue(Digest& digest, const Epilogue& epilogue) {
  digest.add(epilogue.hidden);
  digest.add(static_cast<std::int64_t>(epilogue.norm)), digest.add(static_cast<std::int64_t>(epilogue.float8));
  for (const bool has : {epilogue.residual, epilogue.weight, epilogue.bias, epilogue.gives_sum, epilogue.gives_norm}) digest.add(has ? 1 : 0);
  digest.add(std::int64_t{std::bit_cast<std::int32_t>(epilogue.epsilon)});
}

}  // namespace

Hash128 digest(const Program& program) {
  Digest digest;
  if (program.epilogue) add_epilogue(digest, *program.epilogue);
  digest.add(program.packets ? 1 : 0);
  digest.add(program.images ? program.images->images() * 2 + (program.folded ? 1 : 0) : 0);
  if (program.images)
    digest.add(static_cast<std::int64_t>(program.images->digest().high)), digest.add(static_cast<std::int64_t>(program.images->digest().low));
  if (program.packets) add_packets(digest, *program.packets);
  add_settings(digest, program);
  add_collective(digest, program.collective);
  for (const auto& rank : program.memory) {
    for (const auto size : {rank.input, rank.output, rank.scratch, rank.host}) digest.add(size.count());
  }
  for (const auto& lane : program.lanes) digest.add(lane.rank.value), digest.add(lane.first), digest.add(lane.count);
  for (const auto& i : program.instructions) {
    for (const std::int64_t value :
         {std::int64_t{i.step.value}, i.bytes, std::int64_t{i.operands}, std::int64_t{i.sources}, std::int64_t{i.destinations}, std::int64_t{i.waits},
          std::int64_t{i.wait_count}, std::int64_t{(i.divides ? 1 : 0) + (i.signals ? 2 : 0)}, std::int64_t{i.divisor}}) {
      digest.add(value);
    }
  }
  for (const auto& operand : program.operands) {
    digest.add(operand.rank.value), digest.add(static_cast<std::int64_t>(operand.buffer));
    digest.add(operand.route.value), digest.add(operand.offset);
  }
  for (const auto& wait : program.waits) digest.add(wait.lane.value), digest.add(wait.instruction);
  for (const auto offset : program.route_offsets) digest.add(offset);
  for (const auto link : program.route_links) digest.add(link.value);
  return digest.value();
}

}  // namespace p2plab
