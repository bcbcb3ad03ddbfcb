// SPDX-License-Identifier: Apache-2.0
// MSCCL++'s plans, held to its parser's limits and run by an interpreter of its kernel.
#include <gtest/gtest.h>

#include "support/exported.h"
#include "support/formats/mscclpp_reader.h"

namespace p2plab::mscclpp_test {
namespace {

using Case = test::Exportable;
using enum CollectiveKind;

void expect_right_data(const Case& c, const nlohmann::json& plan) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    test::MscclppRun run(plan, seed);
    const auto n = c.machine.ranks();
    for (int g = 0; g < n; ++g) {
      for (auto& value : run.buffer(static_cast<std::size_t>(g), 'i')) value = {{g, 1}};
    }
    run.run();
    std::map<int, int> everyone;
    for (int g = 0; g < n; ++g) everyone[g] = 1;
    for (int g = 0; g < n; ++g) {
      const auto& out = run.buffer(static_cast<std::size_t>(g), 'o');
      for (std::size_t p = 0; p < out.size(); ++p) {
        const auto owner = static_cast<int>(p * static_cast<std::size_t>(n) / out.size());
        const bool moves = c.program.collective.kind == all_gather || c.program.collective.kind == all_to_all;
        EXPECT_EQ(out[p], moves ? (std::map<int, int>{{owner, 1}}) : everyone) << g << ' ' << p;
      }
    }
  }
}

TEST(MscclppJson, ItsKernelEndsWithEverySumWhereTheCollectiveWantsItInAnyOrderOfThreadBlocks) {
  std::vector<Case> all;
  for (const int n : {2, 3, 5}) {
    const auto machine = test::one_switch(n);
    for (const char* planner : {"ring", "tree", "one_shot", "two_shot"}) all.push_back(test::exportable(machine, planner, all_reduce, 64_KiB));
    all.push_back(test::exportable(machine, "one_shot", all_reduce, 64_KiB, {{"mode", "pull"}}));
    all.push_back(test::exportable(machine, "one_shot", all_gather, Bytes{n * 4096}));
    all.push_back(test::exportable(machine, "ring", reduce_scatter, Bytes{n * 4096}));
    all.push_back(test::exportable(machine, "pairwise", all_to_all, Bytes{n * n * 4096}));
  }
  all.push_back(test::exportable(test::islands_over_pcie(2, 2), "hierarchical", all_reduce, 64_KiB));
  for (const auto& c : all) {
    SCOPED_TRACE(c.plan.planner + " " + std::to_string(c.machine.ranks()) + " " + std::string(to_string(c.program.collective.kind)));
    const auto plan = nlohmann::json::parse(test::exported(c, "mscclpp-json").front().content);
    EXPECT_EQ(test::mscclpp_refuses(plan), std::nullopt);
    expect_right_data(c, plan);
  }
}

TEST(MscclppJson, MoreOperationsThanAThreadBlockHoldsAreRefusedWithTheirNumber) {
  auto c = test::exportable(test::one_switch(16), "ring", all_reduce, 1_MiB);
  const auto refused = test::try_export(c, "mscclpp-json");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("operations in a thread block on rank 0; at most 64 are read"), std::string::npos)
      << refused.error().message;
  auto other = test::exportable(test::one_switch(4), "tree", broadcast, 64_KiB);
  const auto unsaid = test::try_export(other, "mscclpp-json");
  ASSERT_FALSE(unsaid);
  EXPECT_EQ(unsaid.error().message, "MSCCL++: it has no collective for broadcast");
}

}  // namespace
}  // namespace p2plab::mscclpp_test
