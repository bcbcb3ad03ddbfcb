// SPDX-License-Identifier: Apache-2.0
// Segments as a server's communicator runs them: ranks numbered there, all buffers in one memory. Run one after another with the messages copied
// between, they give what the collective promises.
#include "stages/workspace.h"

#include <cstring>

#include <gtest/gtest.h>

#include "host/host_memory.h"
#include "host/host_team.h"
#include "p2plab/detail/reference_data.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/packet_program.h"
#include "support/machines.h"
#include "support/plans.h"

namespace p2plab::workspace_test {
namespace {

struct alignas(128) Unit {
  std::byte bytes[128];
};

class Emulation {
 public:
  Emulation(const Schedule& schedule, const SegmentedProgram& cut, const Payload& payload, bool in_place)
      : schedule_(schedule),
        cut_(cut),
        payload_(payload),
        in_place_(in_place),
        layout_(schedule, payload),
        workspaces_(*stages::workspaces_of(cut, layout_, in_place)),
        data_(schedule.collective(), schedule.blocks(), payload, 1) {
    for (const auto& workspace : workspaces_) {
      memory_.emplace_back(static_cast<std::size_t>(workspace.size.count()) / sizeof(Unit) + 1);
      poison(payload.type, bytes(memory_.size() - 1));
    }
  }

  DataCheck run(Protocol protocol) {
    fill();
    for (const auto& stage : cut_.stages) {
      for (std::size_t server = 0; server < stage.segments.size(); ++server) segment(stage.segments[server], cut_.servers.ranks[server], protocol);
      for (const auto& [from, to, size] : stage.messages) std::memcpy(at(to), at(from), static_cast<std::size_t>(size));
    }
    return check();
  }

 private:
  std::span<std::byte> bytes(std::size_t rank) { return std::as_writable_bytes(std::span(memory_[rank])); }
  std::byte* at(const MessageEnd& end) { return bytes(end.rank.index()).data() + workspaces_[end.rank.index()].at(end.buffer, end.offset); }

  void segment(const Program& segment, const std::vector<Rank>& ranks, Protocol protocol) {
    if (segment.lanes.empty()) return;
    const auto program = stages::for_server(segment, ranks, workspaces_, protocol, PeerAccess{});
    EXPECT_EQ(program.ranks(), static_cast<int>(ranks.size()));
    EXPECT_EQ(program.packets != nullptr, protocol != Protocol::simple);
    std::vector<std::span<std::byte>> arenas;
    for (const auto rank : ranks) arenas.push_back(bytes(rank.index()));
    const HostMemory memory(schedule_, program, arenas);
    ProgressBoard board(program);
    HostTeam team(program, memory, board, {.threads = 2});
    const auto ran = team.run();
    EXPECT_TRUE(ran) << describe(ran.error());
  }

  void fill() {
    for (std::size_t r = 0; r < memory_.size(); ++r) {
      const Rank rank{static_cast<std::int64_t>(r)};
      for (std::size_t b = 0; b < schedule_.blocks().size(); ++b) {
        const auto block = static_cast<std::int32_t>(b);
        if (layout_.input_offset(rank, block) < 0) continue;
        auto* const to = at({rank, Buffer::input, layout_.input_offset(rank, block)});
        // Common blocks of buffers that stay apart lie in the output (HostMemory).
        const bool in_output = in_place_ && layout_.output_offset(rank, block) >= 0;
        auto* const place = in_output ? at({rank, Buffer::output, layout_.output_offset(rank, block)}) : to;
        data_.fill(b, rank, {place, static_cast<std::size_t>(data_.elements(b) * size_of(payload_.type))});
      }
    }
  }

  DataCheck check() {
    DataCheck sum{.passed = true};
    const auto width = size_of(payload_.type);
    for (std::size_t b = 0; b < schedule_.blocks().size(); ++b) {
      std::vector<Received> received;
      for (const auto rank : schedule_.blocks()[b].receivers) {
        const auto offset = layout_.output_offset(rank, static_cast<std::int32_t>(b));
        received.push_back({rank, offset / width, {at({rank, Buffer::output, offset}), static_cast<std::size_t>(data_.elements(b) * width)}});
      }
      merge(sum, data_.check(b, received, 1));
    }
    return sum;
  }

  const Schedule& schedule_;
  const SegmentedProgram& cut_;
  Payload payload_;
  bool in_place_;
  BufferLayout layout_;
  std::vector<stages::Workspace> workspaces_;
  TestData data_;
  std::vector<std::vector<Unit>> memory_;
};

TEST(Workspace, SegmentsOfServersGiveWhatTheCollectivePromises) {
  int ran = 0;
  for (const auto& [count, size] : {std::pair{2, 1}, {2, 2}, {3, 2}}) {
    const auto machine = test::servers(count, size);
    for (const auto* planner : {"ring", "hierarchical", "forest"}) {
      for (const auto kind : all_collective_kinds()) {
        for (const bool in_place : {false, true}) {
          PlanContext context;
          context.in_place = in_place;
          const auto plan = test::plan_on(machine, planner, make_collective(kind, machine.ranks()), {}, context);
          if (!plan) continue;
          const Payload payload{.elements = 1237, .type = DataType::float16};
          const auto cut = cut_at_servers(machine, plan->schedule, payload, {}, in_place);
          ASSERT_TRUE(cut) << describe(cut.error());
          const auto found = Emulation(plan->schedule, *cut, payload, in_place).run(ran % 2 == 0 ? Protocol::simple : Protocol::ll);
          EXPECT_TRUE(found.passed) << planner << ' ' << to_string(kind) << ' ' << count << 'x' << size << ' ' << in_place << ": "
                                    << found.first_wrong;
          ++ran;
        }
      }
    }
  }
  EXPECT_GT(ran, 80);
}

TEST(Workspace, BuffersLieApartAndAlignedOrOneInTheOther) {
  const auto machine = test::servers(2, 1);
  const auto plan = test::plan_on(machine, "ring", CollectiveKind::all_gather);
  ASSERT_TRUE(plan);
  const Payload payload{.elements = 1000, .type = DataType::float32};
  const BufferLayout layout(plan->schedule, payload);
  const auto cut = cut_at_servers(machine, plan->schedule, payload, {}, true);
  ASSERT_TRUE(cut);
  const auto apart = *stages::workspaces_of(*cut, layout, false);
  EXPECT_EQ(apart[1].begins, (std::array<std::int64_t, 3>{0, 2048, 2048 + 4096}));
  const auto one = *stages::workspaces_of(*cut, layout, true);
  EXPECT_EQ(one[0].begins, (std::array<std::int64_t, 3>{0, 0, 4096}));
  EXPECT_EQ(one[1].begins, (std::array<std::int64_t, 3>{2000, 0, 4096}));  // rank 1's block is the second
}

}  // namespace
}  // namespace p2plab::workspace_test
