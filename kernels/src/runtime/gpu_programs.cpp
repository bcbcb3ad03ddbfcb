// SPDX-License-Identifier: Apache-2.0
#include "runtime/gpu_programs.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "p2plab/program/check.h"
#include "p2plab/program/lower.h"
#include "p2plab/run/gpu_tuning.h"
#include "p2plab/schedule/layout.h"
#include "processes/results.h"
#include "runtime/device_calls.h"
#include "runtime/staged_program.h"

namespace p2plab::runtime {

namespace {

constexpr std::uint64_t vector = 16;

// Room for a rank's blocks where the caller's do not lie as the program needs them.
struct Room {
  std::shared_ptr<void> input;
  std::shared_ptr<void> output;
};

std::uint64_t address_of(const std::shared_ptr<void>& memory) { return reinterpret_cast<std::uint64_t>(memory.get()); }

class GpuProgram final : public ReadyProgram {
 public:
  GpuProgram(const Call& call, int ranks, ChosenPlan chosen, Program program, bool in_place)
      : call_(call), ranks_(ranks), chosen_(std::move(chosen)), program_(std::move(program)), in_place_(in_place) {
    const BufferLayout layout(chosen_.plan.schedule, program_.payload);
    for (int r = 0; r < ranks; ++r) {
      in_place_ = in_place_ && layout.shares(Rank{r});
      output_within_input_.push_back(static_cast<std::uint64_t>(layout.output_within_input(Rank{r})));
    }
  }

  Status make_room(const std::vector<GpuPrograms::Here>& here) {
    for (const auto& [rank, device] : here) {
      const auto blocks = blocks_of(call_, rank, ranks_);
      auto input = device::allocate(device, Bytes{blocks.input * bytes_of(call_)});
      if (!input) return std::move(input).error();
      auto output = device::allocate(device, Bytes{blocks.output * bytes_of(call_)});
      if (!output) return std::move(output).error();
      rooms_[rank] = {*std::move(input), *std::move(output)};
    }
    return {};
  }

  Status prepare(Communicator& communicator, int most_blocks) {
    const KernelShape shape{.blocks = static_cast<std::uint32_t>(most_blocks)};
    auto operation = communicator.prepare({&chosen_.machine, &chosen_.plan, &program_}, BufferUse::staged, {}, shape);
    if (!operation) return std::move(operation).error();
    operation_.emplace(*std::move(operation));
    return {};
  }

  // The caller's buffers as they are, if the program is for just this call and they lie as its vectors need them; else copies within the GPU. What
  // of a copy the caller did not give is moved, too, and goes nowhere.
  Status run(int rank, const Call& exact, const DeviceBuffers& buffers, void* stream) const override {
    const auto blocks = blocks_of(call_, rank, ranks_);
    const auto& room = rooms_.at(rank);
    const bool whole = exact.count == call_.count;
    const bool apart = blocks.input == 0 || blocks.output == 0 || !overlap(exact, blocks, buffers);
    const bool shared = in_place_ && buffers.output - buffers.input == output_within_input_[static_cast<std::size_t>(rank)];
    const bool own_input = whole && buffers.input % vector == 0 && (apart || shared);
    const bool own_output = !call_.epilogue && whole && buffers.output % vector == 0;
    const DeviceBuffers used{own_input && blocks.input > 0 ? buffers.input : address_of(room.input),
                             own_output && blocks.output > 0 ? buffers.output : address_of(room.output), buffers.epilogue, buffers.journal};
    const auto width = bytes_of(exact);
    const auto pitch = bytes_of(call_);
    if (!own_input && blocks.input > 0) {
      if (auto done = device::copy({used.input, pitch, buffers.input, width, width, blocks.input}, stream); !done) return done;
    }
    if (auto done = operation_->call(Rank{rank}, used, stream); !done) return done;
    if (own_output || blocks.output == 0 || call_.epilogue) return {};
    return device::copy({buffers.output, width, used.output, pitch, width, blocks.output}, stream);
  }

  Status state() const override { return operation_->state(); }
  ProgramInfo info() const override {
    return {chosen_.plan.planner, to_string(program_.tuning.protocol), program_.blocks(), call_.count, chosen_.expected};
  }
  NotedItems noted(int rank) const override { return operation_->noted(Rank{rank}); }
  std::string describe() const override { return fmt::format("{}: {}", chosen_.plan.planner, operation_->describe()); }

 private:
  static bool overlap(const Call& exact, const Blocks& blocks, const DeviceBuffers& buffers) {
    const auto bytes = static_cast<std::uint64_t>(bytes_of(exact));
    return buffers.input < buffers.output + blocks.output * bytes && buffers.output < buffers.input + blocks.input * bytes;
  }

