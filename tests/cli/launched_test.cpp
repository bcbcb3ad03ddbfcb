// SPDX-License-Identifier: Apache-2.0
// Ranks that others start, on machines of several servers: they meet, one of them reports, and all end together.
#include <future>

#include <unistd.h>

#include "program.h"

namespace p2plab::test::launched_test {
namespace {

// `p2plab ARGUMENTS` as rank `rank` of `ranks`, with files of its own; jobs at the same time meet at ports of their own.
Outcome as_rank(int rank, int ranks, int job, const std::string& arguments) {
  const auto port = std::to_string(20000 + (static_cast<int>(getpid()) * 3 + job) % 10000);
  const auto number = std::to_string(rank);
  const auto out = scratch("stdout" + number).string();
  const auto err = scratch("stderr" + number).string();
  const auto command = "RANK=" + number + " WORLD_SIZE=" + std::to_string(ranks) + " P2PLAB_ADDRESS=127.0.0.1:" + port + " '" + P2PLAB_PROGRAM +
                       "' " + arguments + " > '" + out + "' 2> '" + err + "'";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content(out), content(err)};
}

// Each rank with arguments of its own.
std::vector<Outcome> as_ranks(int job, const std::vector<std::string>& arguments) {
  std::vector<std::future<Outcome>> running;
  const auto ranks = static_cast<int>(arguments.size());
  for (int rank = 0; rank < ranks; ++rank) {
    running.push_back(std::async(std::launch::async, [=] { return as_rank(rank, ranks, job, arguments[static_cast<std::size_t>(rank)]); }));
  }
  std::vector<Outcome> outcomes;
  for (auto& one : running) outcomes.push_back(one.get());
  return outcomes;
}

std::vector<Outcome> on_all_ranks(int ranks, int job, const std::string& arguments) {
  return as_ranks(job, std::vector<std::string>(static_cast<std::size_t>(ranks), arguments));
}

TEST(Launched, RanksOfTwoServersBenchTogetherAndRankZeroReports) {
  const auto outcomes =
      on_all_ranks(4, 0, "bench --executor host --launched --topology hgx-h100:nodes=2,gpus=2 --algorithm hierarchical -b 1000 -e 1000 -n 2 --json");
  for (const auto& one : outcomes) EXPECT_EQ(one.exit, 0) << one.err;
  const auto json = nlohmann::json::parse(outcomes[0].out, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << outcomes[0].out;
  EXPECT_NE(outcomes[0].out.find("4 processes of 2 servers"), std::string::npos) << outcomes[0].out;
  for (int rank = 1; rank < 4; ++rank) EXPECT_EQ(outcomes[static_cast<std::size_t>(rank)].out, "");
}

TEST(Launched, RanksOfOneMachinesMpirunMeetByTheNameOfTheirJob) {
  const auto job = "OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_SIZE=2 PMIX_NAMESPACE=test" + std::to_string(getpid());
  const auto rank = [&](const std::string& number) {
    return "OMPI_COMM_WORLD_RANK=" + number + " " + job + " '" + P2PLAB_PROGRAM +
           "' bench --executor host --launched --topology hgx-h100:nodes=2,gpus=1 -b 1K -e 1K -n 1";
  };
  const auto out = scratch("met").string();
  EXPECT_EQ(std::system((rank("1") + " & " + rank("0") + " > '" + out + "' && wait").c_str()), 0);
  EXPECT_NE(content(out).find("2 processes of 2 servers"), std::string::npos) << content(out);
}

TEST(Launched, ARunOfAConfigIsOneReport) {
  const auto config = scratch("servers.yaml");
  std::ofstream(config) << "version: 1\ntopology: {preset: hgx-h100, nodes: 2, gpus: 1}\ncollectives: [all_gather]\nalgorithms: [ring]\n"
                           "sizes: [1 KiB]\nexecutors: [host]\n";
  const auto outcomes = on_all_ranks(2, 1, "run '" + config.string() + "' --launched --json");
  for (const auto& one : outcomes) EXPECT_EQ(one.exit, 0) << one.err;
  EXPECT_NE(outcomes[0].out.find("came out right in all 1 rows tried"), std::string::npos) << outcomes[0].out;
  EXPECT_EQ(outcomes[1].out, "");
  const auto three = on_all_ranks(3, 14, "run '" + config.string() + "' --launched");
  EXPECT_EQ(three[0].exit, 1);
  EXPECT_NE(three[0].err.find("the config's machine has 2 ranks, this job 3"), std::string::npos) << three[0].err;
  EXPECT_EQ(three[0].out, "");
}

std::string config_of_two_servers(const std::string& name) {
  const auto config = scratch(name).string();
  std::ofstream(config) << "version: 1\ntopology: {preset: hgx-h100, nodes: 2, gpus: 1}\ncollectives: [all_gather]\nalgorithms: [ring, two_shot]\n"
                           "sizes: [1 KiB]\nexecutors: [host]\n";
  return config;
}

TEST(Launched, ARunIsKeptInItsFolderAndRunAgainFromThere) {
  const auto out = scratch("kept").string();
  for (const auto& one : on_all_ranks(2, 15, "run '" + config_of_two_servers("kept.yaml") + "' --launched --out '" + out + "'"))
    EXPECT_EQ(one.exit, 0) << one.err;
  EXPECT_EQ(p2plab("run '" + out + "'").exit, 0);
  const auto again = on_all_ranks(2, 16, "run '" + out + "' --launched");
  for (const auto& one : again) EXPECT_EQ(one.exit, 0) << one.err;
  EXPECT_NE(again[0].out.find("came out right in all 2 rows tried"), std::string::npos) << again[0].out;
  const auto empty = p2plab("run '" + scratch(".").string() + "'");
  EXPECT_EQ(empty.exit, 1);
  EXPECT_NE(empty.err.find("keeps no run: it has no run/run.json"), std::string::npos) << empty.err;
}

// The second cell would take minutes. What its rows lack is no result to go on from.
TEST(Launched, ACellInWhichARankIsLostIsNotKept) {
  const auto config = scratch("lost.yaml").string();
  const auto out = scratch("lost").string();
  std::ofstream(config)
      << "version: 1\ntopology: {preset: hgx-h100, nodes: 2, gpus: 1}\ncollectives: [all_gather]\nalgorithms: [ring]\nsizes: [1 MiB]\n"
         "executors: [host]\nmatrix:\n  how: {short: {measure: {repeats: 1}}, long: {measure: {repeats: 100000}}}\n";
  const auto command = "run '" + config + "' --launched --out '" + out + "'";
  const auto kept = out + "/run/cells/1.json";
  const auto outcomes = as_ranks(23, {command, command + " & rank=$!; while kill -0 $rank && [ ! -e '" + kept +
                                                   "' ]; do sleep 0.05; done; sleep 0.2; kill -KILL $rank; wait $rank"});
  EXPECT_EQ(outcomes[0].exit, 1);
  EXPECT_NE(outcomes[0].err.find("error: rank 1: its process ("), std::string::npos) << outcomes[0].err;
  EXPECT_TRUE(std::filesystem::exists(kept));
  EXPECT_FALSE(std::filesystem::exists(out + "/run/cells/2.json"));
}

TEST(Launched, AConfigThatRunsNothingOnRanksIsNamedByItsKind) {
  const auto config = scratch("groups.yaml").string();
  std::ofstream(config) << "version: 1\nkind: groups\nname: g\ntopology: {preset: hgx-h100, nodes: 2}\nlayout: {tp: 8, dp: 2}\n"
                           "calls: [{along: tp, collective: all_reduce, size: 1 MiB}]\n";
  for (const auto& one : on_all_ranks(2, 17, "run '" + config + "' --launched")) {
    EXPECT_EQ(one.exit, 1);
    EXPECT_NE(one.err.find("a config of kind groups runs nothing on ranks"), std::string::npos) << one.err;
  }
}

// Whichever rank the launcher lets speak, its user can find the mistake.
TEST(Launched, EveryRankSaysWhereAConfigIsWrong) {
  const auto config = scratch("wrong.yaml").string();
  std::ofstream(config)
      << "version: 1\ntopology: {preset: hgx-h100, nodes: 2, gpus: 1}\ncollectives: [all_gather]\nalgorithms: [rign]\nsizes: [1 KiB]\n";
  const auto outcomes = on_all_ranks(2, 18, "run '" + config + "' --launched");
  EXPECT_NE(outcomes[0].err.find("wrong.yaml:4:14: error: unknown algorithm 'rign'"), std::string::npos) << outcomes[0].err;
  EXPECT_NE(outcomes[1].err.find("wrong.yaml:4:14: unknown algorithm 'rign' (did you mean 'ring'?)"), std::string::npos) << outcomes[1].err;
}

TEST(Launched, AWrongNumberOfRanksIsSaidBeforeAnythingIsPlanned) {
  const auto plan = scratch("plan.json").string();
  ASSERT_EQ(p2plab("plan --topology hgx-h100:nodes=2,gpus=2 --algorithm ring --size '1 MiB' --out '" + plan + "'").exit, 0);
  const std::vector<std::string> commands{"tune --launched --executor host --topology hgx-h100:nodes=2,gpus=2",
                                          "calibrate --launched --executor host --topology hgx-h100:nodes=2,gpus=2",
                                          "bench --launched --executor host --plan '" + plan + "'"};
  for (std::size_t i = 0; i < commands.size(); ++i) {
    for (const auto& one : on_all_ranks(3, 19 + static_cast<int>(i), commands[i])) {
      EXPECT_EQ(one.exit, 1);
      EXPECT_NE(one.err.find(" has 4 ranks, this job 3"), std::string::npos) << one.err;
      EXPECT_EQ(one.err.find("rank 0: rank 0"), std::string::npos) << one.err;
      EXPECT_EQ(one.out, "");
    }
  }
  for (const auto* count : {"-g 3", "--processes 3"}) {
    const auto here = p2plab("bench --executor host --plan '" + plan + "' -n 1 -b 1K -e 1K " + count);
    EXPECT_EQ(here.exit, 1) << count;
    EXPECT_NE(here.err.find(" has 4 ranks, "), std::string::npos) << here.err;
  }
}

// A message waits for its whole segment and a segment for all messages, so stages take longer than what flows slice by slice.
TEST(Stages, AreSimulatedAsTheyRun) {
  const auto plan = scratch("stages.json").string();
  ASSERT_EQ(
      p2plab("plan --topology hgx-h200:nodes=2,gpus=4 --collective all_reduce --size '16 MiB' --algorithm hierarchical --out '" + plan + "'").exit,
      0);
  const auto time = [&](const std::string& more) {
    const auto ran = p2plab("simulate '" + plan + "' --json " + more);
    const auto json = nlohmann::json::parse(ran.out, nullptr, false);
    EXPECT_TRUE(json.contains("predicted_us")) << ran.err;
    return json.value("predicted_us", 0.0);
  };
  const auto flowing = time("");
  const auto staged = time("--stages");
  EXPECT_GT(staged, flowing);
  EXPECT_LT(staged, 4 * flowing);
  EXPECT_NE(p2plab("simulate '" + plan + "' --stages").out.find("hierarchical in 3 stages over 2 servers takes"), std::string::npos);
}

// All of these are decided by rank 0 alone; the others run what it runs.
TEST(Launched, ATableIsTunedByAllRanksAndWrittenByOne) {
  const auto out = scratch("tuned.yaml");
  const auto outcomes = on_all_ranks(2, 3,
                                     "tune --launched --executor host --topology hgx-h100:nodes=2,gpus=1 --profile h200 --sizes '1 KiB..4 KiB' "
                                     "--candidates 2 --out '" +
                                         out.string() + "'");
  for (const auto& one : outcomes) EXPECT_EQ(one.exit, 0) << one.err;
  EXPECT_NE(outcomes[0].out.find("measured by executor host"), std::string::npos) << outcomes[0].out;
  EXPECT_NE(content(out).find("all_reduce"), std::string::npos);
  EXPECT_EQ(outcomes[1].out, "");
}

TEST(Launched, TheNetworkIsMeasuredIntoTheMachine) {
  const auto out = scratch("cluster.yaml");
  const auto outcomes =
      on_all_ranks(2, 4, "calibrate --launched --executor host --topology hgx-h100:nodes=2,gpus=1 --json --out '" + out.string() + "'");
  for (const auto& one : outcomes) EXPECT_EQ(one.exit, 0) << one.err;
  const auto json = nlohmann::json::parse(outcomes[0].out, nullptr, false);
  ASSERT_TRUE(json.contains("numbers")) << outcomes[0].out;
  for (const auto& number : json["numbers"]) {
    EXPECT_LE(number["low"], number["value"]) << number;
    EXPECT_LE(number["value"], number["high"]) << number;
  }
  const auto plan = p2plab("plan --topology '" + out.string() + "' --collective all_reduce --size '1 MiB' --algorithm ring");
  EXPECT_EQ(plan.exit, 0) << plan.err;
  // Its GPUs are still known, and what the network's numbers are.
  EXPECT_NE(plan.out.find("times            by profile h100"), std::string::npos) << plan.out;
  EXPECT_NE(p2plab("topo show '" + out.string() + "'").out.find("p2plab calibrate --launched"), std::string::npos);
}

TEST(Launched, WhatCannotBeLedSaysSo) {
  EXPECT_EQ(as_rank(0, 1, 5, "tune --launched --topology hgx-h100:nodes=2,gpus=1").exit, 2);
  EXPECT_EQ(as_rank(0, 1, 6, "calibrate --launched").exit, 2);
  const auto one = as_rank(0, 1, 7, "calibrate --launched --executor host --topology hgx-h100:gpus=1");
  EXPECT_EQ(one.exit, 1);
  EXPECT_NE(one.err.find("is one server: there is no network to measure"), std::string::npos) << one.err;
}

// They would wait for each other, or one would run on alone.
TEST(Launched, ARankThatWasStartedWithSomethingElseIsNamedByAll) {
  const std::string usual = "bench --executor host --launched -b 1K -e 1K --algorithm ring";
  const std::string servers = usual + " --topology hgx-h100:nodes=2,gpus=2";
  const std::vector<std::pair<std::string, std::string>> others{
      {usual + " --topology hgx-h100:nodes=2,gpus=3", "rank 2 was started with the machine hgx-h100 (fingerprint "},
      {servers + " --collective all_gather", "rank 2 was started with --collective all_gather, rank 0 with all_reduce"},
      {"tune --launched --executor host --topology hgx-h100:nodes=2,gpus=2", "rank 2 was started with command tune, rank 0 with bench"}};
  for (std::size_t i = 0; i < others.size(); ++i) {
    const auto outcomes = as_ranks(8 + static_cast<int>(i), {servers, servers, others[i].first, servers});
    for (const auto& one : outcomes) {
      EXPECT_EQ(one.exit, 1);
      EXPECT_NE(one.err.find(others[i].second), std::string::npos) << one.err;
    }
  }
}

TEST(Launched, ARunsConfigIsTheSameOnAllRanks) {
  for (const auto& one : as_ranks(22, {"run a.yaml --launched", "run b.yaml --launched"})) {
    EXPECT_EQ(one.exit, 1);
    EXPECT_NE(one.err.find("rank 1 was started with the config b.yaml, rank 0 with a.yaml"), std::string::npos) << one.err;
  }
}

TEST(Launched, HowManyRanksRunIsSaidFirst) {
  const auto alone = p2plab("bench --executor host --topology hgx-h100:nodes=2,gpus=2 -b 1K -e 1K -n 1");
  EXPECT_NE(alone.out.find("\n# 1 rank; hgx-h100 has 4: -g 4 or --processes 4 runs all\n"), std::string::npos) << alone.out;
  const auto all = p2plab("bench --executor host --topology hgx-h100:nodes=2,gpus=2 -b 1K -e 1K -n 1 -g 4");
  EXPECT_NE(all.out.find("\n# 4 ranks\n"), std::string::npos) << all.out;
  EXPECT_NE(p2plab("bench --executor host -b 1K -e 1K -n 1").out.find("\n# 1 rank; -g N or --processes N runs N\n"), std::string::npos);
  const auto half = on_all_ranks(2, 12, "bench --executor host --launched --topology hgx-h100:nodes=2,gpus=2 -b 1K -e 1K -n 1");
  EXPECT_NE(half[0].out.find("\n# 2 ranks; hgx-h100 has 4: as many processes run all\n"), std::string::npos) << half[0].out;
  for (const auto* command : {"bench --executor host -b 1K -e 1K -n 1", "tune --executor host hgx-h200:gpus=2 --sizes 1KiB..1KiB", "calibrate"}) {
    const auto apart = as_rank(0, 2, 13, command);
    EXPECT_NE(apart.err.find("note: torchrun started 2 processes, and each runs alone: --launched makes them one job"), std::string::npos)
        << apart.err;
  }
}

TEST(Launched, ARankThatNeverComesEndsTheOthersInTimeByItsNumber) {
  const auto alone = as_rank(0, 2, 2, "bench --executor host --launched --gather-timeout 0.3 --topology hgx-h100:nodes=2,gpus=1 -b 1K -e 1K");
  EXPECT_EQ(alone.exit, 1);
  EXPECT_NE(alone.err.find("rank 1 of 2 did not come within 0.3 s"), std::string::npos) << alone.err;
}

}  // namespace
}  // namespace p2plab::test::launched_test
