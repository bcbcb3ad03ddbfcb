// SPDX-License-Identifier: Apache-2.0
// A folded schedule means what the list of all its steps means.
#pragma once

#include <gtest/gtest.h>

#include "p2plab/program/even_payloads.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/plan_io.h"
#include "p2plab/program/program_io.h"
#include "p2plab/schedule/analysis.h"
#include "p2plab/schedule/dependencies.h"
#include "p2plab/schedule/verify.h"
#include "schedule_edit.h"

namespace p2plab::test {

inline void expect_same_steps(const Schedule& folded, const Schedule& listed) {
  ASSERT_EQ(folded.step_count(), listed.step_count());
  StepReader steps(folded);
  for (std::size_t i = 0; i < listed.step_count(); ++i) {
    const StepId id{static_cast<std::int64_t>(i)};
    const auto made = steps(id);
    const auto stored = listed.base_step(id);
    ASSERT_TRUE(made.executor == stored.executor && std::ranges::equal(made.sources, stored.sources) &&
                std::ranges::equal(made.destinations, stored.destinations) && std::ranges::equal(made.routes, stored.routes))
        << i;
    const auto [image, base] = folded.folding().origin(id);
    ASSERT_EQ(folded.folding().id_of(image, base), id);
  }
  for (int r = 0; r < folded.ranks(); ++r) {
    for (const auto buffer : {Buffer::input, Buffer::scratch, Buffer::host}) EXPECT_EQ(folded.slots(Rank{r}, buffer), listed.slots(Rank{r}, buffer));
  }
}

// With the steps on every third chunk left out, too, as lowering does with chunks that are empty.
inline void expect_same_dependencies(const Schedule& folded, const Schedule& listed, const Proof& proof) {
  std::vector<bool> third(listed.step_count());
  for (std::size_t i = 0; i < third.size(); ++i) third[i] = proof.chunk(StepId{static_cast<std::int64_t>(i)}).value % 3 == 0;
  for (const auto& left_out : {std::vector<bool>{}, third}) {
    const Dependencies made(folded, proof.in_place(), {left_out});
    const Dependencies found(listed, proof.in_place(), {left_out});
    std::vector<StepId> memory;
    std::vector<StepId> other;
    for (std::size_t i = 0; i < listed.step_count(); ++i) {
      const StepId id{static_cast<std::int64_t>(i)};
      ASSERT_TRUE(std::ranges::equal(made.of(id, memory), found.of(id, other))) << i;
    }
  }
}

/// Proves, weighs, lowers and writes both; whatever comes out must be the same. Payloads are rounded up to what images divide evenly: of others a
/// list may have chunks 16 bytes longer or shorter.
inline void expect_as_listed(const Topology& machine, const Schedule& folded, const std::vector<std::int64_t>& payloads = {0, 1, 1021, 65536}) {
  ASSERT_TRUE(folded.folding().folded());
  const auto listed = ScheduleEdit(folded).rebuilt();
  ASSERT_TRUE(listed) << describe(listed.error());
  expect_same_steps(folded, *listed);
  for (const bool in_place : {false, true}) {
    const auto proof = verify(machine, folded, {.in_place = in_place});
    const auto other = verify(machine, *listed, {.in_place = in_place});
    ASSERT_EQ(static_cast<bool>(proof), static_cast<bool>(other)) << (other ? describe(proof.error()) : describe(other.error()));
    if (!proof) continue;
    for (std::size_t i = 0; i < listed->step_count(); ++i) {
      const StepId id{static_cast<std::int64_t>(i)};
      ASSERT_TRUE(proof->chunk(id) == other->chunk(id) && proof->completes(id) == other->completes(id)) << i;
    }
    expect_same_dependencies(folded, *listed, *proof);
    for (const auto elements : payloads) {
      const auto even = even_payloads(folded, {.elements = elements});
      const auto payload = even ? even->above : Payload{.elements = elements};
      const auto program = lower(folded, *proof, payload, {});
      const auto same = lower(*listed, *other, payload, {});
      ASSERT_TRUE(program && same);
      EXPECT_EQ(write_program({machine, *program}), write_program({machine, *same})) << elements;
    }
  }
  const auto loads = link_loads(machine, folded);
  const auto same = link_loads(machine, *listed);
  ASSERT_EQ(loads.per_link.size(), same.per_link.size());
  for (std::size_t l = 0; l < loads.per_link.size(); ++l) EXPECT_NEAR(loads.per_link[l], same.per_link[l], 1e-12 * same.per_link[l]) << l;
  EXPECT_EQ(rounds(folded), rounds(*listed));
  const auto text = write_plan({machine, Plan{.schedule = folded, .planner = "by hand"}, {}, false});
  const auto again = read_plan(text, "p.json");
  ASSERT_TRUE(again) << describe(again.error());
  EXPECT_EQ(write_plan(*again), text);
  expect_same_steps(again->plan.schedule, *listed);
}

}  // namespace p2plab::test
