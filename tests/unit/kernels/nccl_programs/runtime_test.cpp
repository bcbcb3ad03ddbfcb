// SPDX-License-Identifier: Apache-2.0
// The C interface on GPUs that are CPU threads: tables of this machine and of others, sizes that are NCCL's, waits that end.
#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "p2plab/c/p2plab.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/presets.h"
#include "support/host_gpu/streams.h"
#include "support/scratch.h"

namespace p2plab::runtime_test {
namespace {

// Our plans take 10 us, NCCL 5 at 1 MiB and 20 elsewhere.
class Scripted final : public Executor {
 public:
  explicit Scripted(bool nccl) : nccl_(nccl) {}
  Status available() const override { return {}; }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    const double us = !nccl_ ? 10 : job.program->payload.size() == 1_MiB ? 5 : 20;
    Measurement measured{.executor = "scripted", .clock = Clock::device};
    measured.samples.assign(static_cast<std::size_t>(options.repeats), Seconds{us * 1e-6});
    if (options.check) measured.check = DataCheck{.passed = true, .elements = 8};
    return measured;
  }

 private:
  bool nccl_;
};

// The table of a machine, in a file.
std::string table_of(const std::string& machine, const std::vector<std::string>& gpus, const std::vector<Bytes>& sizes = {4_KiB, 1_MiB, 4_MiB}) {
  const auto topology = resolve_topology(machine);
  expects(static_cast<bool>(topology));
  const Scripted ours(false);
  const Scripted nccl(true);
  SilentProgress progress;
  TuneOptions options{.sizes = sizes, .dtype = DataType::float32};
  options.measuring = TuneMeasuring{.ours = &ours, .nccl = &nccl, .on = {.executor = "scripted", .gpus = gpus, .version = "1", .date = "d"}};
  const auto table = tune(Evaluator(*topology), make_collective(CollectiveKind::all_reduce, topology->ranks()), options, progress);
  expects(static_cast<bool>(table));
  const auto text = write_tuned_yaml(*table);
  expects(static_cast<bool>(text));
  const auto path = test::scratch("table.yaml");
  std::ofstream(path) << *text;
  return path.string();
}

struct Library {
  void* handle = dlopen((std::string{P2PLAB_NCCL_STAGE} + "/libp2plab.so.1").c_str(), RTLD_NOW | RTLD_LOCAL);
  template <class F>
  F* function(const char* name) const {
    return reinterpret_cast<F*>(dlsym(handle, name));
  }
  std::string error() const { return function<decltype(p2plab_last_error)>("p2plab_last_error")(); }
};

// Both ranks of a communicator in this process, and what it says.
class Pair {
 public:
  explicit Pair(p2plab_config config) {
    config.say = [](const char* text, void* user) { static_cast<std::string*>(user)->append(text).append("\n"); };
    config.say_user = &said;
    if (config.prepare == nullptr) config.prepare = "";
    constexpr std::array devices{0, 1};
    result = library.function<decltype(p2plab_comm_init_all)>("p2plab_comm_init_all")(ranks.data(), 2, devices.data(), &config);
    error = result == P2PLAB_OK ? "" : library.error();
  }
  ~Pair() {
    for (auto* const rank : ranks) library.function<decltype(p2plab_comm_destroy)>("p2plab_comm_destroy")(rank);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  Pair(Pair&&) = delete;
  Pair& operator=(Pair&&) = delete;

  std::string explain(std::size_t count) const {
    const p2plab_call call{P2PLAB_ALL_REDUCE, count, P2PLAB_FLOAT32, P2PLAB_SUM, 0, 0};
    std::array<char, 1000> text{};
    library.function<decltype(p2plab_explain)>("p2plab_explain")(ranks[0], &call, text.data(), text.size());
    return text.data();
  }
  p2plab_result prepare(std::size_t count) const {
    const p2plab_call call{P2PLAB_ALL_REDUCE, count, P2PLAB_FLOAT32, P2PLAB_SUM, 0, 0};
    return library.function<decltype(p2plab_prepare)>("p2plab_prepare")(ranks[0], &call);
  }
  p2plab_result all_reduce(int rank, std::vector<float>& data, void* stream) const {
    return library.function<decltype(p2plab_all_reduce)>("p2plab_all_reduce")(data.data(), data.data(), data.size(), P2PLAB_FLOAT32, P2PLAB_SUM,
                                                                              ranks[static_cast<std::size_t>(rank)], stream);
  }
  p2plab_result async_error(int rank) const {
    return library.function<decltype(p2plab_comm_async_error)>("p2plab_comm_async_error")(ranks[static_cast<std::size_t>(rank)]);
  }

  Library library;
  std::array<p2plab_comm*, 2> ranks{};
  std::string said;
  p2plab_result result = P2PLAB_OK;
  std::string error;
};

p2plab_config with_table(const std::string& path) {
  p2plab_config config = P2PLAB_CONFIG;
  config.tuned = path.c_str();
  return config;
}

struct TestMachine {
  explicit TestMachine(const char* gpu, const char* reach = "nvlink") {
    setenv("P2PLAB_TEST_GPU", gpu, 1);
    setenv("P2PLAB_TEST_REACH", reach, 1);
  }
  ~TestMachine() {
    unsetenv("P2PLAB_TEST_GPU");
    unsetenv("P2PLAB_TEST_REACH");
  }
  TestMachine(const TestMachine&) = delete;
  TestMachine& operator=(const TestMachine&) = delete;
  TestMachine(TestMachine&&) = delete;
  TestMachine& operator=(TestMachine&&) = delete;
};

TEST(TunedTablesInTheRuntime, OfThisMachineAreTaken) {
  const TestMachine machine("NVIDIA H200");
  const auto path = table_of("hgx-h200:gpus=2", {"NVIDIA H200", "NVIDIA H200"});
  const Pair pair(with_table(path));
  ASSERT_EQ(pair.result, P2PLAB_OK) << pair.error;
  EXPECT_EQ(pair.said, "");
  ASSERT_EQ(pair.prepare(1024), P2PLAB_OK);
  EXPECT_NE(pair.explain(1024).find("on CPU threads"), std::string::npos) << pair.explain(1024);
}

TEST(TunedTablesInTheRuntime, OfOtherGpusAreRefused) {
  const TestMachine machine("NVIDIA A100-SXM4-80GB");
  const auto path = table_of("hgx-h200:gpus=2", {"NVIDIA H200", "NVIDIA H200"});
  const Pair pair(with_table(path));
  EXPECT_EQ(pair.result, P2PLAB_INVALID);
  EXPECT_NE(pair.error.find("table.yaml: the table is for another machine"), std::string::npos) << pair.error;
  EXPECT_NE(pair.error.find("the GPU of its rank 0 is NVIDIA H200, here it is NVIDIA A100-SXM4-80GB"), std::string::npos) << pair.error;
}

TEST(TunedTablesInTheRuntime, OfOtherLinksAreRefusedInBothDirections) {
  const std::map<std::string, std::string> wrong{{"peer", "peer access over PCIe"}, {"none", "no peer access"}};
  const auto path = table_of("hgx-h200:gpus=2", {"NVIDIA H200", "NVIDIA H200"});
  for (const auto& [reach, words] : wrong) {
    const TestMachine machine("NVIDIA H200", reach.c_str());
    const Pair pair(with_table(path));
    EXPECT_EQ(pair.result, P2PLAB_INVALID) << reach;
    EXPECT_NE(pair.error.find("between its ranks 0 and 1 there is NVLink, here " + words), std::string::npos) << pair.error;
  }
  const auto by_pcie = table_of("pcie-server:gpus=2,switches=1,sockets=1", {"NVIDIA H200", "NVIDIA H200"});
  const TestMachine machine("NVIDIA H200");
  const Pair pair(with_table(by_pcie));
  EXPECT_EQ(pair.result, P2PLAB_INVALID);
  EXPECT_NE(pair.error.find("here NVLink"), std::string::npos) << pair.error;
}

TEST(TunedTablesInTheRuntime, WhatCannotBeComparedIsSaid) {
  const TestMachine machine("NVIDIA H200", "unseen");
  const auto path = table_of("hgx-h200:gpus=2", {});
  const Pair pair(with_table(path));
  ASSERT_EQ(pair.result, P2PLAB_OK) << pair.error;
  EXPECT_NE(pair.said.find("table.yaml: not compared: how the GPUs are joined, since no process sees another's"), std::string::npos) << pair.said;
}

TEST(TunedTablesInTheRuntime, AreLeftAloudWhereDataWasAskedToGoThroughTheHost) {
  const TestMachine machine("NVIDIA H200");
  const auto path = table_of("hgx-h200:gpus=2", {"NVIDIA H200", "NVIDIA H200"});
  auto config = with_table(path);
  config.backend = "host";
  const Pair pair(config);
  ASSERT_EQ(pair.result, P2PLAB_OK) << pair.error;
  EXPECT_NE(pair.said.find("table.yaml: the table is not used: its plans go by peer access"), std::string::npos) << pair.said;
  EXPECT_EQ(pair.said.find('\n'), pair.said.size() - 1) << "said once";
}

// A table of a machine without peer access is used where there is none, and where none was asked for; its data is right.
TEST(TunedTablesInTheRuntime, OfMachinesWithoutPeerAccessServeThroughTheHost) {
  const auto path = table_of("pcie-server:gpus=2,switches=0,sockets=2", {"NVIDIA H200", "NVIDIA H200"}, {4_KiB});
  for (const auto* backend : {"auto", "host"}) {
    const TestMachine machine("NVIDIA H200", "none");
    auto config = with_table(path);
    config.backend = backend;
    config.load_nccl = 0;
    const Pair pair(config);
    ASSERT_EQ(pair.result, P2PLAB_OK) << pair.error;
    EXPECT_EQ(pair.said.find("not used"), std::string::npos) << pair.said;
    ASSERT_EQ(pair.prepare(1000), P2PLAB_OK) << pair.library.error();
    std::array<void*, 2> streams{host_stream_create(), host_stream_create()};
    std::array<std::vector<float>, 2> data{std::vector<float>(1000, 1), std::vector<float>(1000, 2)};
    for (const int rank : {0, 1})
      EXPECT_EQ(pair.all_reduce(rank, data[static_cast<std::size_t>(rank)], streams[static_cast<std::size_t>(rank)]), P2PLAB_OK);
    for (auto* const stream : streams) host_stream_destroy(stream);
    EXPECT_EQ(data[0], std::vector<float>(1000, 3)) << backend;
    EXPECT_EQ(data[1], data[0]);
  }
}

TEST(TunedTablesInTheRuntime, SizesThatAreNcclsAreLeftToTheCaller) {
  const TestMachine machine("NVIDIA H200");
  const auto path = table_of("hgx-h200:gpus=2", {"NVIDIA H200", "NVIDIA H200"});
  auto config = with_table(path);
  config.serve_ready_only = 1;
  config.prepare = "all_reduce:float32:sum:4KiB-1MiB";
  const Pair pair(config);
  ASSERT_EQ(pair.result, P2PLAB_OK) << pair.error;
  constexpr std::size_t mebibyte = 1 << 18;
  EXPECT_NE(pair.explain(mebibyte).find("nccl, by the caller: 5 us for all_reduce, 10 us for the fastest plan, as the table measured at 1 MiB"),
            std::string::npos)
      << pair.explain(mebibyte);
  std::array<void*, 2> streams{host_stream_create(), host_stream_create()};
  // 1000 are served by the program for 1024; 2048 lie between two sizes of the table.
  for (const auto& [count, wanted] : {std::pair{std::size_t{1024}, P2PLAB_OK}, std::pair{std::size_t{1000}, P2PLAB_OK},
                                      std::pair{std::size_t{2048}, P2PLAB_OK}, std::pair{mebibyte, P2PLAB_LEFT_TO_NCCL}}) {
    std::vector<float> zero(count, 1);
    std::vector<float> one(count, 2);
    EXPECT_EQ(pair.all_reduce(0, zero, streams[0]), wanted) << count;
    EXPECT_EQ(pair.all_reduce(1, one, streams[1]), wanted) << count;
    for (auto* const stream : streams) host_stream_wait(stream);
    EXPECT_EQ(zero[count - 1], wanted == P2PLAB_OK ? 3 : 1);
  }
  for (auto* const stream : streams) host_stream_destroy(stream);
}

// Backend nccl without NCCL: where the caller has one of its own all is its; elsewhere ours serves, aloud.
TEST(BackendNccl, WithoutNcclIsTheCallersOrFallsBackAloud) {
  p2plab_config config = P2PLAB_CONFIG;
  config.backend = "nccl";
  config.load_nccl = 0;
  {
    const Pair pair(config);
    ASSERT_EQ(pair.result, P2PLAB_OK) << pair.error;
    EXPECT_EQ(pair.said, "backend p2p instead of nccl: NCCL is not to be loaded (load_nccl is 0)\n");
    EXPECT_EQ(pair.explain(1024).substr(0, 4), "p2p:");
  }
  config.serve_ready_only = 1;
  const Pair pair(config);
  ASSERT_EQ(pair.result, P2PLAB_OK) << pair.error;
  EXPECT_EQ(pair.explain(1024), "nccl, by the caller: asked for");
  std::vector<float> data(1024, 1);
  EXPECT_EQ(pair.all_reduce(0, data, nullptr), P2PLAB_LEFT_TO_NCCL);
}

// Only one rank calls: it gives up after the deadline, not before, and says so.
TEST(DeadlinesInTheRuntime, EndAWaitForARankThatDoesNotCall) {
  p2plab_config config = P2PLAB_CONFIG;
  config.prepare = "all_reduce:float32:sum:4KiB";
  config.deadline_seconds = 0.25;
  const Pair pair(config);
  ASSERT_EQ(pair.result, P2PLAB_OK) << pair.error;
  std::vector<float> data(1024, 1);
  auto* const stream = host_stream_create();
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(pair.all_reduce(0, data, stream), P2PLAB_OK);
  EXPECT_EQ(pair.async_error(0), P2PLAB_OK);
  host_stream_wait(stream);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(250));
  EXPECT_EQ(pair.async_error(0), P2PLAB_FAILED);
  EXPECT_NE(pair.library.error().find("rank 0 waited longer than 250 ms"), std::string::npos) << pair.library.error();
  host_stream_destroy(stream);
}

TEST(DeadlinesInTheRuntime, AreFromATenthOfASecondToADay) {
  for (const double seconds : {0.05, -1.0, 90000.0, std::nan("")}) {
    p2plab_config config = P2PLAB_CONFIG;
    config.deadline_seconds = seconds;
    const Pair pair(config);
    EXPECT_EQ(pair.result, P2PLAB_INVALID) << seconds;
    EXPECT_NE(pair.error.find("ranks wait for each other for 0.1 to 86400 s"), std::string::npos) << pair.error;
  }
  for (const auto* text : {"", "2x", "soon", "0.01", "1e9"}) {
    setenv("P2PLAB_DEADLINE", text, 1);
    const Pair pair(P2PLAB_CONFIG);
    EXPECT_EQ(pair.result, P2PLAB_INVALID) << text;
    EXPECT_NE(pair.error.find(fmt::format("P2PLAB_DEADLINE='{}'", text)), std::string::npos) << pair.error;
  }
  unsetenv("P2PLAB_DEADLINE");
}

// A program that was built before there was a deadline has a shorter config.
TEST(DeadlinesInTheRuntime, AreUsualForProgramsThatKnowNone) {
  p2plab_config config = P2PLAB_CONFIG;
  config.size = offsetof(p2plab_config, deadline_seconds);
  config.deadline_seconds = 0.001;
  const Pair pair(config);
  EXPECT_EQ(pair.result, P2PLAB_OK) << pair.error;
}

}  // namespace
}  // namespace p2plab::runtime_test
