// SPDX-License-Identifier: Apache-2.0
// Time that the tuner plugin adds to a collective: getCollInfo on a table of 1, 16 and 256 rules, of which the last one fits.
#include <filesystem>

#include <benchmark/benchmark.h>

#include "support/formats/nccl_tuner.h"

namespace {

void get_coll_info(benchmark::State& state) {
  std::string text;
  for (int i = 0; i < state.range(0); ++i)
    text += "allreduce," + std::to_string(i * 100) + "," + std::to_string(i * 100 + 99) + ",ring,ll128,4,1,8\n";
  const auto path = (std::filesystem::temp_directory_path() / "p2plab_tuner_bench.csv").string();
  const p2plab::test::TunerFile file(path, text);
  const p2plab::test::LoadedTuner tuner(P2PLAB_NCCL_TUNER, 5, 8, 1);
  const auto choose = static_cast<const p2plab::nccl_tuner::TunerV5*>(tuner.symbol())->choose;
  float table[21] = {};
  int channels = 0;
  for (auto _ : state) {
    choose(tuner.context(), 4, static_cast<std::size_t>(state.range(0) * 100 - 1), 1, reinterpret_cast<float**>(table), 7, 3, 0, &channels);
    benchmark::DoNotOptimize(channels);
  }
  std::filesystem::remove(path);
}

BENCHMARK(get_coll_info)->Arg(1)->Arg(16)->Arg(256);

}  // namespace
