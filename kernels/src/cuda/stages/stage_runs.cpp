// SPDX-License-Identifier: Apache-2.0
#include "cuda/stages/stage_runs.h"

#include <algorithm>

#include <fmt/format.h>

#include "processes/results.h"

namespace p2plab::cuda {

namespace {

bool alone(const Servers& servers) {
  return std::ranges::all_of(servers.ranks, [](const auto& ranks) { return ranks.size() == 1; });
}

}  // namespace

Tuning stage_tuning(const Tuning& tuning, const Servers& servers, Bytes payload) {
  if (!alone(servers) || in_slices(tuning.protocol)) return tuning;
  constexpr std::int64_t slice = std::int64_t{16} << 10;
  constexpr std::int64_t most_blocks = 32;
  return {.blocks_per_lane = static_cast<int>(std::clamp<std::int64_t>(payload.count() / slice, 1, most_blocks)), .slice = Bytes{slice}};
}

Result<std::unique_ptr<StageRuns>> StageRuns::create(const Job& job, const SegmentedProgram& cut, const StagePlace& place, const RunOptions& options,
                                                     SpecialKernels& kernels) {
  std::unique_ptr<StageRuns> made{new StageRuns(cut, place)};
  auto ready = made->make_workspace(job);
  if (auto* const peers = place.devices->peer_memory(); peers != nullptr) ready = processes::all_well(peers->session(), ready);
  if (!ready) return std::move(ready).error();
  if (auto done = made->make_segments(job, options, kernels); !done) return std::move(done).error();
  made->take_messages();
  return made;
}

Status StageRuns::make_workspace(const Job& job) {
  auto workspaces = stages::workspaces_of(cut_, BufferLayout(job.plan->schedule, job.program->payload), job.program->in_place);
  if (!workspaces) return std::move(workspaces).error();
  workspaces_ = *std::move(workspaces);
  if (auto done = use_device(place_.devices->gpu(place_.local.index()).device); !done) return done;
  auto memory = allocate(workspaces_[place_.rank.index()].size);
  if (!memory) return std::move(memory).error();
  memory_ = *std::move(memory);
  return {};
}

Status StageRuns::make_segments(const Job& job, const RunOptions& options, SpecialKernels& kernels) {
  const auto& ranks = cut_.servers.ranks[static_cast<std::size_t>(place_.server)];
  const PeerAccess peer_access(place_.topology, place_.routes);
  const auto wanted = stage_tuning(job.program->tuning, cut_.servers, job.program->payload.size()).protocol;
  const auto protocol = wanted == Protocol::copy ? Protocol::simple : wanted;
  auto shape = options.shape;
  shape.programmatic = false;  // what comes before and after is not all ours
  std::vector<DeviceBuffers> buffers(ranks.size());
  buffers[place_.local.index()].output = memory_.address();
  for (const auto& stage : cut_.stages) {
    stages_.emplace_back();
    const auto& segment = stage.segments[static_cast<std::size_t>(place_.server)];
    if (segment.lanes.empty()) continue;
    auto& made = stages_.back();
    made.program = std::make_unique<Program>(stages::for_server(segment, ranks, workspaces_, protocol, peer_access));
    const Job part{&place_.topology, &place_.routes, job.plan, made.program.get()};
    auto run = GpuRun::create(part, {.buffers = buffers}, shape, kernels, *place_.devices);
    if (!run) return std::move(run).error();
    made.run = *std::move(run);
  }
  return {};
}

std::uint64_t StageRuns::address(const MessageEnd& end) const {
  return memory_.address() + static_cast<std::uint64_t>(workspaces_[end.rank.index()].at(end.buffer, end.offset));
}

void StageRuns::take_messages() {
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    for (const auto& [from, to, bytes] : cut_.stages[s].messages) {
      if (from.rank == place_.rank) stages_[s].sends.push_back({to.rank, reinterpret_cast<void*>(address(from)), bytes});
      if (to.rank == place_.rank) stages_[s].receives.push_back({from.rank, reinterpret_cast<void*>(address(to)), bytes});
    }
  }
}

// In place, input and output are one memory there and here: what is copied in holds all of it.
Status StageRuns::call(const DeviceBuffers& buffers, const runtime::NcclCalls& nccl, device::StreamHandle stream) const {
  const auto& memory = cut_.memory[place_.rank.index()];
  const auto at = [&](Buffer buffer) { return address({place_.rank, buffer, 0}); };
  if (memory.input > Bytes{0}) {
    if (auto done = copy_on(at(Buffer::input), buffers.input, memory.input, stream); !done) return done;
  }
  for (const auto& stage : stages_) {
    if (stage.run) {
      if (auto done = stage.run->call(place_.local, {}, stream); !done) return done;
    }
    if (stage.sends.empty() && stage.receives.empty()) continue;
    if (auto done = nccl.exchange(place_.rank.value, stage.sends, stage.receives, stream); !done) return done;
  }
  if (memory.output == Bytes{0}) return {};
  return copy_on(buffers.output, at(Buffer::output), memory.output, stream);
}

Status StageRuns::hang() const {
  for (const auto& stage : stages_) {
    if (!stage.run) continue;
    if (auto well = stage.run->hang(); !well) return well;
  }
  return {};
}

std::string StageRuns::describe() const {
  auto text = fmt::format("{} stages", stages_.size());
  const auto first = std::ranges::find_if(stages_, [](const Stage& stage) { return stage.run != nullptr; });
  return first == stages_.end() ? text : fmt::format("{}; {}", text, first->run->describe());
}

}  // namespace p2plab::cuda
