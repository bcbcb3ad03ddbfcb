// SPDX-License-Identifier: Apache-2.0
// A communicator: an all-reduce on GPU buffers and streams of one's own, one thread for two GPUs. Needs two GPUs.
#include <cstdio>
#include <vector>

#include <cuda_runtime_api.h>
#include <p2plab/machine/presets.h>
#include <p2plab/plan/builtin_planners.h>
#include <p2plab/program/lower.h>
#include <p2plab/run/communicator.h>
#include <p2plab/run/gpu_tuning.h>
#include <p2plab/schedule/verify.h>

using namespace p2plab;

namespace {

int fail(const Error& error) {
  std::fputs(describe(error).c_str(), stderr);
  return exit_code(error);
}

}  // namespace

int main() {
  auto communicator = Communicator::create({0, 1});  // rank r on GPU r
  if (!communicator) return fail(communicator.error());
  const auto machine = resolve_topology("hgx-h200:gpus=2");  // or detect it
  if (!machine) return fail(machine.error());
  const Payload payload{.elements = 1 << 20, .type = DataType::float16};
  const auto planners = builtin_planners();
  const auto collective = make_collective(CollectiveKind::all_reduce, 2);
  const auto plan = planners.find("one_shot")->make()->plan(*machine, collective, {.payload = payload});
  if (!plan) return fail(plan.error());
  const auto proof = verify(*machine, plan->schedule);
  if (!proof) return fail(proof.error());
  const auto program = lower(plan->schedule, *proof, payload, gpu_tuning(plan->schedule, *proof, payload));
  if (!program) return fail(program.error());

  std::vector<DeviceBuffers> buffers(2);
  std::vector<cudaStream_t> streams(2);
  bool ready = true;
  for (int gpu = 0; gpu < 2; ++gpu) {
    void* memory[2] = {};
    ready = ready && cudaSetDevice(gpu) == cudaSuccess && cudaStreamCreate(&streams[gpu]) == cudaSuccess;
    for (auto& part : memory) ready = ready && cudaMalloc(&part, payload.size().count()) == cudaSuccess;
    buffers[gpu] = {reinterpret_cast<std::uint64_t>(memory[0]), reinterpret_cast<std::uint64_t>(memory[1])};
  }
  if (!ready) return fail({ErrorCode::device_failure, "no memory on the GPUs"});
  const auto operation = communicator->prepare({&*machine, &*plan, &*program}, BufferUse::registered, buffers);
  if (!operation) return fail(operation.error());
  for (int gpu = 0; gpu < 2; ++gpu) {  // any number of times, in CUDA graphs, too
    if (const auto called = operation->call(Rank{gpu}, streams[gpu]); !called) return fail(called.error());
  }
  for (auto* stream : streams) cudaStreamSynchronize(stream);
  if (const auto well = operation->state(); !well) return fail(well.error());
  std::printf("reduced, %s\n", operation->describe().c_str());
}
