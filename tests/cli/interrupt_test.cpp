// SPDX-License-Identifier: Apache-2.0
// Ctrl-C during `p2plab run` leaves a report of what was finished.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::interrupt_test {
namespace {

// Starts `p2plab run CONFIG --out DIR` and interrupts it as soon as it says that it runs rows on the host.
int interrupted_run(const std::string& config, const std::string& out) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const auto child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    close(ends[0]);
    execl(P2PLAB_PROGRAM, P2PLAB_PROGRAM, "run", config.c_str(), "--out", out.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  std::string said;
  bool sent = false;
  std::array<char, 4096> piece{};
  for (auto count = read(ends[0], piece.data(), piece.size()); count > 0; count = read(ends[0], piece.data(), piece.size())) {
    said.append(piece.data(), static_cast<std::size_t>(count));
    if (!sent && said.find("run on host") != std::string::npos) sent = kill(child, SIGINT) == 0;
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(sent) << said;
  EXPECT_NE(said.find("interrupted"), std::string::npos) << said;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(InterruptedRun, KeepsItsFinishedRowsInEveryFileAndExitsWith130) {
  const auto config = test::scratch("long.yaml");
  std::ofstream(config) << "version: 1\ntopology: {preset: hgx-h200, gpus: 8}\ncollectives: [all_reduce]\nalgorithms: [one_shot]\n"
                           "sizes: {from: 1 KiB, to: 64 MiB}\nexecutors: [simulator, host]\nmeasure: {check_up_to: 64 MiB}\n";
  const auto out = test::scratch("out");
  EXPECT_EQ(interrupted_run(config.string(), out.string()), 130);
  const auto report = nlohmann::json::parse(test::content(out / "report.json"), nullptr, false);
  ASSERT_FALSE(report.is_discarded());
  std::size_t predicted = 0;
  std::size_t ran = 0;
  for (const auto& row : report["rows"]) {
    if (row["algorithm"] != "one_shot") continue;  // beside it stand what NCCL would do
    ++(row["executor"] == "simulator" ? predicted : ran);
  }
  EXPECT_EQ(predicted, 17U);  // 2^10 to 2^26
  EXPECT_LT(ran, 17U);
  EXPECT_NE(report["skipped"].dump().find("interrupted"), std::string::npos);
  const auto csv = test::content(out / "report.csv");
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(csv, '\n')), 1 + report["rows"].size());
}

}  // namespace
}  // namespace p2plab::interrupt_test
