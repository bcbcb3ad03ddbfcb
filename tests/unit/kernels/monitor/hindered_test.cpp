// SPDX-License-Identifier: Apache-2.0
// Writers and readers of a record that hinder each other: one is put aside in the middle of a call, one is killed.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include <gtest/gtest.h>

#include "monitor/recorder.h"
#include "p2plab/run/monitor.h"
#include "support/scratch.h"

namespace p2plab::hindered_test {
namespace {

using monitor::Level;
using monitor::Progress;
using monitor::Recorder;

std::unique_ptr<Recorder> recorder_of(std::uint32_t calls) {
  const auto folder = test::scratch("records").parent_path().string();
  return Recorder::open({.source = "host", .level = Level::basic, .folder = folder.c_str(), .calls = calls, .steps = 64});
}

// The stamp of a call as its writer leaves it: odd until it is done.
void stamp(const Recorder& recorder, std::uint64_t slot, std::uint64_t value) {
  std::fstream file(recorder.path(), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(monitor::calls_at + slot * sizeof(monitor::CallSlot)));
  file.write(reinterpret_cast<const char*>(&value), sizeof value);
}

TEST(MonitorHindered, ACallThatIsStillBeingWrittenIsWaitedForHoweverManyFollowed) {
  const auto recorder = recorder_of(256);
  const int side = recorder->add_side({.communicator = 1});
  for (int i = 0; i < 200; ++i) recorder->begin(side, {.kind = monitor::all_reduce});
  stamp(*recorder, 10, 2 * 11 | 1);
  const auto before = read_records(recorder->path());
  ASSERT_TRUE(before);
  EXPECT_EQ(before->next, 10U);
  EXPECT_EQ(before->missed, 0U);
  stamp(*recorder, 10, 2 * 11);
  const auto after = read_records(recorder->path(), {.from = before->next});
  ASSERT_TRUE(after);
  EXPECT_EQ(after->calls.size(), 190U);
}

TEST(MonitorHindered, ACallThatWasLeftOutHoldsNobodyUp) {
  const auto recorder = recorder_of(4);
  const int side = recorder->add_side({.communicator = 1});
  for (int i = 0; i < 4; ++i) recorder->begin(side, {.kind = monitor::all_reduce});
  stamp(*recorder, 0, 2 * 1 | 1);
  for (int i = 0; i < 3; ++i) recorder->begin(side, {.kind = monitor::all_reduce});
  const auto process = read_records(recorder->path(), {.from = 4});
  ASSERT_TRUE(process);
  EXPECT_EQ(process->next, 7U);
  EXPECT_EQ(process->missed, 1U);
  EXPECT_EQ(process->dropped, 1U);
  EXPECT_EQ(process->calls.size(), 2U);
}

TEST(MonitorHindered, AReaderThatIsKilledWhileItReadsHoldsNoWriterUp) {
  const auto recorder = recorder_of(4096);
  const int side = recorder->add_side({.communicator = 1});
  std::uint64_t made = 0;
  for (int reader = 0; reader < 30; ++reader) {
    const auto child = fork();
    if (child == 0) {
      while (read_records(recorder->path())) {
      }
      _exit(1);
    }
    for (int i = 0; i < 2000; ++i, ++made) recorder->end(recorder->begin(side, {.count = made * 3, .kind = monitor::all_reduce}), Progress::done);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  const auto process = read_records(recorder->path());
  ASSERT_TRUE(process);
  EXPECT_EQ(process->next, made);
  EXPECT_EQ(process->dropped, 0U);
  ASSERT_EQ(process->calls.size(), 4096U);
  for (const auto& call : process->calls) EXPECT_EQ(call.count, call.number * 3);
}

}  // namespace
}  // namespace p2plab::hindered_test