  Call call_;
  int ranks_;
  ChosenPlan chosen_;
  Program program_;
  bool in_place_;                                   // also right where input and output are one memory
  std::vector<std::uint64_t> output_within_input_;  // by rank: how far, in such a memory
  std::map<int, Room> rooms_;
  std::optional<Operation> operation_;
};

// Has a rank's input and output in one memory, for the same program?
bool runs_in_one_memory(const ChosenPlan& chosen, Program program) {
  program.in_place = true;
  return static_cast<bool>(check(chosen.machine, program));
}

// Blocks of a program by slices are its lanes, and copies of them; those by packets the kernels count.
Result<Program> lower_into(int most_blocks, const Schedule& schedule, const Proof& proof, const Payload& payload, Tuning tuning,
                           const PeerAccess& peer_access, CallerMemory memory = CallerMemory::as_proved) {
  auto program = lower(schedule, proof, payload, tuning, peer_access, memory);
  if (!program || program->packets || most_blocks == 0 || program->blocks() <= most_blocks) return program;
  const int lanes = program->blocks() / std::max(1, tuning.blocks_per_lane);
  tuning.blocks_per_lane = std::max(1, most_blocks / std::max(1, lanes));
  program = lower(schedule, proof, payload, tuning, peer_access, memory);
  if (!program || program->blocks() <= most_blocks) return program;
  return Error{ErrorCode::unsupported, fmt::format("the plan needs {} thread blocks; most_blocks is {}", program->blocks(), most_blocks)};
}

// A program for calls with input and output apart and, if there is such a one, in one memory: programs make callers write over their input, as
// torch.distributed does, and a copy of it first would cost as much as a small call.
struct Lowered {
  Result<Program> program;
  bool in_place = false;
};
Lowered lower_for_callers(int most_blocks, const ChosenPlan& chosen, const Payload& payload, const PeerAccess& peer_access, bool has_epilogue) {
  const auto& schedule = chosen.plan.schedule;
  const auto& topology = chosen.machine;
  const auto proof = verify(topology, schedule);
  if (!proof) return {proof.error()};
  const auto tuning = chosen.tuning ? *chosen.tuning : staged_gpu_tuning(schedule, *proof, payload);
  auto program = lower_into(most_blocks, schedule, *proof, payload, tuning, peer_access);
  if (!program || has_epilogue) return {std::move(program)};
  if (runs_in_one_memory(chosen, *program)) return {std::move(program), true};
  const auto one_memory = verify(topology, schedule, {.in_place = true});
  if (!one_memory) return {std::move(program)};
  auto either = lower_into(most_blocks, schedule, *one_memory, payload, tuning, peer_access, CallerMemory::either);
  if (!either || !runs_in_one_memory(chosen, *either)) return {std::move(program)};
  return {std::move(either), true};
}

}  // namespace

void GpuPrograms::enter_thread() { device::begin_thread(here_.front().device); }

Result<std::unique_ptr<ReadyProgram>> GpuPrograms::make(const Call& call) {
  if (network_ != nullptr) return make_staged(call);
  const auto ready = [&]() -> Result<std::unique_ptr<GpuProgram>> {
    auto chosen = plans_(call);
    if (!chosen) return std::move(chosen).error();
    const auto payload = runtime::payload_of(call, ranks_);
    const PeerAccess peer_access(chosen->machine);
    auto [program, in_place] = lower_for_callers(most_blocks_, *chosen, payload, peer_access, call.epilogue.has_value());
    if (program && call.epilogue) program = with_epilogue(*std::move(program), *call.epilogue);
    if (!program) return std::move(program).error();
    return std::make_unique<GpuProgram>(call, ranks_, *std::move(chosen), *std::move(program), in_place);
  };
  auto made = ready();
  // All ranks come as far as this before any goes on to where they work together.
  auto well = made ? (*made)->make_room(here_) : Status{made.error()};
  if (session_ != nullptr) well = processes::all_well(*session_, well);
  if (!well) return std::move(well).error();
  if (auto done = (*made)->prepare(communicator_, most_blocks_); !done) return std::move(done).error();
  return std::unique_ptr<ReadyProgram>(*std::move(made));
}

Result<std::unique_ptr<ReadyProgram>> GpuPrograms::make_staged(const Call& call) {
  const auto& [rank, device] = here_.front();
  auto made = StagedProgram::create(call, ranks_, rank, device, *network_, plans_, most_blocks_);
  if (auto well = processes::all_well(*session_, made ? Status{} : Status{made.error()}); !well) return std::move(well).error();
  if (auto done = (*made)->prepare(communicator_, most_blocks_); !done) return std::move(done).error();
  return std::unique_ptr<ReadyProgram>(*std::move(made));
}

// Where all ranks come before they go on to work together, one that is not well ends it for all.
void GpuPrograms::decline(const Call&, const Error& why) {
  if (session_ != nullptr) static_cast<void>(static_cast<bool>(processes::all_well(*session_, why)));
}

}  // namespace p2plab::runtime
