// SPDX-License-Identifier: Apache-2.0
// What is timed on GPUs: in turns, NCCL once, again where NVML tells of a disturbance, and marked where that does not help.
#include <gtest/gtest.h>

#include "bench/quiet_times.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "run/device_rows.h"
#include "run/findings.h"
#include "run/plan_cases.h"

namespace p2plab::quiet_times_test {
namespace {

// A GPU whose state the test sets.
struct PlayedGpu {
  std::string clock = "1980";
  std::string held_back = "1";  // idle
  std::string processes;

  std::function<Result<NvmlQuestions>()> nvml() {
    return [this] {
      NvmlQuestions all{.init = [] { return 0; },
                        .shutdown = [] { return 0; },
                        .device_count = [](unsigned* count) { return *count = 1, 0; },
                        .device = [](unsigned, NvmlQuestions::Device*) { return 0; },
                        .bus_id = [](NvmlQuestions::Device, std::string& text) { return text = "0000:19:00.0", 0; }};
      const auto tell = [&all](std::string_view what, std::string& value) {
        all.of_gpu.push_back({what, "played", [&value](NvmlQuestions::Device, std::string& text) { return text = value, 0; }});
      };
      tell(reading::processor_clock, clock);
      tell(reading::throttle, held_back);
      tell(reading::processes, processes);
      return Result<NvmlQuestions>(std::move(all));
    };
  }
};

// Takes longer while the GPU is held back; keeps who was asked.
class OnPlayedGpu final : public Executor {
 public:
  OnPlayedGpu(std::string name, PlayedGpu& gpu, std::function<void(int)> before_run)
      : name_(std::move(name)), gpu_(gpu), before_(std::move(before_run)) {}
  Status available() const override { return {}; }
  Clock clock() const override { return Clock::device; }
  Result<Measurement> run(const Job& job, const RunOptions& options) const override {
    before_(++runs);
    asked.push_back(job.plan->planner);
    Measurement measured{.executor = name_, .clock = Clock::device};
    measured.samples.assign(static_cast<std::size_t>(options.repeats), Seconds{gpu_.held_back == "1" ? 10e-6 : 20e-6});
    if (options.check) measured.check = DataCheck{.passed = true, .elements = 8};
    return measured;
  }
  mutable int runs = 0;
  mutable std::vector<std::string> asked;

 private:
  std::string name_;
  PlayedGpu& gpu_;
  std::function<void(int)> before_;
};

struct Taken {
  std::string algorithm;
  Measurement measured;
  std::vector<std::string> disturbed;
};

struct Played {
  PlayedGpu gpu;
  std::vector<Taken> rows;
  std::vector<std::string> ours;  // planners in the order in which they were asked
  int ours_runs = 0;
  int nccl_runs = 0;

