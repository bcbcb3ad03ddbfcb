// Many calls on this machine's GPUs with fresh data for every call, compared on the GPU, each rank's host thread held up at random:
//   p2plab_gpu_stress RANKS CALLS
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include <fmt/format.h>

#include "cuda/measure.h"
#include "cuda/run.h"
#include "p2plab/builtin_planners.h"
#include "p2plab/lower.h"
#include "p2plab/presets.h"
#include "p2plab/verify.h"

namespace {

using namespace p2plab;

struct Form {
  CollectiveKind kind;
  const char* planner;
  Tuning tuning;
  std::int64_t elements;
  KernelShape shape = {};
};

void hold_up(std::mt19937& random) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 64);
  while (random() % 4 == 0 && std::chrono::steady_clock::now() < until) {
  }
}

// One rank's calls: new input, the call, the comparison, all on its stream.
Status run_rank(const cuda::GpuRun& run, const cuda::Buffers& buffers, const cuda::RankStreams& ranks, Rank rank, int calls, std::uint64_t found) {
  std::mt19937 random(static_cast<unsigned>(rank.value));
  if (auto done = cuda::use_device(ranks.devices[rank.index()]); !done) return done;
  const auto& stream = ranks.streams[rank.index()];
  for (int c = 0; c < calls; ++c) {
    hold_up(random);
    if (auto done = buffers.generate_on(rank, static_cast<std::uint64_t>(c), stream); !done) return done;
    if (auto done = run.enqueue(rank, stream); !done) return done;
    if (auto done = buffers.compare_on(rank, static_cast<std::uint64_t>(c), found, stream); !done) return done;
  }
  return cuda::synchronize(stream);
}

Result<std::int64_t> stress(const Topology& topology, const Routes& routes, const Form& form, int calls, cuda::SpecialKernels& kernels) {
  const Payload payload{.elements = form.elements, .type = DataType::float16};
  const auto planners = builtin_planners();
  const auto planner = planners.get("algorithm", form.planner);
  if (!planner) return planner.error();
  const PlanContext context{.routes = &routes, .payload = payload, .in_place = false, .parameters = {}};
  const auto plan = (*planner)->make()->plan(topology, make_collective(form.kind, topology.ranks()), context);
  if (!plan) return plan.error();
  const auto proof = verify(topology, routes, plan->schedule);
  if (!proof) return proof.error();
  const auto program = lower(plan->schedule, *proof, payload, form.tuning);
  if (!program) return program.error();
  const auto devices = cuda::devices_for(topology.ranks());
  if (!devices) return devices.error();
  const auto ranks = cuda::RankStreams::create(*devices);
  if (!ranks) return ranks.error();
  const auto buffers = cuda::Buffers::create(plan->schedule, payload, *devices, {});
  if (!buffers) return buffers.error();
  const auto run = cuda::GpuRun::create({&topology, &routes, &*plan, &*program}, *buffers, *devices, form.shape, kernels);
  if (!run) return run.error();
  std::vector<cuda::DeviceMemory> found;
  for (const auto device : *devices) {
    if (auto done = cuda::use_device(device); !done) return std::move(done).error();
    auto memory = cuda::allocate(Bytes{sizeof(device::CheckResult)});
    if (!memory) return std::move(memory).error();
    found.push_back(*std::move(memory));
    const device::CheckResult none;
    if (auto done = cuda::copy_to_device(found.back().address(), &none, Bytes{sizeof none}); !done) return std::move(done).error();
  }
  std::vector<std::thread> threads;
  std::vector<Status> results(devices->size());
  for (std::size_t r = 0; r < devices->size(); ++r) {
    threads.emplace_back([&, r] { results[r] = run_rank(*run, *buffers, *ranks, Rank{static_cast<std::int64_t>(r)}, calls, found[r].address()); });
  }
  for (auto& thread : threads) thread.join();
  if (auto well = run->hang(); !well) return std::move(well).error();
  std::int64_t wrong = 0;
  for (std::size_t r = 0; r < devices->size(); ++r) {
    if (!results[r]) return std::move(results[r]).error();
    device::CheckResult mine;
    if (auto done = cuda::copy_from_device(&mine, found[r].address(), Bytes{sizeof mine}); !done) return std::move(done).error();
    wrong += static_cast<std::int64_t>(mine.wrong);
  }
  fmt::print("{}, {}, {} elements, {}: {} calls, {} elements wrong\n", to_string(form.kind), form.planner, form.elements, run->describe(), calls,
             wrong);
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: p2plab_gpu_stress RANKS CALLS\n");
    return 2;
  }
  const auto topology = *resolve_topology(fmt::format("hgx-h200:gpus={}", argv[1]));
  const Routes routes(topology);
  using enum CollectiveKind;
  constexpr std::uint32_t near_end = image::epoch_limit - 3000;
  const Tuning flagless{.protocol = Protocol::flagless};
  const Tuning lines{.protocol = Protocol::ll128};
  const Tuning flags{.protocol = Protocol::ll};
  const Tuning slices{.parts = 4, .slice = Bytes{4096}};
  std::int64_t bad = 0;
  cuda::SpecialKernels kernels;
  for (const Form& form : {Form{all_reduce, "one_shot", flags, 3000}, Form{all_reduce, "one_shot", flagless, 3000},
                           Form{all_reduce, "two_shot", flagless, 30'011, {.first_call = near_end}}, Form{all_reduce, "two_shot", lines, 30'011},
                           Form{all_reduce, "two_shot", flagless, 30'011, {.interpret = true}}, Form{all_reduce, "ring", flagless, 30'011},
                           Form{all_reduce, "ring", slices, 30'011}, Form{broadcast, "one_shot", flags, 3000, {.first_call = near_end}},
                           Form{broadcast, "two_shot", lines, 30'011, {.first_call = near_end}}, Form{broadcast, "ring", lines, 30'011},
                           Form{broadcast, "ring", slices, 30'011}, Form{all_gather, "two_shot", lines, 30'011},
                           Form{all_gather, "ring", lines, 2'000'003}, Form{all_gather, "ring", slices, 30'011}}) {
    const auto wrong = stress(topology, routes, form, std::atoi(argv[2]), kernels);
    if (!wrong) fmt::print("{}, {}: {}\n", to_string(form.kind), form.planner, describe(wrong.error()));
    bad += wrong ? *wrong : 1;
  }
  return bad == 0 ? 0 : 1;
}
