// SPDX-License-Identifier: Apache-2.0
#include "runtime/staged_program.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/run/gpu_tuning.h"
#include "runtime/device_calls.h"
#include "stages/stage_tuning.h"

namespace p2plab::runtime {

Result<std::unique_ptr<StagedProgram>> StagedProgram::create(const Call& call, int ranks, int rank, int device, const NcclCalls& nccl,
                                                             const PlanSource& plans, int most_blocks) {
  if (call.epilogue) return Error{ErrorCode::unsupported, "over several servers an epilogue runs as a kernel of its own"};
  auto chosen = plans(call);
  if (!chosen) return std::move(chosen).error();
  std::unique_ptr<StagedProgram> made{new StagedProgram(call, ranks, nccl, *std::move(chosen))};
  const auto& [topology, routes] = *made->chosen_.machine;
  const auto& schedule = made->chosen_.plan.schedule;
  const auto payload = runtime::payload_of(call, ranks);
  const auto proof = verify(topology, routes, schedule);
  if (!proof) return proof.error();
  made->program_.payload = payload;
  made->program_.tuning = made->chosen_.tuning ? *made->chosen_.tuning : staged_gpu_tuning(schedule, *proof, payload);
  auto tuning = stages::stage_tuning(made->program_.tuning, servers_of(topology, routes), payload.size());
  if (most_blocks > 0) tuning.blocks_per_lane = std::min(tuning.blocks_per_lane, most_blocks);
  auto cut = cut_at_servers(topology, routes, schedule, payload, tuning, false);
  if (!cut) return std::move(cut).error();
  auto runs = StageRuns::create({&topology, &routes, &made->chosen_.plan, &made->program_}, *std::move(cut), Rank{rank}, device);
  if (!runs) return std::move(runs).error();
  made->runs_ = *std::move(runs);
  return made;
}

Status StagedProgram::prepare(Communicator& communicator, int most_blocks) {
  const auto& [topology, routes] = *chosen_.machine;
  return runs_->prepare({&topology, &routes, &chosen_.plan, &program_}, communicator, {.blocks = static_cast<std::uint32_t>(most_blocks)});
}

// The input is copied before, and the output after all else, so they may be one memory. What of a longer program the caller did not give is moved,
// too, and goes nowhere.
Status StagedProgram::run(int rank, const Call& exact, const DeviceBuffers& buffers, void* stream) const {
  const auto blocks = blocks_of(call_, rank, ranks_);
  const auto width = bytes_of(exact);
  const auto pitch = bytes_of(call_);
  if (blocks.input > 0) {
    if (auto done = device::copy({runs_->address(Buffer::input), pitch, buffers.input, width, width, blocks.input}, stream); !done) return done;
  }
  if (auto done = runs_->run(nccl_, stream); !done) return done;
  if (blocks.output == 0) return {};
  return device::copy({buffers.output, width, runs_->address(Buffer::output), pitch, width, blocks.output}, stream);
}

std::string StagedProgram::describe() const { return fmt::format("{}: {}", chosen_.plan.planner, runs_->describe()); }

ProgramForm StagedProgram::form() const {
  return {chosen_.plan.planner, to_string(program_.tuning.protocol), program_.tuning.blocks_per_lane, call_.count, chosen_.expected};
}

}  // namespace p2plab::runtime
