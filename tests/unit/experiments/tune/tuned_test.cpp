// SPDX-License-Identifier: Apache-2.0
// Tables of the right plan for each size: never slower than any planner, the same after a file, used by runs, strict about bad files.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "p2plab/experiment/evaluator.h"
#include "p2plab/experiment/run.h"
#include "p2plab/experiment/tuned.h"
#include "p2plab/machine/presets.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/run/gpu_tuning.h"
#include "support/scratch.h"

namespace p2plab::tuned_test {
namespace {

Topology machine(const std::string& text) {
  auto topology = resolve_topology(text);
  expects(static_cast<bool>(topology));
  return *std::move(topology);
}

// Costs of the order of a real GPU's, so that protocols and slices matter.
Profile costly() {
  Profile profile;
  profile.name = "costly";
  profile.launch = Seconds{1e-6};
  profile.signal_peer = Seconds{0.5e-6};
  profile.poll = Seconds{0.1e-6};
  profile.fence = Seconds{1e-6};
  profile.store_rate = GBps(40);
  return profile;
}

TunedTable table_of(const Topology& topology, CollectiveKind kind, const Profile& profile = {},
                    std::vector<Bytes> sizes = {Bytes{1024}, Bytes{1 << 16}, Bytes{1 << 24}}) {
  SilentProgress progress;
  auto table = tune(Evaluator(topology, profile), make_collective(kind, topology.ranks()), {.sizes = std::move(sizes)}, progress);
  expects(static_cast<bool>(table));
  return *std::move(table);
}

struct Judged {
  std::string name;
  Seconds time{0};
};

// Every registered planner with its defaults, as a run would judge it.
std::vector<Judged> every_planner(const Evaluator& evaluator, const Collective& collective, const Payload& payload) {
  std::vector<Judged> judged;
  const auto planners = builtin_planners();
  for (const auto& entry : planners.entries()) {
    PlanContext context;
    context.payload = payload;
    auto plan = entry.make()->plan(evaluator.topology(), collective, context);
    if (!plan) continue;
    auto proved = evaluator.prove(*std::move(plan), false);
    EXPECT_TRUE(proved) << entry.name;
    auto evaluation = evaluator.evaluate(*std::move(proved), payload);
    EXPECT_TRUE(evaluation) << entry.name;
    judged.push_back({entry.name, evaluation->prediction.time});
  }
  return judged;
}

TEST(Tuned, NoPlannerIsPredictedFasterAtAnyTunedSize) {
  for (const auto* name : {"dgx-v100:gpus=5", "hgx-h200:gpus=4", "ring:gpus=3", "full-mesh:gpus=2"}) {
    for (const auto& profile : {Profile{}, costly()}) {
      const auto topology = machine(name);
      const Evaluator evaluator(topology, profile);
      for (const auto kind : {CollectiveKind::all_reduce, CollectiveKind::all_gather}) {
        const auto table = table_of(topology, kind, profile);
        for (const auto& band : table.bands) {
          for (const auto& size : band.sizes) {
            for (const auto& [planner, time] :
                 every_planner(evaluator, make_collective(kind, topology.ranks()), payload_of(size.size, table.dtype, table.op))) {
              EXPECT_LE(size.predicted, time * (1 + 1e-12)) << name << ' ' << to_string(kind) << ' ' << planner << " at " << size.size.count();
            }
            EXPECT_GE(size.predicted, size.bound.value_or(Seconds{0}));
            EXPECT_GT(size.weighed, 1);
          }
        }
      }
    }
  }
}

TEST(Tuned, ABandServesItsSizesAndThoseUpToTheNext) {
  const auto table = table_of(machine("hgx-h200:gpus=8"), CollectiveKind::all_reduce, costly());
  ASSERT_GE(table.bands.size(), 2U);  // few steps for a KiB, few bytes for 16 MiB
  EXPECT_EQ(&table.band(Bytes{1}), &table.bands.front());
  EXPECT_EQ(&table.band(Bytes{1024}), &table.bands.front());
  EXPECT_EQ(&table.band(Bytes{std::int64_t{1} << 40}), &table.bands.back());
  const auto start = table.bands.back().sizes.front().size;
  EXPECT_EQ(&table.band(start), &table.bands.back());
  EXPECT_NE(&table.band(start - Bytes{1}), &table.bands.back());
}

TEST(Tuned, AFileInEitherNotationReadsBackAsTheSameTable) {
  auto table = table_of(machine("dgx-v100"), CollectiveKind::all_gather, costly());
  table.bands.back().sizes.back().tuning = {.blocks_per_lane = 2, .slices = 12, .lane_per_step = true};
  for (const auto write : {write_tuned_yaml, write_tuned_json}) {
    const auto text = write(table);
    ASSERT_TRUE(text);
    const auto back = read_tuned(*text, "tuned");
    ASSERT_TRUE(back) << describe(back.error());
    EXPECT_EQ(to_text(*back), to_text(table));
    EXPECT_EQ(*write(*back), *text);
  }
}

// Eight rings of 160 GPUs: a MiB and more of steps, beyond what the reader of people's files takes.
TEST(Tuned, TablesOfManyGpusReadBack) {
  const auto topology = machine("dgx-a100:nodes=20");
  const auto planners = builtin_planners();
  PlanContext context;
  auto plan = planners.find("ring")->make()->plan(topology, make_collective(CollectiveKind::all_reduce, topology.ranks()), context);
  ASSERT_TRUE(plan) << describe(plan.error());
  TunedBand band{{"ring"}, *std::move(plan), "", {{.size = Bytes{1 << 20}, .predicted = Seconds{1e-3}}}};
  const TunedTable table{topology, DataType::float16, ReduceOp::sum, false, "none", "", {std::move(band)}};
  const auto text = write_tuned_yaml(table);
  ASSERT_TRUE(text) << describe(text.error());
  EXPECT_GT(text->size(), std::size_t{1} << 20);
  const auto back = read_tuned(*text, "tuned");
  ASSERT_TRUE(back) << describe(back.error());
  EXPECT_EQ(*write_tuned_yaml(*back), *text);
}

// The file with `from` replaced by `to`.
std::string changed(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Tuned, BadFilesAreRefusedWithThePlaceOfEveryMistake) {
  const auto text = *write_tuned_yaml(table_of(machine("full-mesh:gpus=3"), CollectiveKind::all_gather));
  struct Case {
    std::string text;
    std::string message;
  };
  for (const auto& [bad, message] :
       std::vector<Case>{{changed(text, "p2plab_tuned: 2", "p2plab_tuned: 3"), "bad.yaml:2:15: error: only versions 1 to 2"},
                         {changed(text, "ranks: 3", "ranks: 4"), "bad.yaml:4:8: error: the plans are for 3 ranks"},
                         {changed(text, "collective: \"all_gather\"", "collective: broadcast"), "bad.yaml:3:13: error: the plans are for all_gather"},
                         {changed(text, "fingerprint: \"", "fingerprint: \"0"), "bad.yaml:6:14: error: the plans are for another machine"},
                         {changed(text, "dtype: \"float16\"", "dtype: float61"), "bad.yaml:7:8: error: "},
                         {changed(text, "in_place:", "inplace:"), "unknown key 'inplace'"},
                         {changed(text, "\"blocks_per_lane\":", "\"bits\":"), "unknown key 'bits'"},
                         {changed(text, "plan: \"{", "plan: \"["), "this is no plan"},
                         {"p2plab_tuned: 2\n", "bad.yaml:1:"},
                         {"bands: [", "bad.yaml:"},
                         {"", "bad.yaml"}}) {
    const auto read = read_tuned(bad, "bad.yaml");
    ASSERT_FALSE(read) << message;
    EXPECT_NE(describe(read.error()).find(message), std::string::npos) << describe(read.error());
  }
}

TEST(Tuned, APlanThatIsWrongIsNotTaken) {
  const auto text = *write_tuned_yaml(table_of(machine("full-mesh:gpus=2"), CollectiveKind::all_gather, {}, {Bytes{1024}}));
  // The last step of the last plan goes missing.
  const auto steps = text.rfind("],[");
  ASSERT_NE(steps, std::string::npos);
  const auto end = text.find("]]", steps);
  const auto read = read_tuned(text.substr(0, steps) + text.substr(end), "wrong.yaml");
  ASSERT_FALSE(read);
  EXPECT_NE(describe(read.error()).find("this plan is wrong"), std::string::npos) << describe(read.error());
}

Result<Experiment> experiment_with(const std::string& machine_text, const std::string& algorithms) {
  const auto path = test::scratch("config.yaml");
  std::ofstream(path) << "version: 1\ntopology: {" << machine_text << "}\ncollectives: [all_reduce]\nalgorithms: " << algorithms
                      << "\nsizes: [1 KiB, 64 KiB, 16 MiB]\ndtype: float16\nprofile: ideal\n";
  return load_experiment(path.string());
}

TEST(Tuned, ARunTakesTheTablesPlansAndPredictsWhatTheTableSays) {
  const auto table = table_of(machine("hgx-h200:gpus=4"), CollectiveKind::all_reduce);
  std::ofstream(test::scratch("tuned.yaml")) << *write_tuned_yaml(table);
  const auto experiment = experiment_with("preset: hgx-h200, gpus: 4", "[{name: tuned, file: tuned.yaml}]");
  ASSERT_TRUE(experiment) << describe(experiment.error());
  SilentProgress progress;
  const auto report = run(*experiment, progress);
  ASSERT_TRUE(report) << describe(report.error());
  std::vector<Row> rows;
  std::ranges::copy_if(report->rows, std::back_inserter(rows), [](const Row& row) { return row.algorithm.starts_with("tuned"); });
  ASSERT_EQ(rows.size(), 3U);
  for (const auto& row : rows) {
    const auto& band = table.band(row.size);
    const auto size = std::ranges::find(band.sizes, row.size, &TunedSize::size);
    ASSERT_NE(size, band.sizes.end());
    EXPECT_EQ(row.predicted(), size->predicted);
    EXPECT_NE(row.chosen.find(band.algorithm.name), std::string::npos);
  }
}

TEST(Tuned, ATableOfAnotherMachineIsSkippedWithTheReasonAndABadOneFailsAtItsPlace) {
  std::ofstream(test::scratch("tuned.yaml")) << *write_tuned_yaml(table_of(machine("hgx-h200:gpus=4"), CollectiveKind::all_reduce));
  const auto experiment = experiment_with("preset: hgx-h200, gpus: 8", "[{name: tuned, file: tuned.yaml}]");
  ASSERT_TRUE(experiment) << describe(experiment.error());
  SilentProgress progress;
  const auto report = run(*experiment, progress);
  ASSERT_TRUE(report);
  ASSERT_FALSE(report->skipped.empty());
  EXPECT_NE(report->skipped.front().reason.find("another machine"), std::string::npos);
  const auto missing = experiment_with("preset: hgx-h200, gpus: 4", "[{name: tuned, file: none.yaml}]");
  ASSERT_FALSE(missing);
  EXPECT_NE(describe(missing.error()).find("none.yaml"), std::string::npos);
  const auto bare = experiment_with("preset: hgx-h200, gpus: 4", "[tuned]");
  ASSERT_FALSE(bare);
  EXPECT_NE(describe(bare.error()).find("config.yaml:4:14: error: tuned needs a table"), std::string::npos) << describe(bare.error());
}

TEST(Tuned, WhereGpusRunThePlanTheirFormIsTheOneThatIsPredicted) {
  auto experiment = experiment_with("preset: hgx-h200, gpus: 4", "[two_shot]");
  ASSERT_TRUE(experiment);
  experiment->forms = PlanForms::gpu;
  SilentProgress progress;
  const auto report = run(*experiment, progress);
  ASSERT_TRUE(report);
  const auto topology = machine("hgx-h200:gpus=4");
  for (const auto& row : report->rows) {
    if (row.executor() != "simulator" || row.algorithm != "two_shot") continue;
    PlanContext context;
    const auto planners = builtin_planners();
    const auto plan = planners.find("two_shot")->make()->plan(topology, make_collective(CollectiveKind::all_reduce, 4), context);
    const auto proof = *verify(topology, plan->schedule);
    const auto form = gpu_tuning(plan->schedule, proof, payload_of(row.size, DataType::float16, ReduceOp::sum));
    EXPECT_EQ(row.protocol, to_string(form.protocol)) << row.size.count();
    EXPECT_EQ(row.blocks_per_lane, form.blocks_per_lane);
  }
}

TEST(Tuned, TimeThatRanOutLeavesCandidatesOutAndSaysSo) {
  SilentProgress progress;
  const auto topology = machine("hgx-h200:gpus=8");
  const auto table =
      tune(Evaluator(topology), make_collective(CollectiveKind::all_reduce, 8), {.sizes = {Bytes{1 << 20}}, .time_limit = Seconds{0}}, progress);
  ASSERT_TRUE(table) << describe(table.error());
  EXPECT_EQ(table->bands.front().sizes.front().weighed, 1);  // the first that can do it
  EXPECT_GT(table->bands.front().sizes.front().left_out, 5);
}

// Sizes are planned side by side, the largest first: after each, the table has one more, and what is stopped there holds those alone.
TEST(Tuned, WhatIsDoneCanBeHadAtAnyTime) {
  const auto topology = machine("ring:gpus=4");
  const auto sizes_of = [](const TunedTable& table) {
    std::size_t sizes = 0;
    for (const auto& band : table.bands) sizes += band.sizes.size();
    return sizes;
  };
  TuneOptions options{.sizes = {Bytes{1024}, Bytes{4096}, Bytes{1 << 16}, Bytes{1 << 20}, Bytes{1 << 24}}};
  std::mutex mutex;
  std::vector<std::function<Result<TunedTable>()>> so_far;
  std::atomic<bool> enough{false};
  options.found = [&](const std::function<Result<TunedTable>()>& table) {
    const std::lock_guard lock(mutex);
    so_far.push_back(table);
    enough = so_far.size() >= 2;
  };
  options.stop = [&] { return enough.load(); };
  SilentProgress progress;
  const Evaluator evaluator(topology);
  const auto collective = make_collective(CollectiveKind::all_reduce, 4);
  const auto table = tune(evaluator, collective, options, progress);
  ASSERT_TRUE(table);
  EXPECT_EQ(sizes_of(*table), so_far.size());
  EXPECT_GE(so_far.size(), 2U);
  const auto again = so_far.front()();
  ASSERT_TRUE(again);
  EXPECT_EQ(sizes_of(*again), so_far.size());
}

}  // namespace
}  // namespace p2plab::tuned_test
