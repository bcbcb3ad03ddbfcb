// SPDX-License-Identifier: Apache-2.0
// The shim before a stub of NCCL and a stub of our own library: every name is there and passes on, and what is served is what should be. No GPU.
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "p2plab/run/monitor.h"
#include "support/scratch.h"
#include "unit/kernels/shim/program.h"

namespace p2plab::shim_test {
namespace {

using test::ran;

const std::string stage = P2PLAB_SHIM_STAGE;
const std::string source = P2PLAB_SOURCE_DIR;

std::vector<std::string> names_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.front() != '#') names.push_back(line);
  }
  return names;
}

TEST(Shim, HasEveryNameAndPassesItsArgumentsOn) {
  const auto names = names_of(source + "/kernels/src/shim/names.txt");
  const auto listed = names_of(source + "/kernels/src/shim/served.txt");
  const std::set<std::string> served(listed.begin(), listed.end());
  ASSERT_GT(names.size(), 150U);
  setenv("P2PLAB_NCCL", (stage + "/names/libnccl.so.2").c_str(), 1);
  setenv("P2PLAB_DISABLE", "1", 1);
  auto* const shim = dlopen((stage + "/libp2plab-nccl.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(shim, nullptr) << dlerror();
  auto* const stub = dlopen((stage + "/names/libnccl.so.2").c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(stub, nullptr) << dlerror();
  const auto* const arguments = static_cast<const long*>(dlsym(stub, "stub_arguments"));
  const auto* const number = static_cast<const double*>(dlsym(stub, "stub_number"));
  for (const int round : {1, 2}) {  // found when first called, then jumped to
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto& name = names[i];
      using Function = int(long, long, long, long, long, long, long, long, long, double);
      auto* const function = reinterpret_cast<Function*>(dlsym(shim, name.c_str()));
      ASSERT_NE(function, nullptr) << name;
      const bool own = served.contains(name.front() == 'p' ? name.substr(1) : name);
      if (own) continue;
      EXPECT_EQ(function(11 * round, 12, 13, 14, 15, 16, 17, 18, 19, 2.5), static_cast<int>(i) + 1000) << name;
      EXPECT_EQ(arguments[0], 11 * round) << name;
      for (long k = 1; k < 9; ++k) EXPECT_EQ(arguments[k], 11 + k) << name;
      EXPECT_EQ(*number, 2.5) << name;
    }
  }
  unsetenv("P2PLAB_NCCL");
  unsetenv("P2PLAB_DISABLE");
}

TEST(Shim, KnowsEveryNameOfTheToolkitsNccl) {
  const std::string nccl = "/usr/local/cuda/lib64/libnccl.so.2";
  if (!std::filesystem::exists(nccl)) GTEST_SKIP() << "no NCCL in the CUDA toolkit: its names are not compared";
  const auto names = names_of(source + "/kernels/src/shim/names.txt");
  const std::set<std::string> known(names.begin(), names.end());
  const auto all = ran("nm -D --defined-only " + nccl + " | awk '{ print $3 }' | grep -E '^p?nccl[A-Z]'");
  ASSERT_EQ(all.code, 0) << all.text;
  std::istringstream lines(all.text);
  int count = 0;
  for (std::string name; std::getline(lines, name); ++count) EXPECT_TRUE(known.contains(name)) << name << " would not be reached";
  EXPECT_GT(count, 90);
}

// What the shim's symbols must not do is stand before others' of the same names.
TEST(Shim, ShowsNothingButNcclsNames) {
  for (const auto* library : {"/libp2plab-nccl.so", "/libp2plab-audit.so"}) {
    const auto others = ran("nm -D --defined-only " + stage + library + " | awk '{ print $3 }' | grep -vE '^(p?nccl[A-Z]|p2plab_nccl_|la_)'");
    EXPECT_EQ(others.text, "") << library;
  }
}

std::string client(const std::string& settings, const std::string& words) { return settings + " " + stage + "/p2plab_shim_client " + words; }

const std::string lines_of_a_run =
    "version 22809, the shim\n"
    "init: 0, served 0, passed on 0 (no program ready 0, no communicator of ours 0, type or operation 0, other calls 0)\n"
    "even: 0, served 1, passed on 0 (no program ready 0, no communicator of ours 0, type or operation 0, other calls 0)\n"
    "odd: 0, served 1, passed on 1 (no program ready 1, no communicator of ours 0, type or operation 0, other calls 0)\n"
    "nested in NCCL: 0, served 1, passed on 2 (no program ready 2, no communicator of ours 0, type or operation 0, other calls 0)\n"
    "own operation: 0, served 1, passed on 3 (no program ready 2, no communicator of ours 0, type or operation 1, other calls 0)\n"
    "float8: 0, served 1, passed on 4 (no program ready 2, no communicator of ours 0, type or operation 2, other calls 0)\n"
    "nothing: 0, served 1, passed on 5 (no program ready 2, no communicator of ours 0, type or operation 3, other calls 0)\n"
    "of another: 0, served 1, passed on 6 (no program ready 2, no communicator of ours 1, type or operation 3, other calls 0)\n"
    "in a group: 0, served 1, passed on 6 (no program ready 2, no communicator of ours 1, type or operation 3, other calls 0)\n"
    "own operation in a group: 0, served 1, passed on 6 (no program ready 2, no communicator of ours 1, type or operation 3, other calls 0)\n"
    "inner end: 0, served 1, passed on 6 (no program ready 2, no communicator of ours 1, type or operation 3, other calls 0)\n"
    "outer end: 0, served 2, passed on 7 (no program ready 2, no communicator of ours 1, type or operation 4, other calls 0)\n"
    "split: 0, served 2, passed on 7 (no program ready 2, no communicator of ours 1, type or operation 4, other calls 0)\n"
    "of the part: 0, served 3, passed on 7 (no program ready 2, no communicator of ours 1, type or operation 4, other calls 0)\n"
    "twin: 0, served 4, passed on 7 (no program ready 2, no communicator of ours 1, type or operation 4, other calls 0)\n"
    "destroy: 0, served 4, passed on 7 (no program ready 2, no communicator of ours 1, type or operation 4, other calls 0)\n"
    "abort: 0, served 4, passed on 7 (no program ready 2, no communicator of ours 1, type or operation 4, other calls 0)\n"
    "after: 0, served 4, passed on 8 (no program ready 2, no communicator of ours 2, type or operation 4, other calls 0)\n"
    "all ranks made in a group: 0, served 4, passed on 8 (no program ready 2, no communicator of ours 2, type or operation 4, other calls 0)\n"
    "and called in one: 0, served 6, passed on 8 (no program ready 2, no communicator of ours 2, type or operation 4, other calls 0)\n"
    "three at once: 0, served 9, passed on 8 (no program ready 2, no communicator of ours 2, type or operation 4, other calls 0)\n"
    "ours: init 2 root counted made all_reduce all_reduce all_reduce all_reduce init 2 /0split3 counted made all_reduce all_reduce destroyed aborted "
    "destroyed all counted made counted made all_reduce all_reduce all counted made counted made counted made all_reduce all_reduce all_reduce \n";

TEST(Shim, ByPathServesWhatIsReadyAndPassesOnTheRest) {
  const auto run = ran(client("P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "path " + stage + "/libp2plab-nccl.so"));
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.text, lines_of_a_run);
}

// NCCL's own calls of its public names come to a preloaded shim, too, and are no calls of the program's.
TEST(Shim, PreloadedServesTheSame) {
  const auto run = ran(client("LD_PRELOAD=" + stage + "/libp2plab-nccl.so P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "global"));
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.text, lines_of_a_run);
}

TEST(Shim, TheRedirectorPutsItBeforeWhateverAsksForNccl) {
  const auto real = stage + "/nccl/libnccl.so.2";
  for (const auto& asked : {real, std::string{"libnccl.so.2"}}) {
    const auto run = ran(client("LD_AUDIT=" + stage + "/libp2plab-audit.so P2PLAB_NCCL=" + real, "path " + asked));
    EXPECT_EQ(run.code, 0);
    EXPECT_EQ(run.text, lines_of_a_run) << asked;
  }
  const auto alone = ran(client("", "path " + real));
  EXPECT_EQ(alone.text, "version 22809, NCCL itself\n");
}

// Ours wait for each other when they end: the first must not keep the thread from the second.
TEST(Shim, OneThreadEndsTheRanksThatItSetUpOneByOne) {
  const auto run = ran(client("P2PLAB_STUB_MEETS=1 P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "ranks " + stage + "/libp2plab-nccl.so"));
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.text.find("destroyed destroyed "), std::string::npos) << run.text;
  EXPECT_EQ(run.text.find("alone"), std::string::npos) << run.text;
}

// Ours wait until NCCL takes their messages.
TEST(Shim, CallsOverServersInAGroupThatDoesNotBlockAreServed) {
  const auto settings = "STUB_SERVERS=2 STUB_NCCL_LATE=1 P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2";
  const auto run = ran(client(settings, "late " + stage + "/libp2plab-nccl.so"));
  EXPECT_NE(run.text.find("ended: 7, served 1, passed on 1 "), std::string::npos) << run.text;
}

TEST(Shim, WhatAnotherThreadAbortsEndsAfterTheCallThatIsUnderWay) {
  const auto run = ran(client("P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "abort " + stage + "/libp2plab-nccl.so"));
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.text.find("all_reduce aborted back destroyed \n"), std::string::npos) << run.text;
}

TEST(Shim, ServesARankThatMadeManyCallsBeforeTheOthersCame) {
  const auto run = ran(client("STUB_SLOW=700 P2PLAB_WAIT=0 P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "early " + stage + "/libp2plab-nccl.so"));
  EXPECT_NE(run.text.find("\nafter: served 1, passed on 100000"), std::string::npos) << run.text;
}

// As from a rank without the shim, so that both may be in one communicator; an operation of the caller's may go within the group.
TEST(Shim, NcclGetsTheCallsOfAGroupInTheirOrder) {
  for (const auto* shim : {"/libp2plab-nccl.so", "/lonely/libp2plab-nccl.so"}) {
    const auto run = ran(client("P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "order " + stage + shim));
    EXPECT_EQ(run.code, 0);
    EXPECT_NE(run.text.find("NCCL: gone 1 3 5 7 gone 9 end \n"), std::string::npos) << run.text;
  }
}

TEST(Shim, SwitchedOffOrWithoutOursPassesEverythingOn) {
  const auto nccl = "P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2";
  const auto off = ran(client(nccl + " P2PLAB_DISABLE=1", "path " + stage + "/libp2plab-nccl.so"));
  EXPECT_NE(off.text.find("at once: 0, served 0, passed on 17 (no program ready 0, no communicator of ours 13"), std::string::npos) << off.text;
  const auto lonely = ran(client(nccl, "path " + stage + "/lonely/libp2plab-nccl.so"));
  EXPECT_NE(lonely.text.find("p2plab-nccl: all calls are passed on: "), std::string::npos) << lonely.text;
  EXPECT_NE(lonely.text.find("at once: 0, served 0, passed on 17"), std::string::npos) << lonely.text;
}

TEST(Shim, LetsNcclAddNothingWhereTheOrderOfSumsIsFixed) {
  const auto run = ran(client("P2PLAB_ORDER=fixed P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "path " + stage + "/libp2plab-nccl.so"));
  for (const auto* line : {"\neven: 0, served 1, passed on 0 ", "\nodd: 5, served 1, passed on 0 ", "\nown operation: 5, ", "\nfloat8: 5, ",
                           "\nnothing: 0, ", "\nof another: 5, ", "\nouter end: 5, served 2, "})
    EXPECT_NE(run.text.find(line), std::string::npos) << line << run.text;
  EXPECT_NE(run.text.find("p2plab-nccl: P2PLAB_ORDER=fixed: NCCL may not add in our stead: no program is ready\n"), std::string::npos) << run.text;
  EXPECT_EQ(ran(client("P2PLAB_ORDER=any P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "path " + stage + "/libp2plab-nccl.so")).text, lines_of_a_run);
}

TEST(Shim, WithoutNcclSaysSoAndAnswersWithAnError) {
  const auto run = ran(client("P2PLAB_NCCL=/no/such/libnccl.so.2", "path " + stage + "/libp2plab-nccl.so"));
  EXPECT_NE(run.text.find("p2plab-nccl: P2PLAB_NCCL names /no/such/libnccl.so.2, which cannot be loaded\n"), std::string::npos) << run.text;
  EXPECT_NE(run.text.find("init: 5, "), std::string::npos) << run.text;
}

TEST(Shim, ReportsAtTheEndWhereItIsAsked) {
  const auto run = ran(client("P2PLAB_REPORT=1 P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2", "path " + stage + "/libp2plab-nccl.so"));
  EXPECT_NE(run.text.find(": served 9, passed on 8 ("), std::string::npos) << run.text;
  EXPECT_NE(run.text.find("p2plab-nccl, process "), std::string::npos) << run.text;
}

TEST(Shim, WhatLibp2plabReadsInTheSettingsFileHoldsUnlessTheEnvironmentSaysElse) {
  const auto library = " P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2";
  const auto shim = "path " + stage + "/libp2plab-nccl.so";
  EXPECT_NE(ran(client("P2PLAB_STUB_FILE=P2PLAB_REPORT=1" + library, shim)).text.find("p2plab-nccl, process "), std::string::npos);
  EXPECT_EQ(ran(client("P2PLAB_REPORT= P2PLAB_STUB_FILE=P2PLAB_REPORT=1" + library, shim)).text, lines_of_a_run);
  EXPECT_NE(ran(client("P2PLAB_STUB_FILE=P2PLAB_DISABLE=1" + library, shim)).text.find("\neven: 0, served 0, passed on 1 "), std::string::npos);
}

// Without libp2plab all are communicators that the shim did not see made. One is called once more after it was aborted: that is another one, which
// lies where the first was.
TEST(Shim, RecordsCommunicatorsApartThatLayAtOnePlace) {
  const auto records = test::scratch("records").parent_path();
  const auto settings = "P2PLAB_MONITOR=basic P2PLAB_MONITOR_DIR=" + records.string() + " P2PLAB_NCCL=" + stage + "/nccl/libnccl.so.2";
  const auto run = ran(client(settings, "path " + stage + "/lonely/libp2plab-nccl.so"));
  ASSERT_EQ(run.code, 0) << run.text;
  const auto files = record_files(records.string());
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 1U);
  const auto process = read_records(files->front());
  ASSERT_TRUE(process) << process.error().message;
  EXPECT_EQ(process->state, ProcessState::ended);
  std::set<std::uint64_t> numbers;
  int closed = 0;
  for (const auto& side : process->sides) {
    numbers.insert(side.communicator);
    closed += side.closed != 0 ? 1 : 0;
  }
  EXPECT_EQ(process->sides.size(), 9U);  // no communicator, two made, one after the abort, two in a group, three at once
  EXPECT_EQ(numbers.size(), process->sides.size());
  EXPECT_EQ(closed, 2);  // by destroy and abort
}

}  // namespace
}  // namespace p2plab::shim_test
