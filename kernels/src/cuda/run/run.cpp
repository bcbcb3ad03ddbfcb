// SPDX-License-Identifier: Apache-2.0
#include "cuda/run/run.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "p2plab/program/hardware_routes.h"
#include "processes/results.h"

namespace p2plab::cuda {

namespace {

bool adds(const Program& program) {
  return std::ranges::any_of(program.instructions, [](const Instruction& i) { return i.sources > 1 || i.divides; });
}

// The common cases have kernels of their own, which also have a Lamport specialisation.
bool has_own_kernel(const Payload& payload) {
  const bool sum = payload.op == ReduceOp::sum || payload.op == ReduceOp::average;
  return sum && (payload.type == DataType::float16 || payload.type == DataType::bfloat16 || payload.type == DataType::float32);
}

device::KernelChoice choose(const Program& program, bool packets, bool whole_lines) {
  device::KernelChoice choice{.type = program.payload.type, .op = program.payload.op, .reduces = adds(program)};
  const auto protocol = program.tuning.protocol;
  const bool lamport = protocol == Protocol::lamport || (packets && protocol == Protocol::simple);
  choice.lamport = lamport && choice.reduces && has_own_kernel(program.payload);
  choice.ll128 = protocol == Protocol::ll128 && whole_lines;
  return choice;
}

// Copy engines refuse what they cannot reach; thread blocks take it element by element.
bool by_packets(const Program& program, const PeerAccess& peer_access) {
  return !in_slices(program.tuning.protocol) || (program.tuning.protocol == Protocol::simple && !peer_access.covers(program));
}

}  // namespace

GpuRun::GpuRun(const Job& job, const RunBuffers& buffers, const KernelShape& shape, SpecialKernels& kernels, DeviceSet& device_set)
    : program_(job.program),
      peer_access_(*job.topology, *job.routes),
      layout_(job.plan->schedule, job.program->payload),
      use_(buffers.use),
      packets_(by_packets(*job.program, peer_access_)),
      copies_(job.program->tuning.protocol == Protocol::copy),
      shape_(shape),
      choice_(choose(*job.program, packets_, peer_access_.by_nvlink())),
      share_(device_set.ranks_per_gpu() * buffers.at_once),
      kernels_(&kernels),
      device_set_(&device_set) {
  // Two kernels of one rank may not stand in the way of another rank or run on the same GPU.
  if (share_ > 1) shape_.programmatic = false;
}

GpuRun::~GpuRun() {
  // Moved from, or not yet known to the other processes.
  if (addresses_.empty() || device_set_->peer_memory() == nullptr) return;
  device_set_->peer_memory()->forget(abort_address());
}

RunPlans GpuRun::plan() {
  RunPlans plans;
  if (!packets_) {
    plans.flags = flag_bytes(*program_);
    return plans;
  }
  plans.packets = make_packet_plan(*program_, peer_access_, choice_.ll128);
  // Areas with room for the interpreter's packets too, which are longer than LL128 lines.
  plans.format = {.data_bytes = choice_.lamport ? 16 : 8};
  plans.area = landing_area(plans.packets, plans.format);
  plans.host_area = host_landing_area(plans.packets, plans.format);
  if (plans.host_area > 0) choice_.ll128 = false;
  if (choice_.ll128) plans.format.data_bytes = 15;
  // One distance between copies serves both kinds of memory.
  if (plans.host_area > 0) plans.area = plans.host_area = std::max(plans.area, plans.host_area);
  return plans;
}

Result<GpuRun> GpuRun::create(const Job& job, const RunBuffers& buffers, const KernelShape& shape, SpecialKernels& kernels, DeviceSet& device_set) {
  if (auto follows = follows_hardware(*job.program, *job.topology, *job.routes); !follows) return std::move(follows).error();
  GpuRun run(job, buffers, shape, kernels, device_set);
  auto* const peer_memory = device_set.peer_memory();
  if (auto done = peer_memory == nullptr ? run.connect() : Status{}; !done) return std::move(done).error();  // handles connect by themselves
  const auto plans = run.plan();
  if (auto done = run.place(buffers.buffers, plans); !done) return std::move(done).error();
  auto ready = run.prepare(plans);
  if (peer_memory != nullptr) ready = processes::all_well(peer_memory->session(), ready);
  if (!ready) return std::move(ready).error();
  return run;
}

Status GpuRun::prepare(const RunPlans& plans) {
  if (packets_) return prepare_packets(plans);
  return copies_ ? prepare_copies() : prepare_slices();
}

Status GpuRun::connect() const {
  const auto count = static_cast<std::size_t>(program_->ranks());
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < count; ++b) {
      const Rank from{static_cast<std::int64_t>(a)};
      const Rank to{static_cast<std::int64_t>(b)};
      const auto device = device_set_->gpu(a).device;
      const auto peer = device_set_->gpu(b).device;
      if (device == peer || !(peer_access_.connected(from, to) || peer_access_.connected(to, from))) continue;
      if (auto done = enable_peer_access(device, peer); !done) return done;
    }
  }
  return {};
}

// GPUs of other processes are not asked: a multiprocessor of theirs holds as many as one here.
Result<int> GpuRun::resident_everywhere(const std::function<int()>& ask) const {
  auto least = std::numeric_limits<int>::max();
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_->has(r)) continue;
    const auto& gpu = device_set_->gpu(r);
    if (auto done = use_device(gpu.device); !done) return std::move(done).error();
    const auto resident = ask();
    if (resident <= 0) {
      auto refused = check(-resident, "ask how many blocks fit");
      return refused ? Error{ErrorCode::unsupported, "not one block fits"} : std::move(refused).error();
    }
    least = std::min(least, resident / gpu.multiprocessors * device_set_->least_multiprocessors());
  }
  return least;
}

// Packets touch a caller's buffers on their own GPU only, so a call may name others; what other ranks touch is copied.
Status GpuRun::call(Rank rank, const DeviceBuffers& buffers, device::StreamHandle stream) const {
  const auto& state = ranks_[rank.index()];
  if (use_ == BufferUse::registered) return launch(rank, stream, state.parameters.data());
  if (state.special != nullptr) {
    auto parameters = state.parameters;
    for (const auto i : state.callers) parameters[i] = callers_address(parameters[i], buffers);
    return launch(rank, stream, parameters.data());
  }
  const auto& staged = addresses_[rank.index()].buffers;
  if (auto done = copy_on(staged[0], buffers.input, layout_.input_size(rank), stream); !done) return done;
  if (auto done = launch(rank, stream, nullptr); !done) return done;
  return copy_on(buffers.output, staged[1], layout_.output_size(rank), stream);
}

Status GpuRun::launch(Rank rank, device::StreamHandle stream, const std::uint64_t* parameters) const {
  const auto& state = ranks_[rank.index()];
  if (copies_) return enqueue_by_copies(state, stream);
  const device::LaunchShape shape{.blocks = state.blocks, .threads = shape_.threads, .programmatic = shape_.programmatic};
  device::CudaCode code = 0;
  if (state.special != nullptr) {
    code = device::launch_special(state.special, shape, parameters, state.packet_call, stream);
  } else if (packets_) {
    code = device::launch_packets(choice_, shape, state.tables, state.packet_call, stream);
  } else {
    code = device::launch_slices(choice_, {.blocks = state.blocks, .threads = shape_.threads}, state.slice_call, stream);
  }
  return check(code, fmt::format("launch the kernel of rank {}", rank.value));
}

}  // namespace p2plab::cuda
