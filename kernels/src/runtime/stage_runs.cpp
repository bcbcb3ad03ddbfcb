// SPDX-License-Identifier: Apache-2.0
#include "runtime/stage_runs.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/machine/mask.h"
#include "runtime/device_calls.h"
#include "stages/stage_tuning.h"

namespace p2plab::runtime {

Result<std::unique_ptr<StageRuns>> StageRuns::create(const Job& job, SegmentedProgram cut, Rank rank, int device) {
  std::unique_ptr<StageRuns> made{new StageRuns(std::move(cut), rank)};
  if (auto done = made->make_workspace(job, device); !done) return std::move(done).error();
  made->take_messages();
  return made;
}

const std::vector<Rank>& StageRuns::mates() const { return cut_.servers.ranks[server()]; }

Status StageRuns::make_workspace(const Job& job, int device) {
  local_ = Rank{std::ranges::find(mates(), rank_) - mates().begin()};
  auto workspaces = stages::workspaces_of(cut_, BufferLayout(job.plan->schedule, job.program->payload), job.program->in_place);
  if (!workspaces) return std::move(workspaces).error();
  workspaces_ = *std::move(workspaces);
  auto topology = keep_gpus(*job.topology, mates());
  if (!topology) return std::move(topology).error();
  topology_.emplace(*std::move(topology));
  auto memory = device::allocate(device, workspaces_[rank_.index()].size);
  if (!memory) return std::move(memory).error();
  memory_ = *std::move(memory);
  return {};
}

Status StageRuns::prepare(const Job& job, Communicator& communicator, const KernelShape& shape) {
  const PeerAccess peer_access(*topology_);
  const auto wanted = stages::stage_tuning(job.program->tuning, cut_.servers, job.program->payload.size()).protocol;
  const auto protocol = wanted == Protocol::copy ? Protocol::simple : wanted;
  auto plain = shape;
  plain.programmatic = false;  // what comes before and after is not all ours
  std::vector<DeviceBuffers> buffers(mates().size());
  buffers[local_.index()].output = reinterpret_cast<std::uint64_t>(memory_.get());
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    const auto& segment = cut_.stages[s].segments[server()];
    if (segment.lanes.empty()) continue;
    auto& made = stages_[s];
    made.program = std::make_unique<Program>(stages::for_server(segment, mates(), workspaces_, protocol, peer_access));
    auto operation = communicator.prepare_segment({&*topology_, job.plan, made.program.get()}, buffers, plain);
    if (!operation) return std::move(operation).error();
    made.operation.emplace(*std::move(operation));
  }
  return {};
}

std::uint64_t StageRuns::address(const MessageEnd& end) const {
  return reinterpret_cast<std::uint64_t>(memory_.get()) + static_cast<std::uint64_t>(workspaces_[end.rank.index()].at(end.buffer, end.offset));
}

void StageRuns::take_messages() {
  stages_.resize(cut_.stages.size());
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    for (const auto& [from, to, bytes] : cut_.stages[s].messages) {
      if (from.rank == rank_) stages_[s].sends.push_back({to.rank, reinterpret_cast<void*>(address(from)), bytes});
      if (to.rank == rank_) stages_[s].receives.push_back({from.rank, reinterpret_cast<void*>(address(to)), bytes});
    }
  }
}

Status StageRuns::run_segment(std::size_t stage, void* stream) const {
  const auto& operation = stages_[stage].operation;
  return operation ? operation->call(local_, stream) : Status{};
}

Status StageRuns::exchange(std::size_t stage, const Carriers& carriers, void* stream) const {
  const auto& [program, operation, sends, receives] = stages_[stage];
  if (sends.empty() && receives.empty()) return {};
  return carriers.exchange(rank_.value, sends, receives, stream);
}

Status StageRuns::run(const Carriers& carriers, void* stream) const {
  for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
    if (auto done = run_segment(stage, stream); !done) return done;
    if (auto done = exchange(stage, carriers, stream); !done) return done;
  }
  return {};
}

Status StageRuns::state() const {
  for (const auto& stage : stages_) {
    if (!stage.operation) continue;
    if (auto well = stage.operation->state(); !well) return well;
  }
  return {};
}

std::string StageRuns::describe() const {
  auto text = fmt::format("{} stages over {} servers", stages_.size(), cut_.servers.count());
  const auto first = std::ranges::find_if(stages_, [](const Stage& stage) { return stage.operation.has_value(); });
  return first == stages_.end() ? text : fmt::format("{}; {}", text, first->operation->describe());
}

}  // namespace p2plab::runtime
