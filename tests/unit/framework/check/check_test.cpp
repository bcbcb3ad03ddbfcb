// SPDX-License-Identifier: Apache-2.0
// The checker of programs: what it proves, and that it names what is wrong.
#include "p2plab/program/check.h"

#include <gtest/gtest.h>

#include "p2plab/program/lower.h"
#include "support/machines.h"
#include "support/program_writer.h"

namespace p2plab::check_test {
namespace {

using test::in;
using test::on;
using test::out;
using test::ProgramWriter;
using test::slot;

constexpr Payload kibibyte{.elements = 1024, .type = DataType::uint8};

std::string verdict(const Topology& machine, const Program& program) {
  const auto checked = check(machine, program);
  return checked ? "proved" : describe(checked.error());
}
std::string verdict(const Program& program) { return verdict(test::one_switch(program.ranks()), program); }

// Rank 0's kibibyte lies in its own output; how rank 1 gets it is up to the test.
ProgramWriter broadcast(const Tuning& tuning = {}, int ranks = 2) {
  ProgramWriter writer(make_collective(CollectiveKind::broadcast, ranks), ranks, kibibyte, tuning);
  writer.lane(0).move(1024, {in(0)}, {out(0)});
  return writer;
}

TEST(ProgramCheck, APushIsProved) {
  const auto program = broadcast().lane(0).move(1024, {in(0)}, {out(1)}).done();
  const auto proof = check(test::one_switch(2), program);
  ASSERT_TRUE(proof) << describe(proof.error());
  EXPECT_EQ(proof->accesses(), 4U);
  EXPECT_EQ(proof->pairs(), 0U);
}

TEST(ProgramCheck, AReadThatDoesNotWaitForItsDataIsRefused) {
  const auto relayed = [](std::initializer_list<Wait> waits) {
    return broadcast().lane(0).move(1024, {in(0)}, {slot(1)}).lane(1).move(1024, {slot(1)}, {out(1)}, waits).done();
  };
  EXPECT_EQ(verdict(relayed({on(1, 0)})), "proved");
  EXPECT_EQ(verdict(relayed({on(0, 0)})),
            "error: lane 2, instruction 0 (step 2, rank 1) reads bytes 0 to 1024 of the scratch of rank 1, which lane 1, instruction 0 (step 1, rank "
            "0) writes; nothing orders the two\n"
            "note: slices 0 to 0 of lane 1, instruction 0 must be complete before that\n");
}

TEST(ProgramCheck, AWriteMustWaitForAllSlicesOfWhoReadWhatWasThere) {
  // A slot of rank 1 holds 1024 bytes, then 64, then 1024 again; only the reader of the 64 is waited for, which has one slice of 64.
  const auto reused = [](std::initializer_list<Wait> last) {
    ProgramWriter writer(make_collective(CollectiveKind::broadcast, 2), 2, {.elements = 2112, .type = DataType::uint8}, {.slice = Bytes{64}});
    writer.lane(0).move(2112, {in(0)}, {out(0)});
    writer.lane(0).move(1024, {in(0)}, {slot(1)});
    writer.lane(1).move(1024, {slot(1)}, {out(1)}, {on(1, 0)});
    writer.lane(0).move(64, {in(0, 1024)}, {slot(1)}, {on(2, 0)});
    writer.lane(1).move(64, {slot(1)}, {out(1, 1024)}, {on(3, 0)});
    writer.lane(0).move(1024, {in(0, 1088)}, {slot(1)}, last);
    writer.lane(1).move(1024, {slot(1)}, {out(1, 1088)}, {on(5, 0)});
    return writer.done();
  };
  EXPECT_EQ(verdict(reused({on(2, 0), on(4, 0)})), "proved");
  EXPECT_EQ(
      verdict(reused({on(4, 0)})),
      "error: lane 5, instruction 0 (step 5, rank 0) writes bytes 64 to 1024 of the scratch of rank 1, which lane 2, instruction 0 (step 2, rank "
      "1) reads; nothing orders the two\n"
      "note: slices 0 to 15 of lane 2, instruction 0 must be complete before that\n");
}

TEST(ProgramCheck, WhatFollowsFromWaitsOfOthersNeedsNoWait) {
  // Rank 2 overwrites what rank 1 has read, and waits only for rank 3, which waited for a later instruction of rank 1.
  ProgramWriter writer(make_collective(CollectiveKind::broadcast, 4), 4, kibibyte, {.slice = Bytes{256}});
  writer.lane(0).move(1024, {in(0)}, {slot(2), slot(1), slot(3), out(0)});
  writer.lane(1).move(1024, {slot(2)}, {out(1)}, {on(0, 0)}).move(16, {slot(1)}, {slot(1)});
  writer.lane(3).move(1024, {slot(3)}, {out(3)}, {on(1, 1), on(0, 0)});
  writer.lane(2).move(1024, {slot(3)}, {slot(2), out(2)}, {on(2, 0)});
  EXPECT_EQ(verdict(writer.done()), "proved");
}

TEST(ProgramCheck, BlocksOfALaneAreOrderedByNothing) {
  // The second move's slices are 64 bytes further on: with two blocks, slice 1 of the first and slice 0 of the second meet.
  const auto shifted = [](int parts) {
    ProgramWriter writer(make_collective(CollectiveKind::broadcast, 2), 2, kibibyte, {.blocks_per_lane = parts, .slice = Bytes{64}});
    writer.lane(0).move(1024, {in(0)}, {out(0)}).move(1024, {in(0)}, {out(1)}).move(512, {out(1, 64)}, {slot(0)});
    return writer.done();
  };
  EXPECT_EQ(verdict(shifted(1)), "proved");
  EXPECT_EQ(
      verdict(shifted(2)),
      "error: lane 0, instruction 2 (step 2, rank 0) reads bytes 64 to 576 of the output of rank 1, which lane 0, instruction 1 (step 1, rank 0) "
      "writes; nothing orders the two\n"
      "note: slices with numbers of different blocks touch the same bytes; no wait can order blocks within a call\n");
}

TEST(ProgramCheck, LanesThatWaitForEachOtherAreNamed) {
  const auto program = broadcast().lane(0).move(1024, {in(0)}, {out(1)}, {on(2, 0)}).lane(1).move(16, {in(0)}, {slot(1)}, {on(1, 0)}).done();
  EXPECT_EQ(verdict(program),
            "error: lane 1, instruction 0 (step 1, rank 0): it waits for itself through others\n"
            "note: lane 1, instruction 0 (step 1, rank 0) cannot begin before lane 2, which stands at instruction 0, has gone on\n"
            "note: lane 2, instruction 0 (step 2, rank 1) cannot begin before lane 1, which stands at instruction 0, has gone on\n");
}

TEST(ProgramCheck, WhatIsReadMustHaveBeenWrittenInTheSameCall) {
  EXPECT_EQ(verdict(broadcast().lane(1).move(1024, {slot(1)}, {out(1)}).done()),
            "error: lane 1, instruction 0 (step 1, rank 1) reads bytes 0 to 1024 of the scratch of rank 1, where nothing has been written in this "
            "call\n");
}

TEST(ProgramCheck, EveryByteOfEveryOutputIsOwed) {
  EXPECT_EQ(verdict(broadcast().lane(0).move(1008, {in(0)}, {out(1)}).done()),
            "error: at the end bytes 1008 to 1024 of the output of rank 1 must hold the sum of {0}, but hold nothing\n");
  EXPECT_EQ(verdict(broadcast().lane(0).move(512, {in(0)}, {out(1)}).move(512, {in(0)}, {out(1, 512)}).done()),
            "error: at the end bytes 512 to 1024 of the output of rank 1 must hold the sum of {0}, but hold the sum of {0}\n"
            "note: of the elements from byte 0 of the payload on, not from byte 512\n");
}

ProgramWriter all_reduce(ReduceOp op) {
  return {make_collective(CollectiveKind::all_reduce, 2), 2, {.elements = 1024, .type = DataType::uint8, .op = op}};
}

TEST(ProgramCheck, EachContributorIsAddedExactlyOnce) {
  EXPECT_EQ(verdict(all_reduce(ReduceOp::sum).lane(0).move(1024, {in(0), in(1)}, {out(0), out(1)}).done()), "proved");
  EXPECT_EQ(verdict(all_reduce(ReduceOp::sum).lane(0).move(1024, {in(0), in(1)}, {slot(0)}).move(1024, {slot(0), in(1)}, {out(0), out(1)}).done()),
            "error: lane 0, instruction 1 (step 1, rank 0) adds bytes 0 to 1024 of the input of rank 1, which hold the sum of {1}, to the sum of {0, "
            "1}\n");
  EXPECT_EQ(verdict(all_reduce(ReduceOp::sum).lane(0).move(1024, {in(0), in(1)}, {out(0)}).move(1024, {in(0)}, {out(1)}).done()),
            "error: at the end bytes 0 to 1024 of the output of rank 1 must hold the sum of {0, 1}, but hold the sum of {0}\n");
  EXPECT_EQ(verdict(all_reduce(ReduceOp::sum).lane(0).move(1008, {in(0), in(1, 16)}, {out(0), out(1)}).done()),
            "error: lane 0, instruction 0 (step 0, rank 0) adds bytes 16 to 1024 of the input of rank 1, which hold elements from byte 16 of the "
            "payload on, to a sum of those from byte 0 on\n");
}

TEST(ProgramCheck, AnAverageIsDividedOnceWhereTheSumIsComplete) {
  auto program = all_reduce(ReduceOp::average).lane(0).move(1024, {in(0), in(1)}, {out(0), out(1)}).done();
  EXPECT_EQ(verdict(program),
            "error: at the end bytes 0 to 1024 of the output of rank 0 must hold the sum of {0, 1}, but hold the sum of {0, 1}\n"
            "note: which is not divided by their number\n");
  program.instructions[0].divides = true;
  EXPECT_EQ(verdict(program), "error: lane 0, instruction 0 (step 0, rank 0) divides by 1 what 2 ranks give\n");
  program.instructions[0].divisor = 2;
  EXPECT_EQ(verdict(program), "proved");
  program.payload.op = ReduceOp::sum;
  EXPECT_EQ(verdict(program), "error: lane 0, instruction 0 (step 0, rank 0) divides, but no average is wanted\n");
}

TEST(ProgramCheck, NothingIsTouchedOutsideTheStatedMemory) {
  auto program = broadcast().lane(0).move(1024, {in(0)}, {out(1, 16)}).done();
  EXPECT_EQ(verdict(program), "error: lane 1, instruction 0 (step 1, rank 0): bytes 16 to 1040 lie outside the output of rank 1, which has 1024\n");
  program = broadcast().lane(0).move(1024, {in(0)}, {out(1)}).done();
  program.payload.elements *= 2;
  EXPECT_EQ(verdict(program), "error: the input of rank 0 has 1024 bytes, a payload of 2048 elements takes 2048\n");
}

TEST(ProgramCheck, InputsBelongToTheCallerUnlessInPlace) {
  const auto written = [](bool in_place) {
    ProgramWriter writer(make_collective(CollectiveKind::all_reduce, 2), 2, kibibyte, {}, in_place);
    writer.lane(0).move(1024, {in(0), in(1)}, {out(0), out(1)}).move(1024, {out(0)}, {in(0)});
    return writer.done();
  };
  for (const bool in_place : {false, true}) {
    EXPECT_EQ(verdict(written(in_place)),
              "error: lane 0, instruction 1 (step 1, rank 0) writes bytes 0 to 1024 of the input of rank 0; inputs belong to the caller\n");
  }
}

TEST(ProgramCheck, AnInputThatSharesItsMemoryWithAnOutputIsReadBeforeItIsOverwritten) {
  // Reduce-scatter in place: a rank's half of the result lies in its half of the input, which the other lane of rank 0 still reads.
  const auto made = [](std::initializer_list<Wait> waits) {
    ProgramWriter writer(make_collective(CollectiveKind::reduce_scatter, 2), 2, kibibyte, {}, true);
    writer.lane(0).move(512, {out(0), in(1)}, {slot(0)}).move(512, {slot(0)}, {out(0)});
    writer.lane(1).move(512, {in(0, 512), out(1)}, {out(1)});
    writer.lane(1).move(16, {in(0)}, {slot(1)}, waits);
    return writer.done();
  };
  EXPECT_EQ(verdict(made({on(0, 1)})), "proved");
  EXPECT_NE(verdict(made({})).find("nothing orders the two"), std::string::npos);
}

TEST(ProgramCheck, WhatTheMachineDoesNotJoinIsRefused) {
  EXPECT_EQ(verdict(test::line(3), broadcast({}, 3).lane(0).move(1024, {in(0)}, {out(1), out(2)}).done()),
            "error: lane 1, instruction 0 (step 1, rank 0): it writes the output of rank 2, but the machine has no path for that (GPUs do not "
            "forward)\n");
}

TEST(ProgramCheck, AGibibyteCostsWhatAMebibyteCosts) {
  const auto pairs = [](std::int64_t bytes) {
    ProgramWriter writer(make_collective(CollectiveKind::broadcast, 2), 2, {.elements = bytes, .type = DataType::uint8},
                         {.blocks_per_lane = 4, .slice = 4_KiB});
    writer.lane(0).move(bytes, {in(0)}, {out(0), out(1)}).lane(1).move(bytes - 16, {out(1)}, {out(1)}, {on(0, 0)});
    const auto machine = test::one_switch(2);
    const auto proof = check(machine, writer.done());
    EXPECT_TRUE(proof) << describe(proof.error());
    return proof->pairs();
  };
  EXPECT_EQ(pairs(1 << 30), pairs(1 << 20));
}

}  // namespace
}  // namespace p2plab::check_test
