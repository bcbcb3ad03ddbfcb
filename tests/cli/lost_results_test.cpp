// SPDX-License-Identifier: Apache-2.0
// Nothing that was computed is lost, and nothing that was lost looks done: signals, full disks, closed pipes, folders that cannot be written.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <vector>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::lost_results_test {
namespace {

// A shell's words; `$P` is the program.
test::Outcome shell(const std::string& words) {
  const auto err = test::scratch("stderr");
  const auto out = test::scratch("stdout");
  const auto script = "P='" + std::string{P2PLAB_PROGRAM} + "'; cd '" + P2PLAB_SOURCE_DIR + "'; { " + words + "; } 2> '" + err.string() + "'";
  const auto file = test::scratch("words.sh");
  std::ofstream(file) << script << '\n';
  const int status = std::system(("bash '" + file.string() + "' > '" + out.string() + "'").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, test::content(out), test::content(err)};
}

const std::vector<std::string>& reporting_commands() {
  static const std::vector<std::string> commands{"run " + test::small_config(),
                                                 "topo show hgx-h200:gpus=2",
                                                 "topo presets",
                                                 "plan --topology hgx-h200:gpus=2 --size 1MiB --algorithm ring",
                                                 "bound --topology hgx-h200:gpus=2",
                                                 "place --topology hgx-h200:gpus=2 --gpus 1",
                                                 "what-if --topology hgx-h200:gpus=2 --size 1MiB --algorithm ring --link gpu0,nvswitch0=0.5",
                                                 "frontier --topology hgx-h200:gpus=2 --chunks 1",
                                                 "tune --topology hgx-h200:gpus=2 --sizes 1KiB..1KiB",
                                                 "bench --executor host -g 2 -b 1K -e 1K -n 1",
                                                 "list algorithms",
                                                 "config example",
                                                 "--help",
                                                 "--version"};
  return commands;
}

TEST(Stdout, ThatIsFullIsAnErrorOfEveryCommand) {
  for (const auto& command : reporting_commands()) {
    const auto ran = shell("\"$P\" " + command + " > /dev/full");
    EXPECT_EQ(ran.exit, 1) << command;
    EXPECT_NE(ran.err.find("cannot write to stdout: No space left on device"), std::string::npos) << command << ": " << ran.err;
  }
}

TEST(Stdout, ThatIsClosedIsAnErrorAndNoFileTakesItsPlace) {
  for (const auto& command : {"list algorithms", "topo show hgx-h200:gpus=2", "--version"}) {
    const auto ran = shell("\"$P\" " + std::string{command} + " >&-");
    EXPECT_EQ(ran.exit, 1) << command;
    EXPECT_NE(ran.err.find("cannot write to stdout"), std::string::npos) << ran.err;
  }
  const auto plan = test::scratch("plan.json");
  EXPECT_EQ(shell("\"$P\" plan --topology hgx-h200:gpus=2 --size 1MiB --algorithm ring --out '" + plan.string() + "' >&-").exit, 1);
  EXPECT_EQ(test::p2plab("verify '" + plan.string() + "'").exit, 0) << "the plan was written before stdout was tried";
}

TEST(Stdout, ThatNobodyReadsAnyMoreIsAnErrorAndFilesAreStillWritten) {
  const auto out = test::scratch("out");
  const auto ran = shell("exec 3> >(exec true); wait $!; \"$P\" run " + test::small_config() + " --out '" + out.string() + "' >&3");
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("Broken pipe"), std::string::npos) << ran.err;
  EXPECT_FALSE(nlohmann::json::parse(test::content(out / "report.json"), nullptr, false).is_discarded());
}

TEST(Out, IsTriedBeforeAnyWork) {
  const std::vector<std::string> commands{
      "run configs/8gpu_nvlink.yaml --out /proc/none/here",   "plan --topology torus:dims=16x16 --out /proc/none/plan.json",
      "tune --topology hgx-h200 --out /proc/none/tuned.yaml", "topo show hgx-h200 --out /proc/none/here.txt",
      "topo detect --record /proc/none/facts.json",           "bench --executor host -g 2 -b 1K -e 1K -J /proc/none/results.json"};
  for (const auto& command : commands) {
    const auto ran = test::p2plab(command);
    EXPECT_EQ(ran.exit, 1) << command;
    EXPECT_NE(ran.err.find("/proc/none"), std::string::npos) << command << ": " << ran.err;
    EXPECT_EQ(ran.err.find("plan, prove"), std::string::npos) << command << ": " << ran.err;
    EXPECT_TRUE(ran.out.empty()) << command;
  }
}

