// SPDX-License-Identifier: Apache-2.0
// Many calls on this machine's GPUs with fresh data for every call, compared on the GPU, each rank's host thread held up at random: case by case,
// then several operations of two communicators at once.
//   p2plab_gpu_stress RANKS CALLS
#include <cstdlib>

#include <fmt/format.h>

#include "lowered/kernel_args.h"
#include "support/emulation/fresh_calls.h"

namespace {

using namespace p2plab;
using test::CallCase;
using test::FreshCalls;
using enum CollectiveKind;

constexpr std::uint32_t near_end = args::epoch_limit - 3000;
const Tuning lamport{.protocol = Protocol::lamport};
const Tuning ll128{.protocol = Protocol::ll128};
const Tuning flags{.protocol = Protocol::ll};
const Tuning slices{.blocks_per_lane = 4, .slice = Bytes{4096}};

// Runs the cases at the same time; how many elements were wrong, or 1 more for what could not run.
std::int64_t stress(const std::vector<Communicator*>& communicators, const std::vector<int>& devices, const std::vector<CallCase>& cases, int calls) {
  std::vector<std::unique_ptr<FreshCalls>> running;
  std::int64_t bad = 0;
  for (std::size_t f = 0; f < cases.size(); ++f) {
    auto made = FreshCalls::create(*communicators[f % communicators.size()], devices, cases[f]);
    if (!made) fmt::print("{}, {}: {}\n", to_string(cases[f].kind), cases[f].planner, describe(made.error()));
    bad += made ? 0 : 1;
    running.push_back(made ? *std::move(made) : nullptr);
  }
  for (auto& one : running) {
    if (one) one->start(calls);
  }
  for (std::size_t f = 0; f < cases.size(); ++f) {
    if (!running[f]) continue;
    const auto wrong = running[f]->wrong();
    const auto found = wrong ? fmt::format("{} elements wrong", *wrong) : describe(wrong.error());
    fmt::print("{}, {}, {} elements, {}, {}: {} calls, {}\n", to_string(cases[f].kind), cases[f].planner, cases[f].elements, running[f]->describe(),
               cases[f].use == BufferUse::staged ? "staged" : "registered", calls, found);
    bad += wrong ? *wrong : 1;
  }
  return bad;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: p2plab_gpu_stress RANKS CALLS\n");
    return 2;
  }
  std::vector<int> devices;
  for (int r = 0; r < std::atoi(argv[1]); ++r) devices.push_back(r);
  const auto calls = std::atoi(argv[2]);
  auto alone = Communicator::create(devices);
  auto first = Communicator::create(devices, {.at_once = 12});
  auto second = Communicator::create(devices, {.at_once = 12});
  if (!alone || !first || !second) {
    fmt::print(stderr, "{}\n", describe((!alone ? alone : !first ? first : second).error()));
    return 1;
  }
  std::int64_t bad = 0;
  constexpr auto staged = BufferUse::staged;
  for (const CallCase& which :
       {CallCase{all_reduce, "one_shot", flags, 3000}, CallCase{all_reduce, "one_shot", lamport, 3000},
        CallCase{all_reduce, "two_shot", lamport, 30'011, {.first_call = near_end}}, CallCase{all_reduce, "two_shot", ll128, 30'011},
        CallCase{all_reduce, "two_shot", lamport, 30'011, {.interpret = true}}, CallCase{all_reduce, "ring", lamport, 30'011},
        CallCase{all_reduce, "ring", slices, 30'011}, CallCase{broadcast, "one_shot", flags, 3000, {.first_call = near_end}},
        CallCase{broadcast, "two_shot", ll128, 30'011, {.first_call = near_end}}, CallCase{broadcast, "ring", ll128, 30'011},
        CallCase{broadcast, "ring", slices, 30'011}, CallCase{all_gather, "two_shot", ll128, 30'011}, CallCase{all_gather, "ring", ll128, 2'000'003},
        CallCase{all_gather, "ring", slices, 30'011}, CallCase{all_reduce, "two_shot", lamport, 30'011, {}, staged},
        CallCase{all_reduce, "ring", slices, 30'011, {}, staged}}) {
    bad += stress({&*alone}, devices, {which}, calls);
  }
  fmt::print("six at once:\n");
  bad += stress({&*first, &*second}, devices,
                {CallCase{all_reduce, "one_shot", lamport, 3000}, CallCase{all_reduce, "two_shot", lamport, 30'011},
                 CallCase{all_reduce, "ring", slices, 30'011}, CallCase{all_gather, "two_shot", ll128, 30'011},
                 CallCase{broadcast, "ring", slices, 30'011}, CallCase{all_reduce, "ring", slices, 30'011, {}, staged}},
                calls);
  return bad == 0 ? 0 : 1;
}
