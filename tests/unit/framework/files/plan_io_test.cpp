// SPDX-License-Identifier: Apache-2.0
// Plan files: a round trip changes nothing, and every mistake is named with its place.
#include "p2plab/program/plan_io.h"

#include <gtest/gtest.h>

#include "p2plab/machine/presets.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_io.h"
#include "p2plab/schedule/verify.h"
#include "support/formats/replaced.h"

namespace p2plab::plan_io_test {
namespace {

// A broadcast over two hops on a line of three, with an explicit route, weights and channels.
PlanFile example() {
  auto machine = *make_preset("mesh", {{"dims", "3x1"}});
  const auto& routes = machine.routes();
  auto builder = *Schedule::Builder::create(make_collective(CollectiveKind::broadcast, 3, Rank{1}), 3);
  const auto a = builder.add_chunk({0, 2, 0});
  const auto b = builder.add_chunk({0, 3, 1});
  const auto route = builder.add_route(routes.between(Rank{1}, Rank{2}));
  builder.copy(Rank{1}, input(Rank{1}, a), scratch(Rank{0}, 5));
  builder.add_step(Rank{0}, std::array{scratch(Rank{0}, 5)}, std::array{output(Rank{0}, a)});
  builder.add_step(Rank{1}, std::array{input(Rank{1}, a)}, std::array{output(Rank{1}, a), output(Rank{2}, a)},
                   std::array{default_route, default_route, route});
  for (int r = 0; r < 3; ++r) builder.copy(Rank{1}, input(Rank{1}, b), output(Rank{r}, b));
  auto schedule = *std::move(builder).build();
  EXPECT_TRUE(verify(machine, schedule));
  return {machine,
          Plan{std::move(schedule), "by hand", {{"form", "a \"quoted\" one"}}, {3, Bytes{4096}, Protocol::ll128}, "because"},
          {1000, DataType::bfloat16, ReduceOp::max},
          true};
}

std::string message_for(const std::string& text) {
  const auto read = read_plan(text, "p.json");
  EXPECT_FALSE(read);
  if (read) return "";
  // The line and column of what a pointer names have a test of their own.
  const auto text_of_error = describe(read.error());
  const auto at = text_of_error.find(": error: at ");
  return at == std::string::npos ? text_of_error : "p.json" + text_of_error.substr(at, text_of_error.find('\n') + 1 - at);
}

TEST(PlanFile, RoundTripChangesNothing) {
  const auto text = write_plan(example());
  const auto again = read_plan(text, "p.json");
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_EQ(write_plan(*again), text);
  EXPECT_EQ(again->plan.schedule.step_count(), 6U);
  EXPECT_EQ(again->plan.tuning.protocol, Protocol::ll128);
  EXPECT_EQ(again->payload.type, DataType::bfloat16);
  EXPECT_TRUE(again->in_place);
  EXPECT_TRUE(verify(again->topology, again->plan.schedule));
}

TEST(PlanFile, WithTheOldWordForLamportIsReadWithAWarning) {
  const auto old = read_plan(test::replaced(write_plan(example()), "\"ll128\"", "\"flagless\""), "p.json");  // old word
  ASSERT_TRUE(old) << describe(old.error());
  EXPECT_EQ(old->plan.tuning.protocol, Protocol::lamport);
  ASSERT_EQ(old->warnings.size(), 1U);
  EXPECT_EQ(old->warnings.front(),
            "p.json: protocol 'flagless' is called 'lamport' now; version 0.3 will not read the old word");  // old word
  EXPECT_NE(write_plan(*old).find("\"lamport\""), std::string::npos);
  EXPECT_TRUE(read_plan(write_plan(example()), "p.json")->warnings.empty());
}

TEST(PlanFile, WithTheOldWordForBlocksPerLaneIsReadWithAWarning) {
  const auto old = read_plan(test::replaced(write_plan(example()), "\"blocks_per_lane\"", "\"parts\""), "p.json");
  ASSERT_TRUE(old) << describe(old.error());
  EXPECT_EQ(old->plan.tuning.blocks_per_lane, example().plan.tuning.blocks_per_lane);
  EXPECT_EQ(old->warnings, std::vector<std::string>{"p.json: 'parts' is called 'blocks_per_lane' now; version 0.3 will not read the old word"});
}

TEST(PlanFile, NamesTheMistakeAndItsPlace) {
  const auto good = write_plan(example());
  EXPECT_EQ(message_for("{\n  \"p2plab_plan\": 1,,\n}").substr(0, 26), "p.json:2:20: error: not JS");
  EXPECT_EQ(message_for(""), "p.json:1:1: error: not JSON: the text ends before the document does\n");
  EXPECT_EQ(message_for("[]"), "p.json: error: at the top: expected an object\n");
  EXPECT_EQ(message_for(test::replaced(good, "\"p2plab_plan\":1", "\"p2plab_plan\":2")),
            "p.json: error: at /p2plab_plan: this p2plab reads version 1 of plan files, found 2\n");
  EXPECT_EQ(message_for(test::replaced(good, "\"planner\"", "\"plannr\"")), "p.json: error: at the top: key 'planner' is missing\n");
  EXPECT_EQ(message_for(test::replaced(good, "\"reason\"", "\"planner\"")), "p.json: error: key 'planner' is given twice in one object\n");
  EXPECT_EQ(message_for(test::replaced(good, "i1.0", "x1.0")),
            "p.json: error: at /steps/0/1: expected locations such as 'i0.3 s1.7': i, o, s or h, rank, slot\n");
  EXPECT_EQ(message_for(test::replaced(good, "s0.5", "s7.5")), "p.json: error: step 0: names rank 7, which is not on this machine\n");
  EXPECT_EQ(message_for(test::replaced(good, "\"broadcast\"", "\"brodcast\"")),
            "p.json: error: at /collective/kind: unknown collective 'brodcast'\n");
  EXPECT_EQ(message_for(test::replaced(good, "\"root\":1", "\"root\":9")), "p.json: error: root 9 is not in the process group\n");
}

// Whoever writes a plan by hand is told the fingerprint that belongs there.
TEST(PlanFile, SaysTheRightFingerprint) {
  const auto plan = example();
  const auto changed = test::replaced(write_plan(plan), "bandwidth: ", "bandwidth: 1");
  const auto message = message_for(changed);
  const std::string words = "p.json: error: at /fingerprint: the topology in this file has the fingerprint '";
  ASSERT_EQ(message.substr(0, words.size()), words);
  const auto right = message.substr(words.size(), 16);
  EXPECT_TRUE(read_plan(test::replaced(changed, plan.topology.fingerprint(), right), "p.json"));
}

TEST(PlanFile, MistakesAreShownWhereTheyStand) {
  auto text = write_plan(example());
  text.replace(text.find("\"steps\":["), 9, "\n  \"steps\": [");
  const auto read = read_plan(test::replaced(text, "i1.0", "x1.0"), "p.json");
  ASSERT_FALSE(read);
  ASSERT_TRUE(read.error().where);
  EXPECT_EQ(read.error().where->line, 2);
  const auto& line = read.error().where->text;
  EXPECT_EQ(line.substr(static_cast<std::size_t>(read.error().where->column) - 1, 5), "\"x1.0") << line;
}

TEST(PlanFile, NumbersThatNoDoubleHoldsAreAnError) {
  EXPECT_NE(message_for("{\"p2plab_plan\": 1e999}").find("error: this number is too large"), std::string::npos);
}

TEST(PlanFile, TooDeepIsAnErrorNotACrash) {
  EXPECT_EQ(message_for(std::string(100000, '[') + std::string(100000, ']')), "p.json: error: nested deeper than 8 levels\n");
}

// Time in the square of the objects would be minutes.
TEST(PlanFile, ManyObjectsAreReadInOneGo) {
  auto many = write_plan(example());
  const std::string steps = "\"steps\":[";
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += "{},";
  many.insert(many.find(steps) + steps.size(), objects);
  EXPECT_EQ(message_for(many), "p.json: error: at /steps/0: expected an array\n");
}

TEST(Fingerprint, IgnoresTheNameAndNothingElse) {
  const auto a = *make_preset("ring", {{"gpus", "4"}});
  const auto b = *make_preset("ring", {{"gpus", "5"}});
  EXPECT_EQ(a.fingerprint(), a.fingerprint());
  EXPECT_NE(a.fingerprint(), b.fingerprint());
  EXPECT_EQ(a.fingerprint().size(), 16U);
}

// By what they are, not by a hash; a name and where a number was read make no other machine.
TEST(SameMachine, IsDecidedByAllButTheName) {
  const auto a = *make_preset("ring", {{"gpus", "4"}});
  const auto text = write_topology(a);
  const auto renamed = test::replaced(text, "name: " + a.name(), "name: another");
  const auto faster = test::replaced(text, "bandwidth: ", "bandwidth: 1");
  EXPECT_TRUE(same_machine(a, *read_topology(renamed, "b.yaml")));
  EXPECT_FALSE(same_machine(a, *read_topology(faster, "c.yaml")));
  EXPECT_FALSE(same_machine(a, *make_preset("ring", {{"gpus", "5"}})));
}

}  // namespace
}  // namespace p2plab::plan_io_test