TEST(Out, AGoodReportIsReplacedOnlyByAWholeOne) {
  const auto out = test::scratch("out");
  const auto run = "\"$P\" run " + test::small_config() + " --out '" + out.string() + "'";
  ASSERT_EQ(shell(run + " > /dev/null").exit, 0);
  const auto before = test::content(out / "report.html");
  const auto ran = shell("ulimit -f 1; " + run + " > /dev/null");  // files of at most 1 KiB
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("File too large"), std::string::npos) << ran.err;
  EXPECT_EQ(test::content(out / "report.html"), before);
  for (const auto& entry : std::filesystem::directory_iterator(out)) EXPECT_NE(entry.path().filename().string().front(), '.') << entry.path();
}

// A limit of 1 KiB on files stands for a disk that becomes full: what was computed is printed all the same.
TEST(Out, ThatCannotBeWrittenLosesNothing) {
  const auto plan = test::scratch("plan.json");
  ASSERT_EQ(test::p2plab("plan --topology hgx-h200:gpus=4 --size 1MiB --algorithm ring --profile ideal --out '" + plan.string() + "'").exit, 0);
  const std::vector<std::pair<std::string, std::string>> commands{
      {"plan --topology hgx-h200:gpus=4 --size 1MiB --algorithm ring --out ", "proved"},
      {"tune --topology hgx-h200:gpus=2 --profile ideal --sizes 1KiB..1KiB --out ", "1 KiB"},
      {"simulate '" + plan.string() + "' --trace ", "GB/s algbw"},
      {"simulate '" + plan.string() + "' --heatmap ", "GB/s algbw"}};
  for (const auto& [command, word] : commands) {
    const auto out = test::scratch("out.json");
    const auto ran = shell("set -o pipefail; (ulimit -f 1; \"$P\" " + command + "'" + out.string() + "') | cat");
    EXPECT_EQ(ran.exit, 1) << command;
    EXPECT_NE(ran.err.find(out.string() + ": error: cannot write this file: File too large"), std::string::npos) << ran.err;
    EXPECT_NE(ran.out.find(word), std::string::npos) << command << ": " << ran.out;
    EXPECT_FALSE(std::filesystem::exists(out)) << command;
  }
}

TEST(Out, OfALinkReplacesWhatItLeadsTo) {
  const auto folder = test::scratch("folder");
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "real.txt") << "old";
  std::filesystem::remove(folder / "link.txt");
  std::filesystem::create_symlink("real.txt", folder / "link.txt");
  ASSERT_EQ(test::p2plab("topo show hgx-h200:gpus=2 --out '" + (folder / "link.txt").string() + "'").exit, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link.txt"));
  EXPECT_NE(test::content(folder / "real.txt").find("hgx-h200"), std::string::npos);
}

