// SPDX-License-Identifier: Apache-2.0
// A sweep that several processes do together, or one that is ended midway: no finished cell is lost, and the report is that of one process.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <thread>

#include "program.h"

namespace p2plab::sharing_test {
namespace {

namespace fs = std::filesystem;

// A folder that holds a sweep of 16 cells, with a machine in a file above the config's own folder.
fs::path sweep_folder(const std::string& name) {
  const auto folder = test::scratch(name);
  fs::remove_all(folder);
  fs::create_directories(folder / "configs");
  std::ofstream machine(folder / "machine.yaml");
  machine << "version: 1\nname: four\nnodes:\n  - {name: sw, kind: nvswitch}\n";
  for (int gpu = 0; gpu < 4; ++gpu) machine << "  - {name: gpu" << gpu << ", kind: gpu}\n";
  machine << "links:\n";
  for (int gpu = 0; gpu < 4; ++gpu) machine << "  - {between: [gpu" << gpu << ", sw], bandwidth: 450 GB/s, latency: 325 ns, kind: nvlink}\n";
  std::ofstream text(folder / "configs/sweep.yaml");
  text << "version: 1\ntopology: {file: ../machine.yaml}\ncollectives: [all_reduce]\nalgorithms: [ring, tree, two_shot]\n"
          "sizes: {from: 1 KiB, to: 256 KiB, factor: 2}\nmatrix:\n  type: {half: {dtype: float16}, single: {dtype: float32}}\n  seed: {";
  for (int seed = 1; seed <= 8; ++seed) text << "s" << seed << ": {seed: " << seed << "}, ";
  text << "}\n";
  return folder;
}

struct Rank {
  int number = 0;
  int of = 1;
  bool by_srun = false;  // else by Open MPI's mpirun
};

void set_environment(const Rank& rank) {
  const auto set = [](const char* name, const std::string& value) { setenv(name, value.c_str(), 1); };
  if (rank.of < 2) return;
  set(rank.by_srun ? "SLURM_STEP_NUM_TASKS" : "OMPI_COMM_WORLD_SIZE", std::to_string(rank.of));
  set(rank.by_srun ? "SLURM_PROCID" : "OMPI_COMM_WORLD_RANK", std::to_string(rank.number));
  set(rank.by_srun ? "SLURM_JOB_ID" : "PMIX_NAMESPACE", "job 7");
}

// Starts `p2plab run configs/sweep.yaml --out out` in `folder`, as `mpirun` or `srun` would where there are several ranks.
pid_t started(const fs::path& folder, Rank rank = {}) {
  const auto child = fork();
  if (child != 0) return child;
  setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
  set_environment(rank);
  const auto name = std::to_string(rank.number);
  if (chdir(folder.c_str()) != 0 || freopen(("stdout" + name).c_str(), "w", stdout) == nullptr ||
      freopen(("stderr" + name).c_str(), "a", stderr) == nullptr)
    _exit(126);
  execl(P2PLAB_PROGRAM, "p2plab", "run", "configs/sweep.yaml", "--out", "out", static_cast<char*>(nullptr));
  _exit(127);
}

int ended(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void wait_for(const fs::path& file) {
  for (int i = 0; i < 60000 && !fs::exists(file); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// All files of the report by name: what a run keeps of itself differs by its job.
std::map<std::string, std::string> report_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder / "out")) {
    if (entry.is_regular_file()) files[entry.path().filename().string()] = test::content(entry.path());
  }
  return files;
}

// The report of one process, made once.
const std::map<std::string, std::string>& report_of_one() {
  static const auto report = [] {
    const auto folder = sweep_folder("one");
    EXPECT_EQ(ended(started(folder)), 0);
    return report_in(folder);
  }();
  return report;
}

class SharedBy : public testing::TestWithParam<bool> {};

TEST_P(SharedBy, TwoRanksWriteByteByByteWhatOneProcessWrites) {
  const auto folder = sweep_folder("two");
  const auto second = started(folder, {1, 2, GetParam()});
  const auto first = started(folder, {0, 2, GetParam()});
  EXPECT_EQ(ended(first), 0) << test::content(folder / "stderr0");
  EXPECT_EQ(ended(second), 0) << test::content(folder / "stderr1");
  ASSERT_GT(report_of_one().size(), 3U);
  EXPECT_EQ(report_in(folder), report_of_one());
  const auto said = test::content(folder / "stdout0").size() > 0;
  EXPECT_NE(said, test::content(folder / "stdout1").size() > 0) << "one of them prints the table";
}

INSTANTIATE_TEST_SUITE_P(Each, SharedBy, testing::Bool(), [](const auto& by) { return by.param ? "srun" : "mpirun"; });

// sbatch -n 4 says so in the script that it starts once.
TEST(SharedSweep, ABatchScriptOfSlurmIsOneProcess) {
  const auto ran = test::p2plab("run " + test::small_config(), P2PLAB_SOURCE_DIR, "SLURM_NTASKS=4 SLURM_PROCID=0 SLURM_JOB_ID=9");
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_FALSE(ran.out.empty());
}

TEST(SharedSweep, WhatAKilledRankHadBegunIsDoneByAnother) {
  const auto folder = sweep_folder("killed");
  const auto first = started(folder, {0, 2});
  wait_for(folder / "out/run/cells/1.lock");
  kill(first, SIGKILL);
  EXPECT_EQ(ended(first), -SIGKILL);
  EXPECT_EQ(ended(started(folder, {1, 2})), 0) << test::content(folder / "stderr1");
  EXPECT_EQ(report_in(folder), report_of_one());
}

TEST(SharedSweep, RanksThatComeAfterTheReportIsWrittenChangeNothing) {
  const auto folder = sweep_folder("late");
  ASSERT_EQ(ended(started(folder, {0, 2})), 0);
  const auto written = fs::last_write_time(folder / "out/report.json");
  EXPECT_EQ(ended(started(folder, {1, 2})), 0);
  EXPECT_EQ(fs::last_write_time(folder / "out/report.json"), written);
}

TEST(SharedSweep, SeveralRanksWithoutAFolderAreAnError) {
  const auto folder = sweep_folder("nowhere");
  setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  const auto shared = test::p2plab("run " + (folder / "configs/sweep.yaml").string());
  unsetenv("OMPI_COMM_WORLD_SIZE");
  EXPECT_EQ(shared.exit, 1);
  EXPECT_NE(shared.err.find("--out DIR names the folder"), std::string::npos) << shared.err;
}

TEST(ResumedSweep, ADeadRunGoesOnWhereItWasAndGivesTheSameReport) {
  const auto folder = sweep_folder("resumed");
  const auto first = started(folder);
  wait_for(folder / "out/run/cells/3.json");
  kill(first, SIGKILL);
  ASSERT_EQ(ended(first), -SIGKILL);
  EXPECT_FALSE(fs::exists(folder / "out/report.json"));
  EXPECT_EQ(ended(started(folder)), 0);
  const auto said = test::content(folder / "stderr0");
  EXPECT_NE(said.find(" of 16 cells are finished in out (--fresh begins anew)"), std::string::npos) << said;
  EXPECT_EQ(report_in(folder), report_of_one());
  EXPECT_FALSE(fs::exists(folder / "out/run/cells")) << "they are in the report";
}

// A folder stands where the report is to be written.
TEST(ResumedSweep, CellsWhoseReportCannotBeWrittenStayAndDamagedOnesAreDoneAgain) {
  const auto folder = sweep_folder("unwritten");
  fs::create_directories(folder / "out/report.html/in_the_way");
  EXPECT_EQ(ended(started(folder)), 1);
  EXPECT_FALSE(fs::exists(folder / "out/run/finished"));
  ASSERT_TRUE(fs::exists(folder / "out/run/cells/16.json"));
  fs::remove_all(folder / "out/report.html");
  fs::resize_file(folder / "out/run/cells/5.json", 100);
  EXPECT_EQ(ended(started(folder)), 0);
  const auto said = test::content(folder / "stderr0");
  EXPECT_NE(said.find("15 of 16 cells are finished"), std::string::npos) << said;
  EXPECT_EQ(report_in(folder), report_of_one());
}

TEST(RunFolder, SaysItsCommandAsAShellReadsIt) {
  const auto folder = test::scratch("command");
  fs::create_directories(folder);
  const std::string out = R"('it'\''s ~1 #2')";
  const auto ran = test::p2plab("run " + test::small_config() + " --out " + out, folder);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const auto about = nlohmann::json::parse(test::content(folder / "it's ~1 #2/run/run.json"), nullptr, false);
  const auto command = about["command"].get<std::string>();
  EXPECT_TRUE(command.ends_with(" --out " + out)) << command;
}

TEST(RunFolder, IsToldWhichTracesItLacksAndNobodyElseIs) {
  const auto folder = test::scratch("traces");
  fs::create_directories(folder);
  std::ofstream(folder / "long.yaml") << "version: 1\ntopology: {preset: hgx-h200, gpus: 8}\ncollectives: [all_reduce]\nalgorithms: [ring]\n"
                                         "sizes: [512 MiB]\nprofile: h200\n";
  const std::string sentence = "all_reduce: ring has no trace at 512 MiB";
  const auto written = test::p2plab("run long.yaml --out out", folder);
  EXPECT_NE(written.out.find(sentence), std::string::npos) << written.out << written.err;
  const auto printed = test::p2plab("run long.yaml", folder);
  EXPECT_EQ(printed.exit, 0) << printed.err;
  EXPECT_EQ(printed.out.find(sentence), std::string::npos) << printed.out;
}

TEST(RunFolder, IsRunAgainFromItselfAlone) {
  const auto folder = sweep_folder("again");
  ASSERT_EQ(ended(started(folder)), 0);
  const auto elsewhere = test::scratch("elsewhere");
  fs::remove_all(elsewhere);
  fs::create_directories(elsewhere);
  fs::rename(folder / "out", elsewhere / "kept");
  fs::remove_all(folder);
  const auto ran = test::p2plab("run kept --out anew", elsewhere);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(test::content(elsewhere / "anew/report.csv"), report_of_one().at("report.csv"));
  const auto about = nlohmann::json::parse(test::content(elsewhere / "kept/run/run.json"), nullptr, false);
  test::expect_keys(about, {"version", "command", "config", "files", "machines", "profiles", "cells", "date"});
  EXPECT_EQ(about["command"], "p2plab run configs/sweep.yaml --out out");
  EXPECT_EQ(about["files"].size(), 2U);
}

TEST(RunFolder, IsOneRunsAtATime) {
  const auto folder = sweep_folder("busy");
  const auto first = started(folder);
  wait_for(folder / "out/run/cells/1.lock");
  EXPECT_EQ(ended(started(folder, {.number = 5})), 1);
  EXPECT_NE(test::content(folder / "stderr5").find("another run writes into this folder"), std::string::npos);
  EXPECT_EQ(ended(first), 0);
}

}  // namespace
}  // namespace p2plab::sharing_test
