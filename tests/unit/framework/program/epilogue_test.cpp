// SPDX-License-Identifier: Apache-2.0
// Epilogues as part of programs: what they may follow, that it must be complete, and that files keep them.
#include <gtest/gtest.h>

#include <algorithm>

#include "p2plab/detail/digest.h"
#include "p2plab/program/check.h"
#include "p2plab/program/epilogue.h"
#include "p2plab/program/program_io.h"
#include "support/machines.h"

namespace p2plab::epilogue_test {
namespace {

// Each rank adds what all have.
Program one_shot(const Topology& machine, const Payload& payload) {
  const auto n = machine.ranks();
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::all_reduce, n), n);
  builder.add_chunk({});
  for (int r = 0; r < n; ++r) {
    std::vector<Location> sources;
    for (int s = 0; s < n; ++s) sources.push_back(input(Rank{s}, ChunkId{0}));
    const std::array to{output(Rank{r}, ChunkId{0})};
    builder.add_step(Rank{r}, sources, to);
  }
  const auto schedule = *std::move(builder).build();
  return *lower(schedule, *verify(machine, schedule), payload, {});
}

constexpr Payload few_rows{.elements = 96, .type = DataType::bfloat16};

std::string refusal(const Epilogue& epilogue, const Collective& collective, const Payload& of) {
  const auto checked = check_epilogue(epilogue, collective, of);
  return checked ? "" : checked.error().message;
}

TEST(Epilogue, FollowsWholeRowsOfSumsAloneAndSaysSo) {
  const auto sums = make_collective(CollectiveKind::all_reduce, 3);
  const Epilogue good{.hidden = 32};
  EXPECT_EQ(refusal(good, sums, few_rows), "");
  EXPECT_EQ(refusal(good, sums, {.elements = 0, .type = DataType::float16}), "");
  EXPECT_EQ(refusal(good, sums, {.elements = 96, .type = DataType::float32, .op = ReduceOp::average}), "");
  EXPECT_NE(refusal(good, make_collective(CollectiveKind::reduce_scatter, 3), few_rows).find("not of reduce_scatter"), std::string::npos);
  EXPECT_NE(refusal(good, sums, {.elements = 96, .type = DataType::int32}).find("not on int32"), std::string::npos);
  EXPECT_NE(refusal(good, sums, {.elements = 96, .type = DataType::float32, .op = ReduceOp::max}).find("not on max"), std::string::npos);
  EXPECT_NE(refusal(good, sums, {.elements = 97, .type = DataType::float32}).find("97 elements are no whole number of rows of 32"),
            std::string::npos);
  EXPECT_NE(refusal({.hidden = 0}, sums, few_rows).find("rows have 1 to 1048576 elements, not 0"), std::string::npos);
  EXPECT_NE(refusal({.hidden = 32, .epsilon = -1}, sums, few_rows).find("epsilon is at least 0"), std::string::npos);
  EXPECT_NE(refusal({.hidden = 32, .float8 = Float8::group}, sums, few_rows).find("groups of 128 do not divide rows of 32"), std::string::npos);
  EXPECT_NE(refusal({.hidden = 32, .gives_sum = false, .gives_norm = false}, sums, few_rows).find("it gives nothing"), std::string::npos);
  EXPECT_NE(refusal({.hidden = 32, .norm = Norm::off}, sums, few_rows).find("without a norm there is no weight"), std::string::npos);
}

TEST(Epilogue, ReadsAndWritesItsTensorsOnce) {
  // Sum, residual, new sum and norm of 96 elements of 2 bytes, and a weight of 32.
  EXPECT_EQ(traffic_of({.hidden = 32}, few_rows), Bytes{4 * 192 + 64});
  // Sum and residual in; 96 bytes and 3 scales out, and the weight.
  EXPECT_EQ(traffic_of({.hidden = 32, .float8 = Float8::token, .gives_sum = false, .gives_norm = false}, few_rows), Bytes{2 * 192 + 64 + 96 + 12});
  EXPECT_EQ(written_by({.hidden = 32}, few_rows), Bytes{2 * 192});
}

// What is summed before a nonlinear step must be complete.
TEST(Epilogue, IsRefusedAfterSumsThatLackARank) {
  const auto machine = test::one_switch(3);
  auto program = *with_epilogue(one_shot(machine, few_rows), {.hidden = 32});
  EXPECT_TRUE(check(machine, program));
  auto& instruction = program.instructions[1];
  auto& operands = program.operands;
  operands.erase(operands.begin() + instruction.operands);
  --instruction.sources;
  for (std::size_t i = 2; i < program.instructions.size(); ++i) --program.instructions[i].operands;
  const auto refused = check(machine, program);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::verification_failed);
  EXPECT_TRUE(std::ranges::any_of(refused.error().notes, [](const std::string& note) { return note.find("must be complete") != std::string::npos; }))
      << describe(refused.error());
}

TEST(Epilogue, ThatDoesNotFitItsProgramIsRefusedWithIt) {
  const auto machine = test::one_switch(2);
  auto program = one_shot(machine, few_rows);
  EXPECT_FALSE(with_epilogue(program, {.hidden = 31}));
  program.epilogue = std::make_shared<const Epilogue>(Epilogue{.hidden = 31});
  const auto refused = check(machine, program);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
}

TEST(Epilogue, TellsProgramsApartAndIsKeptInTheirFiles) {
  const auto machine = test::one_switch(2);
  const auto plain = one_shot(machine, few_rows);
  const Epilogue epilogue{.hidden = 32, .norm = Norm::layer, .float8 = Float8::token, .bias = true, .gives_norm = false, .epsilon = 1.25e-5F};
  const auto fused = *with_epilogue(plain, epilogue);
  EXPECT_NE(digest(fused), digest(plain));
  auto other = epilogue;
  other.epsilon = 1e-5F;
  EXPECT_NE(digest(*with_epilogue(plain, other)), digest(fused));
  const auto text = write_program({machine, fused});
  const auto again = read_program(text, "p.json");
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_EQ(*again->program.epilogue, epilogue);
  EXPECT_EQ(write_program(*again), text);
  EXPECT_EQ(write_program({machine, plain}).find("epilogue"), std::string::npos);
  auto spoilt = text;
  spoilt.replace(spoilt.find("\"layer\""), 7, "\"layre\"");
  const auto unread = read_program(spoilt, "p.json");
  ASSERT_FALSE(unread);
  EXPECT_NE(describe(unread.error()).find("layre"), std::string::npos);
}

}  // namespace
}  // namespace p2plab::epilogue_test