// A program whose stdout is a pipe, and signals for it.
class Running {
 public:
  explicit Running(std::vector<std::string> words) {
    EXPECT_EQ(pipe(out_.data()), 0);
    EXPECT_EQ(pipe(err_.data()), 0);
    child_ = fork();
    if (child_ != 0) {
      close(out_[1]);
      close(err_[1]);
      return;
    }
    dup2(out_[1], STDOUT_FILENO);
    dup2(err_[1], STDERR_FILENO);
    for (const auto end : {out_[0], out_[1], err_[0], err_[1]}) close(end);
    signal(SIGINT, SIG_DFL);
    std::vector<char*> arguments;
    words.insert(words.begin(), P2PLAB_PROGRAM);
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execv(P2PLAB_PROGRAM, arguments.data());
    _exit(127);
  }
  ~Running() {
    close(out_[0]);
    close(err_[0]);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  Running(Running&&) = delete;
  Running& operator=(Running&&) = delete;

  void send(int signal) const { kill(child_, signal); }
  /// Reads stderr until it has said this; false if it ended before.
  bool wait_for(const std::string& words) {
    std::array<char, 4096> piece{};
    while (said_.find(words) == std::string::npos) {
      const auto count = read(err_[0], piece.data(), piece.size());
      if (count <= 0) return false;
      said_.append(piece.data(), static_cast<std::size_t>(count));
    }
    return true;
  }
  void wait_until_the_pipe_is_full() const {
    constexpr int nearly = 60'000;
    for (int waiting = 0; waiting < nearly; usleep(10'000)) ASSERT_EQ(ioctl(out_[0], FIONREAD, &waiting), 0);
    usleep(100'000);
  }
  std::string rest_of_stdout() const { return all_of(out_[0]); }
  std::string rest_of_stderr() const { return all_of(err_[0]); }
  int exit_code() const {
    int status = 0;
    waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  static std::string all_of(int file) {
    std::string text;
    std::array<char, 4096> piece{};
    for (auto count = read(file, piece.data(), piece.size()); count > 0; count = read(file, piece.data(), piece.size()))
      text.append(piece.data(), static_cast<std::size_t>(count));
    return text;
  }
  pid_t child_ = -1;
  std::array<int, 2> out_{};
  std::array<int, 2> err_{};
  std::string said_;
};

std::string config_of(const std::string& name, const std::string& rest) {
  const auto file = test::scratch(name);
  std::ofstream(file) << "version: 1\n" << rest;
  return file.string();
}

TEST(Signal, InTheLastPlanLeavesTheReportOnStdout) {
  const auto config =
      config_of("slow.yaml", "topology: {preset: torus, dims: 10x10}\ncollectives: [all_reduce]\nalgorithms: [forest]\nsizes: [64 MiB]\n");
  for (const auto& [signal, code] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}, std::pair{SIGHUP, 129}}) {
    Running run({"run", config, "--json"});
    EXPECT_TRUE(run.wait_for("plan, prove"));
    run.send(signal);
    const auto report = nlohmann::json::parse(run.rest_of_stdout(), nullptr, false);
    EXPECT_EQ(run.exit_code(), code);
    ASSERT_FALSE(report.is_discarded());
    EXPECT_NE(report["skipped"].dump().find("interrupted"), std::string::npos) << report["skipped"];
  }
}

TEST(Signal, EndsARunWhoseOutputNobodyTakes) {
  std::string sizes;
  for (int k = 1; k < 200; ++k) sizes += (k > 1 ? ", " : "") + std::to_string(4 * k) + " KiB";
  const auto config = config_of("many.yaml", "topology: {preset: hgx-h200}\ncollectives: [all_reduce]\nalgorithms: [ring]\nsizes: [" + sizes + "]\n");
  Running run({"run", config, "--json"});
  run.wait_until_the_pipe_is_full();
  run.send(SIGINT);
  EXPECT_EQ(run.exit_code(), 130);
}

TEST(Signal, KeepsTheBestPlanSoFar) {
  Running plan({"plan", "--topology", "torus:dims=16x16", "--size", "64MiB", "--json", "--time-limit", "600"});
  usleep(1'500'000);
  plan.send(SIGINT);
  const auto out = plan.rest_of_stdout();
  const auto err = plan.rest_of_stderr();
  const auto code = plan.exit_code();
  if (code == 0) GTEST_SKIP() << "it was planned before the signal came";
  EXPECT_EQ(code, 130);
  EXPECT_NE(err.find("interrupted"), std::string::npos) << err;
  EXPECT_TRUE(out.empty() || !nlohmann::json::parse(out, nullptr, false).is_discarded()) << out;
}

// A plan of 41 lanes has no form of one thread block: that is an error, but the plan is made.
TEST(Plan, IsGivenThoughItDoesNotFitTheMultiprocessorsThatAreAskedOf) {
  const auto file = test::scratch("plan.json");
  const auto ran = test::p2plab("plan --topology dgx-v100 --size 256MiB --algorithm forest --multiprocessors 1 --out '" + file.string() + "'");
  EXPECT_EQ(ran.exit, 1);
  EXPECT_NE(ran.err.find("thread blocks of each GPU, not 1"), std::string::npos) << ran.err;
  EXPECT_NE(ran.out.find("predicted"), std::string::npos) << ran.out;
  EXPECT_EQ(test::p2plab("verify '" + file.string() + "'").exit, 0);
}

}  // namespace
}  // namespace p2plab::lost_results_test
