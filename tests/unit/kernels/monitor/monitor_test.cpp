// SPDX-License-Identifier: Apache-2.0
// The record of calls: what is written is read, what is overwritten is counted, and no file, however wrong, is more than an error.
#include "p2plab/run/monitor.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "monitor/gpu_place.h"
#include "monitor/recorder.h"
#include "support/scratch.h"

namespace p2plab::monitor_test {
namespace {

using monitor::CallInfo;
using monitor::Level;
using monitor::Progress;
using monitor::Recorder;

std::unique_ptr<Recorder> recorder_in(const std::string& folder, std::uint32_t calls = 256, Level level = Level::steps) {
  return Recorder::open({.source = "host", .level = level, .folder = folder.c_str(), .calls = calls, .steps = 64});
}

std::string folder_of_test() { return test::scratch("records").parent_path().string(); }

// By its place on PCIe, which is the same for all processes.
TEST(Monitor, ARanksGpuIsNamedWhateverItsProcessSees) {
  const auto recorder = recorder_in(folder_of_test());
  ASSERT_NE(recorder, nullptr);
  recorder->add_side({.communicator = 1, .rank = 0, .ranks = 2, .device = 0, .place = monitor::place_number("00000000:8A:00.0")});
  recorder->add_side({.communicator = 1, .rank = 1, .ranks = 2, .device = 0, .place = monitor::place_number("0001:c3:1f.7")});
  recorder->add_side({.communicator = 1});
  const auto sides = read_records(recorder->path())->sides;
  ASSERT_EQ(sides.size(), 3U);
  EXPECT_EQ(sides[0].place, "0000:8a:00.0");
  EXPECT_EQ(sides[1].place, "0001:c3:1f.7");
  EXPECT_EQ(sides[2].place, "");
  EXPECT_EQ(monitor::place_number("no place"), 0U);
}

TEST(Monitor, ACallIsReadAsItWasWritten) {
  const auto recorder = recorder_in(folder_of_test());
  ASSERT_NE(recorder, nullptr);
  const int side = recorder->add_side({.communicator = 77, .rank = 3, .ranks = 4, .device = 1, .name = "world"});
  const auto ring = recorder->name("ring");
  EXPECT_EQ(recorder->name("ring"), ring);
  const auto number = recorder->begin(side, {.count = 1000,
                                             .bytes = 2000,
                                             .kind = monitor::all_reduce,
                                             .type = 9,
                                             .op = 0,
                                             .backend = monitor::Backend::p2p,
                                             .algorithm = ring,
                                             .flags = monitor::captured,
                                             .root = -1,
                                             .peer = 2,
                                             .blocks = 8,
                                             .stream = 0xabcd,
                                             .predicted = 5e-6F,
                                             .low = 4e-6F,
                                             .high = 6e-6F});
  recorder->device_begin(number, 1'000'700);
  recorder->device_begin(number, 1'000'500);
  recorder->device_end(number, 1'004'000);
  recorder->device_end(number, 1'005'500);
  recorder->end(number, Progress::done);
  recorder->step({.call = number, .begun = 1, .ended = 2, .step = 7, .lane = 1, .block = 2});
  recorder->event(monitor::EventKind::error, side, "rank 2 is gone");
  const auto process = read_records(recorder->path(), {.steps = true});
  ASSERT_TRUE(process) << process.error().message;
  ASSERT_EQ(process->calls.size(), 1U);
  const auto& call = process->calls.front();
  EXPECT_EQ(process->sides.at(call.side).rank, 3);
  EXPECT_EQ(process->sides.at(call.side).communicator, 77U);
  EXPECT_EQ(process->sides.at(call.side).ended, 1U);
  EXPECT_EQ(process->sides.at(call.side).bytes.at(0), 2000U);
  EXPECT_EQ(std::string(kind_word(call.kind)) + " " + std::string(type_word(call.type)) + " " + std::string(backend_word(call.backend)),
            "all_reduce bfloat16 p2p");
  EXPECT_EQ(process->name_of(call.algorithm), "ring");
  EXPECT_EQ(call.device_time, 5000U);  // from the first block's begin to the last one's end
  EXPECT_NEAR(call.time().count(), 5e-6, 1e-12);
  EXPECT_NEAR(call.high.count(), 6e-6, 1e-12);
  EXPECT_TRUE(call.captured);
  EXPECT_EQ(call.root, -1);
  EXPECT_EQ(call.peer, 2);
  EXPECT_EQ(call.blocks, 8);
  EXPECT_EQ(call.stream, 0xabcdU);
  EXPECT_EQ(call.progress, CallProgress::done);
  ASSERT_EQ(process->steps.size(), 1U);
  EXPECT_EQ(process->steps.front().call, call.number);
  EXPECT_EQ(process->events.at(0).text, "rank 2 is gone");
}

TEST(Monitor, EveryCallIsReadWholeOrCountedAsOverwrittenOrDropped) {
  const auto recorder = recorder_in(folder_of_test(), 4096, Level::basic);
  ASSERT_NE(recorder, nullptr);
  constexpr int writers = 4;
  constexpr std::uint64_t each = 20'000;
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w) {
    const int side = recorder->add_side({.communicator = 1, .rank = w, .ranks = writers});
    threads.emplace_back([&recorder, side] {
      for (std::uint64_t i = 0; i < each; ++i) {
        const auto number = recorder->begin(side, {.count = i * 3, .bytes = 1, .kind = monitor::all_reduce, .stream = static_cast<std::uint32_t>(i)});
        recorder->end(number, Progress::done);
      }
    });
  }
  std::uint64_t from = 0;
  std::uint64_t seen = 0;
  std::uint64_t lost = 0;
  std::uint64_t missed = 0;
  std::uint64_t dropped = 0;
  const auto look = [&] {
    const auto process = read_records(recorder->path(), {.from = from});
    ASSERT_TRUE(process) << process.error().message;
    for (const auto& call : process->calls) {
      ASSERT_EQ(call.count, call.sequence * 3);
      ASSERT_EQ(call.stream, call.sequence);
    }
    seen += process->calls.size();
    lost += process->overwritten;
    missed += process->missed;
    dropped = process->dropped;
    from = process->next;
  };
  for (int i = 0; i < 200; ++i) look();
  for (auto& thread : threads) thread.join();
  look();
  EXPECT_EQ(from, writers * each);
  EXPECT_EQ(seen + lost + missed, writers * each) << seen << " read, " << lost << " overwritten, " << dropped << " dropped";
  EXPECT_LE(missed, dropped);
  EXPECT_GE(seen, 4096U - missed);
  const auto process = read_records(recorder->path());
  ASSERT_TRUE(process);
  EXPECT_EQ(process->sides.at(0).counts.at(0), each);  // totals count what the ring has long forgotten
}

// A communicator that is made, and called, while the record is read.
TEST(Monitor, ACallOfANewCommunicatorIsNotMissed) {
  for (int turn = 0; turn < 10; ++turn) {
    const auto recorder = recorder_in(folder_of_test(), 1024);
    ASSERT_NE(recorder, nullptr);
    constexpr int sides = 200;
    std::jthread writer([&] {
      for (int s = 0; s < sides; ++s)
        recorder->end(recorder->begin(recorder->add_side({.communicator = static_cast<std::uint64_t>(s) + 1}), {.count = 1}), Progress::done);
    });
    std::size_t read = 0;
    for (std::uint64_t from = 0; from < sides;) {
      const auto process = read_records(recorder->path(), {.from = from});
      ASSERT_TRUE(process) << process.error().message;
      for (const auto& call : process->calls) EXPECT_EQ(process->sides[call.side].communicator, call.number + 1);
      read += process->calls.size();
      from = process->next;
    }
    EXPECT_EQ(read, sides);
  }
}

TEST(Monitor, SendsAndReceivesTakeNoNumbersOfTheCallsThatAllRanksMake) {
  const auto recorder = recorder_in(folder_of_test());
  const int side = recorder->add_side({.communicator = 1});
  for (const auto kind : {monitor::all_reduce, monitor::send, monitor::receive, monitor::all_reduce}) recorder->begin(side, {.kind = kind});
  const auto process = read_records(recorder->path());
  ASSERT_TRUE(process);
  ASSERT_EQ(process->calls.size(), 4U);
  EXPECT_EQ(process->calls[2].sequence, 1U);
  EXPECT_EQ(process->calls[3].sequence, 1U);
  EXPECT_EQ(process->sides.front().begun, 2U);
}

TEST(Monitor, ALateEndMarksNoOtherCall) {
  const auto recorder = recorder_in(folder_of_test(), 2);
  const int side = recorder->add_side({.communicator = 1});
  const auto first = recorder->begin(side, {.kind = monitor::all_reduce});
  for (int i = 0; i < 2; ++i) recorder->begin(side, {.kind = monitor::all_reduce});
  recorder->end(first, Progress::failed);
  recorder->device_time(first, 5);
  const auto process = read_records(recorder->path());
  ASSERT_TRUE(process);
  ASSERT_EQ(process->calls.size(), 2U);
  for (const auto& call : process->calls) {
    EXPECT_EQ(call.progress, CallProgress::running);
    EXPECT_EQ(call.device_time, 0U);
  }
}

TEST(Monitor, AForkedChildWritesIntoNobodysRecord) {
  const auto recorder = recorder_in(folder_of_test());
  const int side = recorder->add_side({.communicator = 1});
  const auto child = fork();
  if (child == 0) {
    recorder->event(monitor::EventKind::note, side, "child");
    _exit(recorder->begin(side, {.kind = monitor::all_reduce}) == 0 && recorder->add_side({}) == -1 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  const auto process = read_records(recorder->path());
  ASSERT_TRUE(process);
  EXPECT_TRUE(process->calls.empty());
  EXPECT_TRUE(process->events.empty());
}

TEST(Monitor, TheFileIsItsOwnersAloneAndGoesInOrder) {
  auto kept = recorder_in(folder_of_test());
  struct stat about {};
  ASSERT_EQ(stat(kept->path(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  const std::string path = kept->path();
  kept.reset();
  const auto process = read_records(path);
  ASSERT_TRUE(process);
  EXPECT_EQ(process->state, ProcessState::ended);
  auto passing = Recorder::open({.source = "host", .level = Level::basic, .calls = 2});
  ASSERT_NE(passing, nullptr);
  const std::string gone = passing->path();
  EXPECT_TRUE(gone.starts_with("/dev/shm/p2plab-monitor-"));
  passing.reset();
  EXPECT_NE(access(gone.c_str(), F_OK), 0);
}

TEST(Monitor, AStoppedAndAKilledProcessAreToldFromARunningOne) {
  const auto folder = folder_of_test();
  std::array<int, 2> ready{};
  ASSERT_EQ(pipe(ready.data()), 0);
  const auto child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto recorder = recorder_in(folder);
    static_cast<void>(write(ready[1], "x", 1));
    pause();
    _exit(recorder == nullptr ? 1 : 0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  const auto files = record_files(folder);
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 1U);
  EXPECT_EQ(read_records(files->front())->state, ProcessState::running);
  kill(child, SIGSTOP);
  waitpid(child, nullptr, WUNTRACED);
  EXPECT_EQ(read_records(files->front())->state, ProcessState::stopped);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(read_records(files->front())->state, ProcessState::gone);
  close(ready[0]);
  close(ready[1]);
}

TEST(Monitor, AFileThatIsNoRecordIsAnErrorThatSaysSo) {
  const auto recorder = recorder_in(folder_of_test(), 2);
  std::ifstream file(recorder->path(), std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(file), {});
  const auto path = test::scratch("wrong").string();
  const auto says = [&](const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
    const auto process = read_records(path);
    return process ? std::string{"read"} : process.error().message;
  };
  EXPECT_EQ(says(whole), "read");
  EXPECT_NE(says("").find("it ends too soon"), std::string::npos);
  EXPECT_NE(says(std::string(whole.size(), 'x')).find("does not begin as one"), std::string::npos);
  EXPECT_NE(says(whole.substr(0, whole.size() - 1)).find("sizes do not fit"), std::string::npos);
  auto other = whole;
  other[8] = 9;
  EXPECT_NE(says(other).find("version 9"), std::string::npos);
  // Any 8 bytes of the header and the tables may be anything: an error or a record, never a crash.
  for (std::size_t at = 8; at < 512; at += 12) {
    auto bad = whole;
    std::memset(bad.data() + at, 0xff, 8);
    says(bad);
  }
  EXPECT_FALSE(read_records("/dev/null"));
  EXPECT_FALSE(record_files("/no/such/folder"));
}

}  // namespace
}  // namespace p2plab::monitor_test
