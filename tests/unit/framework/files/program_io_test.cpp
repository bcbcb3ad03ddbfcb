// SPDX-License-Identifier: Apache-2.0
// Program files: a round trip changes nothing, and what could not be run is refused with its place.
#include "p2plab/program/program_io.h"

#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "p2plab/detail/digest.h"
#include "p2plab/machine/presets.h"
#include "p2plab/machine/routes.h"
#include "p2plab/program/lower.h"
#include "support/formats/replaced.h"

namespace p2plab::program_io_test {
namespace {

// A broadcast of 1000 numbers from the middle of a line of three, in slices, by an explicit route to one side and a scratch slot on the other.
ProgramFile program_example() {
  auto machine = *make_preset("mesh", {{"dims", "3x1"}});
  const auto& routes = machine.routes();
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 3, Rank{1}), 3);
  const auto a = builder.add_chunk({0, 2, 0});
  const auto route = builder.add_route(routes.between(Rank{1}, Rank{2}));
  builder.copy(Rank{1}, input(Rank{1}, a), scratch(Rank{0}, 5));
  builder.add_step(Rank{0}, std::array{scratch(Rank{0}, 5)}, std::array{output(Rank{0}, a)});
  builder.add_step(Rank{1}, std::array{input(Rank{1}, a)}, std::array{output(Rank{1}, a), output(Rank{2}, a)},
                   std::array{default_route, default_route, route});
  const auto schedule = *std::move(builder).build();
  const auto proof = verify(machine, schedule);
  EXPECT_TRUE(proof);
  return {machine, *lower(schedule, *proof, {1000, DataType::bfloat16, ReduceOp::sum}, {2, Bytes{256}, Protocol::ll128})};
}

std::string program_message_for(const std::string& text) {
  const auto read = read_program(text, "p.json");
  EXPECT_FALSE(read);
  if (read) return "";
  // The line and column of what a pointer names have a test of their own.
  const auto text_of_error = describe(read.error());
  const auto at = text_of_error.find(": error: at ");
  return at == std::string::npos ? text_of_error : "p.json" + text_of_error.substr(at, text_of_error.find('\n') + 1 - at);
}

TEST(ProgramFile, RoundTripChangesNothing) {
  const auto file = program_example();
  const auto text = write_program(file);
  const auto again = read_program(text, "p.json");
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_EQ(write_program(*again), text);
  EXPECT_EQ(again->program.instructions.size(), 3U);
  EXPECT_EQ(again->program.waits.size(), file.program.waits.size());
  EXPECT_EQ(again->program.tuning.blocks_per_lane, 2);
  EXPECT_EQ(again->program.memory[0].scratch, file.program.memory[0].scratch);
  EXPECT_EQ(again->program.route(RouteId{0}).size(), 1U);
}

TEST(ProgramFile, SlicesByTheirNumberAndLanesOfChunksComeBack) {
  auto file = program_example();
  file.program.tuning = {.blocks_per_lane = 2, .slices = 7, .lane_per_step = true};
  const auto text = write_program(file);
  const auto again = read_program(text, "p.json");
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_EQ(write_program(*again), text);
  EXPECT_EQ(again->program.tuning.slices, 7);
  EXPECT_TRUE(again->program.tuning.lane_per_step);
  // 2000 bytes in at most 7 slices: 286 bytes, rounded up to 288.
  EXPECT_EQ(again->program.slice_bytes(again->program.instructions[0]), 288);
  EXPECT_EQ(again->program.slices(again->program.instructions[0]), 7);
  EXPECT_EQ(program_message_for(test::replaced(text, "\"slice\":0", "\"slice\":64")),
            "p.json: error: at /tuning: 'slice' (bytes) and 'slices' (their number) exclude each other\n");
}

TEST(ProgramDigest, TellsProgramsApartThatDifferAnywhere) {
  const auto program = program_example().program;
  EXPECT_EQ(digest(program), digest(program_example().program));
  const std::array<std::function<void(Program&)>, 12> changes{[](Program& p) { ++p.payload.elements; },
                                                              [](Program& p) { p.payload.op = ReduceOp::max; },
                                                              [](Program& p) { p.tuning.lane_per_step = true; },
                                                              [](Program& p) { p.tuning.protocol = Protocol::ll; },
                                                              [](Program& p) { p.in_place = true; },
                                                              [](Program& p) { p.collective.root = Rank{0}; },
                                                              [](Program& p) { p.memory[0].scratch = {}; },
                                                              [](Program& p) { p.lanes[0].rank = Rank{2}; },
                                                              [](Program& p) { p.instructions[0].bytes -= 16; },
                                                              [](Program& p) { p.operands[0].offset = 16; },
                                                              [](Program& p) { ++p.waits[0].instruction; },
                                                              [](Program& p) { ++p.route_links[0].value; }};
  std::set<Hash128> seen{digest(program)};
  for (const auto& change : changes) {
    auto other = program;
    change(other);
    EXPECT_TRUE(seen.insert(digest(other)).second) << seen.size();
  }
}

TEST(ProgramFile, NamesTheMistakeAndItsPlace) {
  const auto good = write_program(program_example());
  EXPECT_EQ(program_message_for(test::replaced(good, "\"p2plab_program\":1", "\"p2plab_program\":7")),
            "p.json: error: at /p2plab_program: this p2plab reads version 1 of program files, found 7\n");
  EXPECT_EQ(program_message_for(test::replaced(good, "i1+0", "x1+0")),
            "p.json: error: at /lanes/1/1/0/2: expected operands such as 'i0+128 s1+0@3': i, o, s or h, rank, byte offset, route\n");
  EXPECT_EQ(program_message_for(test::replaced(good, "\"lanes\"", "\"lane\"")), "p.json: error: at the top: key 'lanes' is missing\n");
}

TEST(ProgramFile, WhatReachesOutsideItsMemoryIsRefused) {
  const auto good = write_program(program_example());
  EXPECT_EQ(program_message_for(test::replaced(good, "o0+0", "o0+8")),
            "p.json: error: lane 0, instruction 0 (step 1, rank 0): bytes 8 to 2008 lie outside the output of rank 0, which has 2000\n");
  EXPECT_EQ(program_message_for(test::replaced(good, "o0+0", "o9+0")), "p.json: error: lane 0, instruction 0 (step 1, rank 0): there is no rank 9\n");
  EXPECT_EQ(program_message_for(test::replaced(good, "@0", "@4")), "p.json: error: lane 2, instruction 0 (step 2, rank 1): there is no route 4\n");
}

TEST(ProgramFile, BuffersThatAreNotAsLargeAsThePayloadMakesThemAreRefused) {
  const auto good = write_program(program_example());
  EXPECT_EQ(program_message_for(test::replaced(good, "\"elements\":1000", "\"elements\":1001")),
            "p.json: error: the output of rank 0 has 2000 bytes, a payload of 1001 elements takes 2002\n");
  EXPECT_EQ(program_message_for(test::replaced(good, "[2000,2000,0,0]", "[4000,2000,0,0]")),
            "p.json: error: the input of rank 1 has 4000 bytes, a payload of 1000 elements takes 2000\n");
}

}  // namespace
}  // namespace p2plab::program_io_test