  // Three algorithms at two sizes, five repeats; `before_run` is told how often ours ran.
  void time(const std::function<void(PlayedGpu&, int)>& before_run) {
    auto machine = resolve_topology("hgx-h200:gpus=4");
    ASSERT_TRUE(static_cast<bool>(machine));
    Experiment experiment{.name = "played", .path = {}, .digest = {}, .topology = *machine};
    experiment.collectives = {CollectiveKind::all_reduce};
    experiment.algorithms = {{"ring"}, {"one_shot"}, {"two_shot"}};
    experiment.sizes = {Bytes{1024}, Bytes{65536}};
    experiment.measure.repeats = 5;
    const Planning planning{Evaluator(experiment.topology)};
    SilentProgress progress;
    const auto cases = plan_cases(experiment, planning, progress, {});
    const OnPlayedGpu cuda("cuda", gpu, [&](int runs) { before_run(gpu, runs); });
    const OnPlayedGpu nccl("nccl", gpu, [](int) {});
    GpuWatch watch(gpu.nvml());
    const auto add = [&](const PlannedCase& planned, Measurement measured, const std::vector<std::string>& disturbed) {
      rows.push_back({is_nccl(measured.executor) ? "nccl" : planned.choice->label(), std::move(measured), disturbed});
    };
    const auto skip = [](const std::string& what, const std::string& reason) { ADD_FAILURE() << what << ": " << reason; };
    ASSERT_TRUE(time_on_devices({{"cuda", &cuda}, {"nccl", &nccl}}, cases, {planning.evaluator(), experiment, {}, progress, watch, add, skip}));
    ours = cuda.asked;
    ours_runs = cuda.runs;
    nccl_runs = nccl.runs;
  }
};

TEST(DeviceRows, AreTimedInTurnsAndNcclOnceASize) {
  Played played;
  played.time([](PlayedGpu&, int) {});
  ASSERT_EQ(played.rows.size(), 8U);  // three of ours and NCCL, at two sizes
  EXPECT_EQ(std::ranges::count(played.rows, "nccl", &Taken::algorithm), 2);
  EXPECT_EQ(played.nccl_runs, 2 * 5);
  // Rounds of one sample, the second one backwards.
  EXPECT_EQ(std::vector(played.ours.begin(), played.ours.begin() + 6),
            (std::vector<std::string>{"ring", "one_shot", "two_shot", "two_shot", "one_shot", "ring"}));
  for (const auto& row : played.rows) {
    EXPECT_EQ(row.measured.samples.size(), 5U);
    EXPECT_TRUE(row.measured.check && row.measured.check->passed);
    EXPECT_TRUE(row.disturbed.empty());
  }
}

TEST(DeviceRows, WhatWasDisturbedOnceIsTimedAgain) {
  Played played;
  played.time([](PlayedGpu& gpu, int runs) { gpu.held_back = runs >= 4 && runs <= 6 ? "4" : "1"; });  // the second round of the first size
  ASSERT_EQ(played.rows.size(), 8U);
  EXPECT_EQ(played.ours_runs, 3 * 5 * 3);  // the first size twice
  for (const auto& row : played.rows) {
    EXPECT_TRUE(row.disturbed.empty());
    for (const auto sample : row.measured.samples) EXPECT_DOUBLE_EQ(sample.count(), 10e-6);
    EXPECT_TRUE(row.measured.check.has_value());
  }
}

TEST(DeviceRows, WhatStaysDisturbedIsMarkedWithTheReason) {
  Played played;
  played.time([](PlayedGpu& gpu, int runs) {
    gpu.processes = "99 p2plab, 4711 python";
    gpu.clock = runs % 15 < 8 ? "1980" : "1755";
    gpu.held_back = "36";
  });
  ASSERT_EQ(played.rows.size(), 8U);
  EXPECT_EQ(played.ours_runs, 2 * 3 * 5 * 3);  // three times each, then it is given up
  for (const auto& row : played.rows) {
    ASSERT_EQ(row.disturbed.size(), 2U);
    EXPECT_EQ(row.disturbed[0], "GPU 0000:19:00.0 was held back by its power limit and its heat");
    EXPECT_EQ(row.disturbed[1], "GPU 0000:19:00.0 ran at 1755 to 1980 MHz");
  }
}

// Processes that NVML names from the first round on are taken for this program; one that was there before, or comes later, is another's.
TEST(GpuWatch, KnowsWhoElseUsesAGpu) {
  PlayedGpu gpu;
  gpu.processes = "17 ollama";
  GpuWatch watch(gpu.nvml());
  gpu.processes = "17 ollama, 99";
  watch.settle();
  const auto first = watch.look();
  EXPECT_EQ(watch.disturbances({first}), std::vector<std::string>{"GPU 0000:19:00.0 was used by 17 ollama"});
  gpu.processes = "99, 4711 python";
  watch.settle();
  EXPECT_EQ(watch.disturbances({watch.look()}), std::vector<std::string>{"GPU 0000:19:00.0 was used by 4711 python"});
  EXPECT_EQ(watch.texts(first), std::vector<std::string>{"0000:19:00.0: 1980 MHz, used by 17 ollama"});
}

TEST(GpuWatch, WithoutNvmlSaysNothing) {
  GpuWatch watch([] { return Result<NvmlQuestions>(Error{ErrorCode::no_device, "no driver"}); });
  watch.settle();
  EXPECT_TRUE(watch.look().empty());
  EXPECT_TRUE(watch.disturbances({watch.look(), watch.look()}).empty());
}

// A ring of 64 MiB is nearly all serialisation, so a time a fifth longer is explained by that part taking a fifth longer.
TEST(DeviceFindings, AnOutlierIsExplainedFromItsCriticalPath) {
  const auto machine = resolve_topology("hgx-h200:gpus=4");
  ASSERT_TRUE(static_cast<bool>(machine));
  Experiment experiment{.name = "played", .path = {}, .digest = {}, .topology = *machine};
  experiment.collectives = {CollectiveKind::all_reduce};
  experiment.algorithms = {{"ring"}};
  experiment.sizes = {Bytes{64 << 20}};
  const Planning planning{Evaluator(experiment.topology)};
  SilentProgress progress;
  const auto cases = plan_cases(experiment, planning, progress, {});
  ASSERT_TRUE(cases.front().evaluation.has_value());
  Row row;
  row.algorithm = "ring";
  row.size = Bytes{64 << 20};
  row.prediction = cases.front().evaluation->prediction;
  const auto found = [&](double ratio) {
    row.measurement = {.executor = "cuda", .clock = Clock::device, .samples = {row.prediction->time * ratio}};
    return outlier_sentences(planning.evaluator(), cases, std::vector{row});
  };
  ASSERT_EQ(found(1.2).size(), 1U);
  EXPECT_NE(found(1.2).front().find("(+20.0 %); that is explained if serialisation (98.3 % of its critical path) takes 1.20x as long."),
            std::string::npos)
      << found(1.2).front();
  EXPECT_TRUE(found(1.05).empty());
}

TEST(DeviceFindings, SayWhichRowsWereDisturbedByWhat) {
  std::vector<Row> rows;
  for (const auto size : {1024, 65536}) {
    auto& row = rows.emplace_back();
    row.size = Bytes{size};
    row.disturbed = {"GPU a was held back by its heat"};
    rows.push_back(Row(row));
  }
  EXPECT_EQ(disturbed_sentences(rows), std::vector<std::string>{"Disturbed, though timed again: all_reduce at 1 KiB, all_reduce at 64 KiB (GPU a was "
                                                                "held back by its heat)."});
}

}  // namespace
}  // namespace p2plab::quiet_times_test
