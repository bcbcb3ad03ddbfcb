// SPDX-License-Identifier: Apache-2.0
// What starters of jobs say of a process's place.
#include "config/launched.h"

#include <map>

#include <gtest/gtest.h>

namespace p2plab::launched_test {
namespace {

Result<LaunchedRank> of(const std::map<std::string, std::string>& set) {
  return launched_rank([&](const std::string& name) { return set.contains(name) ? set.at(name) : std::string{}; });
}

TEST(LaunchedRank, IsReadFromEachStarter) {
  const std::map<std::string, std::pair<std::string, std::string>> starters{{"torchrun", {"RANK", "WORLD_SIZE"}},
                                                                            {"Open MPI", {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}},
                                                                            {"Slurm", {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}},
                                                                            {"MPICH", {"PMI_RANK", "PMI_SIZE"}}};
  for (const auto& [name, variables] : starters) {
    const auto rank = of({{variables.first, "3"}, {variables.second, "8"}, {"MASTER_ADDR", "node1"}, {"MASTER_PORT", "29500"}});
    ASSERT_TRUE(rank) << name;
    EXPECT_EQ(rank->rank, 3);
    EXPECT_EQ(rank->ranks, 8);
    EXPECT_EQ(rank->by, name);
    EXPECT_EQ(rank->address, "node1:29500");
  }
}

TEST(LaunchedRank, TheAddressOfOursComesFirstAndColonsAreBracketed) {
  const auto ours = of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"P2PLAB_ADDRESS", "a:1"}, {"MASTER_ADDR", "b"}, {"MASTER_PORT", "2"}});
  ASSERT_TRUE(ours);
  EXPECT_EQ(ours->address, "a:1");
  const auto six = of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "fe80::1"}, {"MASTER_PORT", "2"}});
  ASSERT_TRUE(six);
  EXPECT_EQ(six->address, "[fe80::1]:2");
  const auto beside_a_store =
      of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "b"}, {"MASTER_PORT", "29500"}, {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  ASSERT_TRUE(beside_a_store);
  EXPECT_EQ(beside_a_store->address, "b:29501");
}

TEST(LaunchedRank, OfAJobOnOneMachineNeedsNoAddress) {
  std::map<std::string, std::string> mpi{
      {"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}, {"PMIX_NAMESPACE", "314048513"}};
  const auto here = of(mpi);
  ASSERT_TRUE(here);
  EXPECT_EQ(here->address, "");
  EXPECT_EQ(here->job, "314048513");
  mpi["OMPI_COMM_WORLD_LOCAL_SIZE"] = "2";
  EXPECT_FALSE(of(mpi));
  std::map<std::string, std::string> slurm{
      {"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_STEP_NUM_NODES", "1"}, {"SLURM_JOB_ID", "77"}, {"SLURM_STEP_ID", "2"}};
  const auto step = of(slurm);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->job, "77.2");
  slurm["SLURM_STEP_NUM_NODES"] = "2";
  EXPECT_FALSE(of(slurm));
  slurm["P2PLAB_ADDRESS"] = "a:1";
  EXPECT_EQ(of(slurm)->job, "");
}

TEST(LaunchedRank, WhatIsMissingOrWrongIsNamed) {
  const auto nobody = of({});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().message, "nothing says which rank this process is");
  const auto batch = of({{"SLURM_PROCID", "0"}, {"P2PLAB_ADDRESS", "a:1"}});
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().message, "nothing says which rank this process is: SLURM_PROCID is set, SLURM_STEP_NUM_TASKS is not");
  const auto nowhere = of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "b"}});
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().message.find("neither P2PLAB_ADDRESS nor MASTER_ADDR and MASTER_PORT"), std::string::npos);
  for (const auto* rank : {"2", "-1", "one"}) {
    const auto wrong = of({{"RANK", rank}, {"WORLD_SIZE", "2"}, {"P2PLAB_ADDRESS", "a:1"}});
    ASSERT_FALSE(wrong) << rank;
    EXPECT_EQ(wrong.error().message, std::string{"RANK="} + rank + " and WORLD_SIZE=2 are no rank of a job");
  }
}

}  // namespace
}  // namespace p2plab::launched_test
