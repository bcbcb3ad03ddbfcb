#include "cuda/run.h"

#include <algorithm>

#include <fmt/format.h>

#include "device/wire.h"
#include "processes/results.h"

namespace p2plab::cuda {

namespace {

constexpr std::int64_t token_bytes = 256;

bool adds(const Program& program) {
  return std::ranges::any_of(program.instructions, [](const Instruction& i) { return i.sources > 1 || i.divides; });
}

// The common cases have kernels of their own, which also know the sentinel wire.
bool has_own_kernel(const Payload& payload) {
  const bool sum = payload.op == ReduceOp::sum || payload.op == ReduceOp::average;
  return sum && (payload.type == DataType::float16 || payload.type == DataType::bfloat16 || payload.type == DataType::float32);
}

device::KernelChoice choose(const Program& program, bool packets, bool whole_lines) {
  device::KernelChoice choice{.type = program.payload.type, .op = program.payload.op, .reduces = adds(program)};
  const auto protocol = program.tuning.protocol;
  const bool flagless = protocol == Protocol::flagless || (packets && protocol == Protocol::simple);
  choice.sentinel = flagless && choice.reduces && has_own_kernel(program.payload);
  choice.lines = protocol == Protocol::ll128 && whole_lines;
  return choice;
}

// Copy engines refuse what they cannot reach; thread blocks take it element by element.
bool by_packets(const Program& program, const Reach& reach) {
  return !in_slices(program.tuning.protocol) || (program.tuning.protocol == Protocol::simple && !reach.covers(program));
}

device::Words<4> empty_packet(const device::KernelChoice& choice) {
  if (!choice.sentinel) return device::FlaggedWire::empty();
  return size_of(choice.type) == 2 ? device::SentinelWire<2>::empty() : device::SentinelWire<4>::empty();
}

}  // namespace

GpuRun::GpuRun(const Job& job, const std::vector<int>& devices, const KernelShape& shape, SpecialKernels& kernels)
    : program_(job.program),
      reach_(*job.topology, *job.routes),
      packets_(by_packets(*job.program, reach_)),
      copies_(job.program->tuning.protocol == Protocol::copy),
      devices_(devices),
      shape_(shape),
      choice_(choose(*job.program, packets_, reach_.by_nvlink())),
      kernels_(&kernels) {
  for (const auto device : devices) ranks_per_device_ = std::max(ranks_per_device_, static_cast<int>(std::ranges::count(devices, device)));
  // Two kernels of one rank may not stand in the way of another rank on the same GPU.
  if (ranks_per_device_ > 1) shape_.programmatic = false;
}

Result<GpuRun> GpuRun::create(const Job& job, const Buffers& buffers, const std::vector<int>& devices, const KernelShape& shape,
                              SpecialKernels& kernels, World* world) {
  GpuRun run(job, devices, shape, kernels);
  run.world_ = world;
  const auto& program = *job.program;
  if (auto done = world == nullptr ? run.connect() : Status{}; !done) return std::move(done).error();  // handles connect by themselves
  auto reports = allocate_pinned(Bytes{static_cast<std::int64_t>(report_bytes) * (program.ranks() + 1)});
  if (!reports) return std::move(reports).error();
  run.reports_ = *std::move(reports);
  Plans plans;
  if (run.packets_) {
    plans.packets = make_packet_plan(program, run.reach_, run.choice_.lines);
    // Areas with room for the interpreter's packets too, which are longer than lines.
    plans.format = {.data_bytes = run.choice_.sentinel ? 16 : 8};
    plans.area = landing_area(plans.packets, plans.format);
    plans.host_area = host_landing_area(plans.packets, plans.format);
    if (plans.host_area > 0) run.choice_.lines = false;
    if (run.choice_.lines) plans.format.data_bytes = 15;
    // One distance between copies serves both kinds of memory.
    if (plans.host_area > 0) plans.area = plans.host_area = std::max(plans.area, plans.host_area);
  } else {
    plans.flags = flag_bytes(program);
  }
  if (auto done = run.place(buffers, plans); !done) return std::move(done).error();
  const auto by_slices = [&] { return run.copies_ ? run.prepare_copies() : run.prepare_slices(); };
  if (auto done = run.packets_ ? run.prepare_packets(plans) : by_slices(); !done) return std::move(done).error();
  return run;
}

Status GpuRun::connect() const {
  for (std::size_t a = 0; a < devices_.size(); ++a) {
    for (std::size_t b = 0; b < devices_.size(); ++b) {
      const Rank from{static_cast<std::int64_t>(a)};
      const Rank to{static_cast<std::int64_t>(b)};
      if (devices_[a] == devices_[b] || !(reach_.connected(from, to) || reach_.connected(to, from))) continue;
      if (auto done = enable_peer_access(devices_[a], devices_[b]); !done) return done;
    }
  }
  return {};
}

// One arena a rank: scratch, token, flags, counters; then the landing area; then what lies in host memory.
Status GpuRun::place_rank(Rank rank, const Buffers& buffers, const Plans& plans) {
  const auto empty = empty_packet(choice_);
  const auto& memory = program_->memory[rank.index()];
  if (auto done = use_device(devices_[rank.index()]); !done) return done;
  auto& state = ranks_[rank.index()];
  auto& at = addresses_[rank.index()];
  const auto get = world_ != nullptr ? allocate_shareable : allocate;
  const auto scratch = round_up(memory.scratch.count());
  auto arena = get(Bytes{scratch + token_bytes + round_up(plans.flags) + counter_bytes});
  if (!arena) return std::move(arena).error();
  state.arena = *std::move(arena);
  const auto base = state.arena.address();
  at.token = base + static_cast<std::uint64_t>(scratch);
  at.flags = at.token + token_bytes;
  const auto counters = at.flags + static_cast<std::uint64_t>(round_up(plans.flags));
  if (auto done = set_bytes(at.token, 1, Bytes{token_bytes}); !done) return done;
  if (auto done = set_bytes(at.flags, 0, Bytes{round_up(plans.flags) + counter_bytes}); !done) return done;
  if (packets_) {
    const std::uint32_t first[] = {shape_.first_call, shape_.first_call, shape_.first_call, shape_.first_call};
    if (auto done = check(device::launch_fill(counters, counter_bytes / 16, first, nullptr), "set the calls' number"); !done) return done;
  }
  state.packet_call.epochs = counters;
  state.slice_call.calls = reinterpret_cast<std::uint32_t*>(counters);
  auto landing = get(Bytes{plans.area * image::landing_copies});
  if (!landing) return std::move(landing).error();
  state.landing = *std::move(landing);
  at.landing = state.landing.address();
  const auto units = static_cast<std::uint64_t>(plans.area * image::landing_copies / 16);
  if (auto done = check(device::launch_fill(at.landing, units, empty.w, nullptr), "clear the landing area"); !done) return done;
  const auto host = round_up(memory.host.count());
  const auto pinned = allocate_host(state, Bytes{host + round_up(plans.flags) + plans.host_area * image::landing_copies});
  if (!pinned) return pinned.error();
  at.host_flags = *pinned + static_cast<std::uint64_t>(host);
  at.host_landing = at.host_flags + static_cast<std::uint64_t>(round_up(plans.flags));
  auto* slots = reinterpret_cast<device::Words<4>*>(at.host_landing);
  std::fill_n(slots, plans.host_area * image::landing_copies / 16, empty);
  at.buffers = {buffers.input(rank), buffers.output(rank), base, *pinned};
  return synchronize(Stream{});
}

Status GpuRun::place(const Buffers& buffers, const Plans& plans) {
  addresses_.resize(devices_.size());
  ranks_.resize(devices_.size());
  Status placed;
  for (std::size_t r = 0; r < devices_.size() && placed; ++r) {
    if (has(r)) placed = place_rank(Rank{static_cast<std::int64_t>(r)}, buffers, plans);
  }
  if (world_ == nullptr) return placed;
  if (auto well = processes::all_well(world_->session(), placed); !well) return well;
  return exchange(buffers, plans);
}

Result<std::uint64_t> GpuRun::allocate_host(RankState& state, Bytes size) {
  if (world_ != nullptr) return world_->own_host_memory(size);
  auto pinned = allocate_pinned(size);
  if (!pinned) return std::move(pinned).error();
  state.host = *std::move(pinned);
  return state.host.address();
}

// Gives this rank's memory to the other processes and gets theirs.
Status GpuRun::exchange(const Buffers& buffers, const Plans& plans) {
  const auto& at = addresses_[own()];
  const auto arena = ranks_[own()].arena.address();
  const auto arena_end = at.flags + static_cast<std::uint64_t>(round_up(plans.flags) + counter_bytes);
  const auto bytes = [](std::int64_t count) { return Bytes{std::max<std::int64_t>(count, 1)}; };
  std::vector<World::Piece> pieces{{arena, bytes(static_cast<std::int64_t>(arena_end - arena))},
                                   {at.landing, bytes(plans.area * image::landing_copies)}};
  for (const auto& piece : buffers.pieces()) pieces.push_back({reinterpret_cast<std::uint64_t>(piece.memory.get()), bytes(piece.size.count())});
  auto all = world_->exchange(at, pieces);
  if (!all) return std::move(all).error();
  addresses_ = *std::move(all);
  return {};
}

Status GpuRun::enqueue(Rank rank, const Stream& stream) const {
  const auto& state = ranks_[rank.index()];
  if (copies_) return enqueue_by_copies(state, stream);
  const device::LaunchShape shape{.blocks = state.blocks, .threads = shape_.threads, .programmatic = shape_.programmatic};
  device::CudaCode code = 0;
  if (state.special != nullptr) {
    code = device::launch_special(state.special, shape, state.parameters.data(), state.packet_call, stream.get());
  } else if (packets_) {
    code = device::launch_packets(choice_, shape, state.tables, state.packet_call, stream.get());
  } else {
    code = device::launch_slices(choice_, {.blocks = state.blocks, .threads = shape_.threads}, state.slice_call, stream.get());
  }
  return check(code, fmt::format("launch the kernel of rank {}", rank.value));
}

}  // namespace p2plab::cuda
