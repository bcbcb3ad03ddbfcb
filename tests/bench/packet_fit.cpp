// SPDX-License-Identifier: Apache-2.0
// Fits what packets cost (packet_start, packet_item, packet_tail of a profile) to measured times as `calibrate` does, prints the 95 % intervals,
// predicted beside measured, and what a fit on two and three GPUs says about four. (Two alone say nothing about packet_item: all their plans have
// the same number of operands.)
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "p2plab/experiment/packet_costs.h"
#include "p2plab/machine/presets.h"
#include "p2plab/run/gpu_tuning.h"
#include "support/simulated.h"

namespace p2plab {
namespace {

struct Row {
  int gpus = 0;
  const char* planner = "";
  std::int64_t kib = 0;
  double us = 0;  // kernels/README.md, float16
  CollectiveKind kind = CollectiveKind::all_reduce;
};
constexpr auto gather = CollectiveKind::all_gather;
constexpr auto scatter = CollectiveKind::reduce_scatter;
constexpr auto broadcast = CollectiveKind::broadcast;
constexpr auto exchange = CollectiveKind::all_to_all;

const std::vector<Row> rows{{2, "one_shot", 1, 1.62},
                            {2, "one_shot", 2, 1.68},
                            {2, "one_shot", 4, 1.74},
                            {2, "one_shot", 8, 1.84},
                            {2, "one_shot", 16, 1.92},
                            {2, "one_shot", 32, 2.00},
                            {2, "one_shot", 64, 2.06},
                            {2, "one_shot", 128, 2.23},
                            {2, "one_shot", 256, 2.61},
                            {2, "one_shot", 512, 3.38},
                            {2, "one_shot", 1024, 4.98},
                            {3, "one_shot", 1, 1.72},
                            {3, "one_shot", 2, 1.83},
                            {3, "one_shot", 4, 1.91},
                            {3, "one_shot", 8, 1.99},
                            {3, "one_shot", 16, 2.06},
                            {3, "one_shot", 32, 2.14},
                            {3, "one_shot", 64, 2.34},
                            {3, "one_shot", 128, 2.70},
                            {3, "one_shot", 256, 3.47},
                            {3, "two_shot", 512, 4.37},
                            {3, "two_shot", 1024, 6.23},
                            {4, "two_shot", 1, 2.74},
                            {4, "two_shot", 4, 2.95},
                            {4, "two_shot", 16, 3.34},
                            {4, "two_shot", 64, 3.64},
                            {4, "ring", 1, 5.42},
                            {4, "ring", 4, 5.96},
                            {4, "ring", 16, 6.52},
                            {4, "ring", 64, 7.08},
                            {4, "ring", 256, 7.94},
                            {4, "ring", 1024, 9.41},
                            {4, "ring", 4096, 22.16},
                            {4, "ring", 16384, 75.42},
                            {4, "one_shot", 1, 1.81},
                            {4, "one_shot", 2, 1.93},
                            {4, "one_shot", 4, 2.00},
                            {4, "one_shot", 8, 2.07},
                            {4, "one_shot", 16, 2.15},
                            {4, "one_shot", 32, 2.30},
                            {4, "one_shot", 64, 2.58},
                            {4, "one_shot", 128, 3.13},
                            {4, "two_shot", 256, 4.20},
                            {4, "two_shot", 512, 4.73},
                            {4, "two_shot", 1024, 6.53},
                            {2, "one_shot", 2048, 8.00},
                            {2, "two_shot", 4096, 14.59},
                            {2, "two_shot", 8192, 25.65},
                            {2, "two_shot", 16384, 49.24},
                            {3, "two_shot", 2048, 10.59},
                            {3, "two_shot", 4096, 18.21},
                            {3, "ring", 8192, 33.95},
                            {3, "ring", 16384, 64.61},
                            {4, "two_shot", 2048, 12.02},
                            {4, "two_shot", 4096, 20.87},
                            {4, "two_shot", 8192, 38.78},
                            {4, "two_shot", 16384, 74.72},
                            {4, "two_shot", 32768, 148.03},
                            {4, "ring", 65536, 292.88},
                            {4, "two_shot", 1, 1.78, gather},
                            {4, "two_shot", 4, 1.88, gather},
                            {4, "two_shot", 16, 2.01, gather},
                            {4, "two_shot", 64, 2.23, gather},
                            {4, "one_shot", 256, 3.05, gather},
                            {4, "two_shot", 1024, 4.87, gather},
                            {4, "two_shot", 4096, 12.47, gather},
                            {4, "ring", 16384, 40.68, gather},
                            {4, "one_shot", 1, 1.78, scatter},
                            {4, "one_shot", 4, 1.83, scatter},
                            {4, "one_shot", 16, 2.04, scatter},
                            {4, "one_shot", 64, 2.20, scatter},
                            {4, "two_shot", 256, 2.64, scatter},
                            {4, "two_shot", 1024, 4.29, scatter},
                            {4, "two_shot", 4096, 11.35, scatter},
                            {4, "two_shot", 16384, 39.39, scatter},
                            {4, "one_shot", 1, 1.67, broadcast},
                            {4, "one_shot", 4, 1.75, broadcast},
                            {4, "one_shot", 16, 1.85, broadcast},
                            {4, "one_shot", 64, 2.33, broadcast},
                            {4, "one_shot", 256, 3.54, broadcast},
                            {4, "ring", 1024, 4.64, broadcast},
                            {4, "two_shot", 4096, 15.43, broadcast},
                            {4, "two_shot", 16384, 53.60, broadcast},
                            {4, "pairwise", 1, 1.73, exchange},
                            {4, "pairwise", 4, 1.87, exchange},
                            {4, "pairwise", 16, 1.99, exchange},
                            {4, "pairwise", 64, 2.23, exchange},
                            {4, "pairwise", 256, 3.05, exchange},
                            {4, "pairwise", 1024, 4.97, exchange},
                            {4, "pairwise", 4096, 12.71, exchange},
                            {4, "pairwise", 16384, 44.81, exchange}};

// Larger ones say more about links than about packets; other collectives are for judging.
bool is_fitted(const Row& row) { return row.kind == CollectiveKind::all_reduce && row.kib <= 1024 && row.planner != std::string_view{"ring"}; }

struct Case {
  Row row;
  PacketTime timed;
};

Case case_of(const Row& row) {
  const auto machine = *make_preset("hgx-h200", {{"gpus", std::to_string(row.gpus)}});
  const auto plan = *test::plan_on(machine, row.planner, row.kind);
  const Payload payload{.elements = row.kib * 512, .type = DataType::float16};
  const auto proof = *verify(machine, plan.schedule);
  return {row, {machine, *lower(plan.schedule, proof, payload, gpu_tuning(plan.schedule, proof, payload)), Seconds{row.us * 1e-6}}};
}

double predicted(const Case& one, const Profile& profile) {
  return microseconds(to_seconds(test::simulated(one.timed.topology, one.timed.program, profile, {.in_a_row = true}).period));
}

void print(const char* name, const Calibration& fit) {
  std::printf("%s", name);
  auto separator = ':';
  for (const auto& [number, unit, estimate, method] : fit.numbers) {
    std::printf("%c %s %.4f +- %.4f %s", std::exchange(separator, ','), number.c_str(), estimate.value, estimate.high - estimate.value, unit.c_str());
  }
  std::printf("\n");
}

int run(const std::string& path) {
  const auto profile = load_profile(path);
  if (!profile) {
    std::fputs(describe(profile.error()).c_str(), stderr);
    return 1;
  }
  std::vector<Case> all;
  std::vector<PacketTime> fitted;
  std::vector<PacketTime> few;
  for (const auto& row : rows) {
    all.push_back(case_of(row));
    if (!is_fitted(row)) continue;
    fitted.push_back(all.back().timed);
    if (row.gpus < 4) few.push_back(all.back().timed);
  }
  Calibration by_all{*profile, {}, {}};
  auto by_few = by_all;
  for (const auto& done : {add_packet_costs(by_all, fitted), add_packet_costs(by_few, few)}) {
    if (done) continue;
    std::fputs(describe(done.error()).c_str(), stderr);
    return 1;
  }
  print("fitted to 2, 3 and 4 GPUs", by_all);
  print("fitted to 2 and 3 GPUs", by_few);
  std::printf("GPUs planner KiB measured predicted error, predicted by the fit on 2 and 3 GPUs, error\n");
  for (const auto& one : all) {
    const auto us = predicted(one, by_all.profile);
    const auto held_out = predicted(one, by_few.profile);
    std::printf("%d %s %s %ld %.2f %.2f %+.1f %% %.2f %+.1f %%%s\n", one.row.gpus, std::string(to_string(one.row.kind)).c_str(), one.row.planner,
                static_cast<long>(one.row.kib), one.row.us, us, 100 * (us / one.row.us - 1), held_out, 100 * (held_out / one.row.us - 1),
                is_fitted(one.row) ? "" : "  not fitted");
  }
  return 0;
}

}  // namespace
}  // namespace p2plab

int main(int argc, char** argv) { return p2plab::run(argc > 1 ? argv[1] : P2PLAB_SOURCE_DIR "/profiles/h200.yaml"); }
