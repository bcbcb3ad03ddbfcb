// SPDX-License-Identifier: Apache-2.0
#include "cuda/stages/cuda_stages.h"

#include <algorithm>

#include <fmt/format.h>

#include "lowered/wait_limit.h"
#include "processes/rendezvous_server.h"
#include "processes/results.h"
#include "runtime/stage_runs.h"
#include "stages/server_session.h"
#include "stages/stage_tuning.h"

namespace p2plab::cuda {

namespace {

constexpr Seconds most_silence{60};  // of a call that ends

// How NCCL counts the elements of a collective (runtime/call.h).
Result<runtime::Call> call_of(const Job& job) {
  const auto& collective = job.plan->schedule.collective();
  const auto& payload = job.program->payload;
  const int ranks = job.program->ranks();
  const bool each = sharded(collective.kind) || collective.kind == CollectiveKind::all_to_all;
  const bool all = collective.silent.empty() && collective.members.size() == static_cast<std::size_t>(ranks);
  if (!all || collective.kind == CollectiveKind::send_receive || (each && payload.elements % ranks != 0))
    return Error{ErrorCode::unsupported, "NCCL runs this with all ranks and equal blocks only"};
  return runtime::Call{.kind = collective.kind,
                       .type = payload.type,
                       .op = payload.op,
                       .count = each ? payload.elements / ranks : payload.elements,
                       .root = collective.root.value};
}

std::string obstacle(const Job& job, const Session& session, const Status& able) {
  if (job.program->ranks() != session.ranks())
    return fmt::format("the program has {} ranks, this job {} processes", job.program->ranks(), session.ranks());
  if (const auto limit = wait_limit(); !limit) return limit.error().message;
  return able ? std::string{} : able.error().message;
}

}  // namespace

// Each rank takes the GPU of its number among the ranks of its machine; where there are fewer GPUs, ranks share them.
Status CudaStages::meet() {
  if (nccl_) return {};
  const auto machines = session_.all_gather(processes::machine_here());
  if (!machines) return machines.error();
  const auto self = static_cast<std::size_t>(session_.rank());
  const auto here = [&](std::size_t end) {
    return std::count(machines->begin(), machines->begin() + static_cast<std::ptrdiff_t>(end), (*machines)[self]);
  };
  const auto count = device_count();
  if (auto well = processes::all_well(session_, count ? Status{} : Status{count.error()}); !well) return well;
  device_ = static_cast<int>(here(self) % *count);
  sharers_ = static_cast<int>((here(machines->size()) + *count - 1) / *count);
  const runtime::GpuPrograms::Here place{session_.rank(), *device_};
  auto nccl = runtime::NcclCalls::create(&session_, session_.ranks(), {&place, 1});
  if (!nccl) return std::move(nccl).error();
  nccl_ = *std::move(nccl);
  carriers_ = std::make_unique<runtime::Carriers>(*nccl_);
  return {};
}

Status CudaStages::join(const Servers& servers) {
  if (servers_ && servers_->of == servers.of) return {};
  if (servers_) return Error{ErrorCode::unsupported, "one job runs on one machine: this plan's has other servers than the one before"};
  auto carriers = runtime::Carriers::create(*nccl_, session_, {session_.rank(), *device_}, servers);
  if (!carriers) return std::move(carriers).error();
  auto joined = stages::join_server(session_, servers);
  if (!joined) return std::move(joined).error();
  server_session_ = *std::move(joined);
  auto communicator = Communicator::create(*server_session_, *device_);
  if (auto well = processes::all_well(session_, communicator ? Status{} : Status{communicator.error()}); !well) return well;
  communicator_.emplace(*std::move(communicator));
  carriers_ = *std::move(carriers);
  servers_ = servers;
  return {};
}

Result<Measurement> CudaStages::run(const Job& job, const RunOptions& options) {
  const auto& program = *job.program;
  const auto servers = servers_of(*job.topology);
  const auto tuning = stages::stage_tuning(program.tuning, servers, program.payload.size());
  auto cut = cut_at_servers(*job.topology, job.plan->schedule, program.payload, tuning, program.in_place);
  const Offer mine{.build = processes::build(),
                   .digest = processes::digest(program, options),
                   .obstacle = obstacle(job, session_, cut ? Status{} : Status{cut.error()})};
  if (auto agreed = agree(session_, mine); !agreed) return std::move(agreed).error();
  if (auto met = meet(); !met) return std::move(met).error();
  if (auto joined = join(servers); !joined) return std::move(joined).error();
  auto runs = runtime::StageRuns::create(job, *std::move(cut), Rank{session_.rank()}, *device_);
  if (auto well = processes::all_well(session_, runs ? Status{} : Status{runs.error()}); !well) return std::move(well).error();
  const auto prepared = (*runs)->prepare(job, *communicator_, options.shape);
  if (auto well = processes::all_well(session_, prepared); !well) return std::move(well).error();
  auto result = measure(
      job, options, "cuda", [&](Rank, const Stream& stream) { return call(**runs, stream); }, [&] { return (*runs)->state(); });
  if (!result) return result;
  result->notes.push_back((*runs)->describe());
  if (const auto carried = carriers_->describe(); !carried.empty()) result->notes.push_back(carried);
  return result;
}

// In place, input and output are one memory there and here: what is copied in holds all of it.
Status CudaStages::call(const runtime::StageRuns& runs, const Stream& stream) const {
  const auto& memory = runs.memory();
  if (memory.input > Bytes{0}) {
    if (auto done = copy_on(runs.address(Buffer::input), own_->input, memory.input, stream.get()); !done) return done;
  }
  if (auto done = runs.run(*carriers_, stream.get()); !done) return done;
  if (memory.output == Bytes{0}) return {};
  return copy_on(own_->output, runs.address(Buffer::output), memory.output, stream.get());
}

Result<Measurement> CudaStages::run_nccl(const Job& job, const RunOptions& options) {
  const auto call = call_of(job);
  const Offer mine{.build = processes::build(),
                   .digest = processes::digest(*job.program, options),
                   .obstacle = obstacle(job, session_, call ? Status{} : Status{call.error()})};
  if (auto agreed = agree(session_, mine); !agreed) return std::move(agreed).error();
  if (auto met = meet(); !met) return std::move(met).error();
  return measure(
      job, options, "nccl", [&](Rank rank, const Stream& stream) { return nccl_->run(rank.value, *call, *own_, stream.get()); },
      [] { return Status{}; });
}

Result<Measurement> CudaStages::measure(const Job& job, const RunOptions& options, const char* name, const Enqueue& enqueue,
                                        const std::function<Status()>& hang) {
  const Rank self{session_.rank()};
  auto streams = RankStreams::create({*device_});
  const std::vector<int> devices(static_cast<std::size_t>(session_.ranks()), *device_);
  auto buffers = Buffers::create(job.plan->schedule, job.program->payload, devices, {.in_place = job.program->in_place, .only = self});
  auto gate = allocate_pinned(Bytes{64});
  auto ready = streams ? Status{} : Status{streams.error()};
  if (ready && !buffers) ready = buffers.error();
  if (ready && !gate) ready = gate.error();
  if (auto well = processes::all_well(session_, ready); !well) return std::move(well).error();
  const auto addresses = buffers->addresses();
  own_ = &addresses[self.index()];
  CallLimit limit(most_silence, [this] { carriers_->abort(); });
  const auto listening = session_.on_loss([&limit] { limit.gone(); });
  const auto after = [&](Status mine) -> Status {
    if (auto lost = session_.state(); !lost) return lost;
    if (limit.expired()) return Error{ErrorCode::device_failure, fmt::format("a call did not end within {:g} s", most_silence.count())};
    if (auto well = hang(); !well) return well;
    if (auto well = nccl_->state(); !well) return well;
    return mine;
  };
  const auto touching = [&](Rank rank, const Stream& stream) {
    limit.touch();
    return enqueue(rank, stream);
  };
  const auto barrier = [&] {
    limit.touch();
    return session_.barrier();
  };
  // Each rank opens its own gate once all are there.
  auto result = measure_rank({.executor = name,
                              .session = &session_,
                              .rank = self,
                              .buffers = &*buffers,
                              .streams = &*streams,
                              .size = job.program->payload.size(),
                              .enqueue = touching,
                              .after = after,
                              .meeting = {.barrier = barrier, .gate = gate->address(), .opens = true}},
                             options);
  if (auto all = session_.barrier(); !all && result) return std::move(all).error();
  if (!result) return result;
  result->notes.push_back(fmt::format("{} processes, NCCL {} between servers, NVLink multicast off", session_.ranks(), nccl_->version()));
  if (sharers_ > 1) result->notes.push_back(fmt::format("up to {} ranks share a GPU", sharers_));
  result->notes.push_back(describe_device(*device_));
  return result;
}

}  // namespace p2plab::cuda
