#include "cuda/run.h"

#include <algorithm>

#include <fmt/format.h>

#include "device/wire.h"

namespace p2plab::cuda {

namespace {

constexpr std::int64_t counter_bytes = std::int64_t{1} << 16;
constexpr std::int64_t token_bytes = 256;
constexpr std::uint32_t most_slice_threads = 512;

std::int64_t round_up(std::int64_t value) { return (value + 255) / 256 * 256; }

bool adds(const Program& program) {
  return std::ranges::any_of(program.instructions, [](const Instruction& i) { return i.sources > 1 || i.divides; });
}

// The common cases have kernels of their own, which also know the sentinel wire.
bool has_own_kernel(const Payload& payload) {
  const bool sum = payload.op == ReduceOp::sum || payload.op == ReduceOp::average;
  return sum && (payload.type == DataType::float16 || payload.type == DataType::bfloat16 || payload.type == DataType::float32);
}

device::KernelChoice choose(const Program& program) {
  device::KernelChoice choice{.type = program.payload.type, .op = program.payload.op, .reduces = adds(program)};
  const bool own = !choice.reduces || has_own_kernel(program.payload);
  choice.sentinel = program.tuning.protocol == Protocol::flagless && choice.reduces && own;
  return choice;
}

device::Words<4> empty_packet(const device::KernelChoice& choice) {
  if (!choice.sentinel) return device::FlaggedWire::empty();
  return size_of(choice.type) == 2 ? device::SentinelWire<2>::empty() : device::SentinelWire<4>::empty();
}

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  return Bytes{static_cast<std::int64_t>(values.size() * sizeof(T))};
}

}  // namespace

bool by_packets(Protocol protocol) { return protocol != Protocol::simple; }

// What both forms share while a run is prepared.
struct GpuRun::Plans {
  PacketPlan packets;
  PacketFormat format;
  std::int64_t area = 0;  // bytes of one copy of the landing areas
  std::int64_t host_area = 0;
  std::int64_t flags = 0;
};

GpuRun::GpuRun(const Job& job, const std::vector<int>& devices, const RunShape& shape)
    : program_(job.program), routes_(job.routes), devices_(devices), shape_(shape), choice_(choose(*job.program)) {
  for (const auto device : devices) ranks_per_device_ = std::max(ranks_per_device_, static_cast<int>(std::ranges::count(devices, device)));
  // Two kernels of one rank may not stand in the way of another rank on the same GPU.
  if (ranks_per_device_ > 1) shape_.programmatic = false;
}

Result<GpuRun> GpuRun::create(const Job& job, const Buffers& buffers, const std::vector<int>& devices, const RunShape& shape) {
  GpuRun run(job, devices, shape);
  const auto& program = *job.program;
  if (auto done = run.connect(); !done) return std::move(done).error();
  auto reports = allocate_pinned(Bytes{static_cast<std::int64_t>(report_bytes) * (program.ranks() + 1)});
  if (!reports) return std::move(reports).error();
  run.reports_ = *std::move(reports);
  Plans plans;
  const bool packets = by_packets(program.tuning.protocol);
  if (packets) {
    plans.format = {run.choice_.sentinel ? 16 : 8};
    plans.packets = make_packet_plan(program, *job.routes);
    plans.area = landing_area(plans.packets, plans.format);
    plans.host_area = host_landing_area(plans.packets, plans.format);
    // One distance between copies serves both kinds of memory.
    if (plans.host_area > 0) plans.area = plans.host_area = std::max(plans.area, plans.host_area);
  } else {
    plans.flags = flag_bytes(program);
  }
  if (auto done = run.place(buffers, plans); !done) return std::move(done).error();
  if (auto done = packets ? run.prepare_packets(plans) : run.prepare_slices(*job.routes); !done) return std::move(done).error();
  return run;
}

Status GpuRun::connect() const {
  for (std::size_t a = 0; a < devices_.size(); ++a) {
    for (std::size_t b = 0; b < devices_.size(); ++b) {
      const Rank from{static_cast<std::int64_t>(a)};
      const Rank to{static_cast<std::int64_t>(b)};
      if (devices_[a] == devices_[b] || !(routes_->connected(from, to) || routes_->connected(to, from))) continue;
      if (auto done = enable_peer_access(devices_[a], devices_[b]); !done) return done;
    }
  }
  return {};
}

// One arena a rank: scratch, token, flags, counters; then the landing area; then what lies in host memory.
Status GpuRun::place(const Buffers& buffers, const Plans& plans) {
  const auto empty = empty_packet(choice_);
  for (std::size_t r = 0; r < devices_.size(); ++r) {
    const Rank rank{static_cast<std::int64_t>(r)};
    const auto& memory = program_->memory[r];
    if (auto done = use_device(devices_[r]); !done) return done;
    RankState state;
    RankAddresses at;
    const auto scratch = round_up(memory.scratch.count());
    auto arena = allocate(Bytes{scratch + token_bytes + round_up(plans.flags) + counter_bytes});
    if (!arena) return std::move(arena).error();
    state.arena = *std::move(arena);
    const auto base = state.arena.address();
    at.token = base + static_cast<std::uint64_t>(scratch);
    at.flags = at.token + token_bytes;
    const auto counters = at.flags + static_cast<std::uint64_t>(round_up(plans.flags));
    if (auto done = set_bytes(at.token, 1, Bytes{token_bytes}); !done) return done;
    if (auto done = set_bytes(at.flags, 0, Bytes{round_up(plans.flags) + counter_bytes}); !done) return done;
    state.packet_call.epochs = counters;
    state.slice_call.calls = reinterpret_cast<std::uint32_t*>(counters);
    auto landing = allocate(Bytes{plans.area * image::landing_copies});
    if (!landing) return std::move(landing).error();
    state.landing = *std::move(landing);
    at.landing = state.landing.address();
    const auto units = static_cast<std::uint64_t>(plans.area * image::landing_copies / 16);
    if (auto done = check(device::launch_fill(at.landing, units, empty.w, nullptr), "clear the landing area"); !done) return done;
    const auto host = round_up(memory.host.count());
    auto pinned = allocate_pinned(Bytes{host + round_up(plans.flags) + plans.host_area * image::landing_copies});
    if (!pinned) return std::move(pinned).error();
    state.host = *std::move(pinned);
    at.host_flags = state.host.address() + static_cast<std::uint64_t>(host);
    at.host_landing = at.host_flags + static_cast<std::uint64_t>(round_up(plans.flags));
    auto* slots = reinterpret_cast<device::Words<4>*>(at.host_landing);
    std::fill_n(slots, plans.host_area * image::landing_copies / 16, empty);
    at.buffers = {buffers.input(rank), buffers.output(rank), base, state.host.address()};
    if (auto done = synchronize(Stream{}); !done) return done;
    addresses_.push_back(at);
    ranks_.push_back(std::move(state));
  }
  return {};
}

Status GpuRun::prepare_packets(const Plans& plans) {
  constexpr std::int64_t most_bytes = std::int64_t{1} << 32;
  if (plans.packets.most_bytes >= most_bytes) {
    return Error{.code = ErrorCode::unsupported, .message = "chunks of 4 GiB and more do not run by packets", .notes = {"use protocol simple"}};
  }
  if (auto done = choose_packet_shape(plans); !done) return done;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    auto& state = ranks_[r];
    state.packets = link_packets(plans.packets, Rank{static_cast<std::int64_t>(r)}, addresses_, plans.format);
    auto& call = state.packet_call;
    call.report = reports_.address() + r * report_bytes;
    call.abort = reports_.address() + ranks_.size() * report_bytes;
    call.area = static_cast<std::uint64_t>(plans.area);
    call.timeout = shape_.timeout;
    call.packets = static_cast<std::uint32_t>((plans.packets.most_bytes + plans.format.data_bytes - 1) / plans.format.data_bytes);
    call.waves = static_cast<std::uint32_t>(state.packets.waves.size());
    call.divisor = state.packets.divisor;
    call.whole_packets = state.packets.whole_packets;
    call.source_count = static_cast<std::uint32_t>(state.packets.sources.size());
    call.store_count = static_cast<std::uint32_t>(state.packets.stores.size());
    state.blocks = shape_.blocks;
    if (auto done = upload_packets(r); !done) return done;
  }
  return {};
}

// Enough blocks that each thread has one packet, if so many fit at once.
Status GpuRun::choose_packet_shape(const Plans& plans) {
  const auto packets = (plans.packets.most_bytes + plans.format.data_bytes - 1) / plans.format.data_bytes;
  constexpr std::int64_t few = 8192;
  if (shape_.threads == 0) shape_.threads = packets <= few ? 128 : 256;
  auto resident = std::int64_t{counter_bytes / 4};
  for (const auto device : devices_) {
    if (auto done = use_device(device); !done) return done;
    for (const bool inlined : {true, false}) {
      const auto fit = device::resident_packet_blocks(choice_, inlined, shape_.threads);
      if (fit <= 0) return check(-fit, "ask how many blocks fit");
      resident = std::min<std::int64_t>(resident, fit / ranks_per_device_);
    }
  }
  const auto wanted = std::max<std::int64_t>(1, (packets + shape_.threads - 1) / shape_.threads);
  const auto limit = shape_.blocks > 0 ? std::min<std::int64_t>(resident, shape_.blocks) : resident;
  shape_.blocks = static_cast<std::uint32_t>(std::min(wanted, std::max<std::int64_t>(limit, 1)));
  return {};
}

Status GpuRun::upload_packets(std::size_t rank) {
  auto& state = ranks_[rank];
  auto& tables = state.tables;
  const auto& linked = state.packets;
  tables.inlined = linked.waves.size() <= device::inlined_waves && linked.sources.size() <= device::inlined_sources &&
                   linked.stores.size() <= device::inlined_stores;
  tables.waves = linked.waves.data();
  tables.sources = linked.sources.data();
  tables.stores = linked.stores.data();
  if (tables.inlined) return {};
  constexpr std::size_t most = 65535;  // what a wave can count
  if (linked.sources.size() > most || linked.stores.size() > most) {
    return Error{.code = ErrorCode::unsupported, .message = "the program has too many steps to run by packets", .notes = {"use protocol simple"}};
  }
  if (auto done = use_device(devices_[rank]); !done) return done;
  const auto waves = round_up(bytes_of(linked.waves).count());
  const auto sources = round_up(bytes_of(linked.sources).count());
  auto memory = allocate(Bytes{waves + sources} + bytes_of(linked.stores));
  if (!memory) return std::move(memory).error();
  state.images = *std::move(memory);
  const auto at = [&](std::int64_t offset) { return state.images.address() + static_cast<std::uint64_t>(offset); };
  if (auto done = copy_to_device(at(0), tables.waves, bytes_of(linked.waves)); !done) return done;
  if (auto done = copy_to_device(at(waves), tables.sources, bytes_of(linked.sources)); !done) return done;
  if (auto done = copy_to_device(at(waves + sources), tables.stores, bytes_of(linked.stores)); !done) return done;
  tables.waves = reinterpret_cast<const image::PacketWave*>(at(0));
  tables.sources = reinterpret_cast<const image::PacketSource*>(at(waves));
  tables.stores = reinterpret_cast<const image::PacketStore*>(at(waves + sources));
  return {};
}

Status GpuRun::prepare_slices(const Routes& routes) {
  if (auto done = choose_slice_shape(); !done) return done;
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    auto& state = ranks_[r];
    state.slices = link_slices(*program_, routes, Rank{static_cast<std::int64_t>(r)}, addresses_);
    auto* const calls = state.slice_call.calls;
    state.slice_call = state.slices.call;
    state.slice_call.calls = calls;
    state.slice_call.report = reports_.address() + r * report_bytes;
    state.slice_call.abort = reports_.address() + ranks_.size() * report_bytes;
    state.slice_call.timeout = shape_.timeout;
    state.blocks = std::max(state.slice_call.lane_count, 1U) * state.slice_call.parts;
    if (auto done = upload_slices(r); !done) return done;
  }
  return {};
}

// The most threads a block with which all blocks of a rank fit at once.
Status GpuRun::choose_slice_shape() {
  const auto blocks = std::max(program_->blocks(), program_->tuning.parts);
  if (blocks > counter_bytes / 4)
    return Error{.code = ErrorCode::unsupported, .message = fmt::format("{} blocks a rank are more than any GPU holds", blocks)};
  constexpr std::uint32_t least = 64;
  int fit = 0;
  for (auto threads = shape_.threads > 0 ? shape_.threads : most_slice_threads; threads >= least; threads /= 2) {
    fit = 1 << 20;
    for (const auto device : devices_) {
      if (auto done = use_device(device); !done) return done;
      const auto resident = device::resident_slice_blocks(choice_, threads);
      if (resident <= 0) return check(-resident, "ask how many blocks fit");
      fit = std::min(fit, resident / ranks_per_device_);
    }
    shape_.threads = threads;
    if (blocks <= fit) return {};
  }
  return Error{.code = ErrorCode::unsupported,
               .message = fmt::format("the program needs {} thread blocks at once on a rank; its GPU holds {}", blocks, fit),
               .notes = {"use fewer parts or channels"}};
}

Status GpuRun::upload_slices(std::size_t rank) {
  auto& state = ranks_[rank];
  const auto& linked = state.slices;
  if (auto done = use_device(devices_[rank]); !done) return done;
  const auto lanes = round_up(bytes_of(linked.lanes).count());
  const auto instructions = round_up(bytes_of(linked.instructions).count());
  const auto waits = round_up(bytes_of(linked.waits).count());
  auto memory = allocate(Bytes{lanes + instructions + waits} + bytes_of(linked.addresses));
  if (!memory) return std::move(memory).error();
  state.images = *std::move(memory);
  const auto base = state.images.address();
  const auto at = [&](std::int64_t offset) { return base + static_cast<std::uint64_t>(offset); };
  auto& call = state.slice_call;
  call.lanes = reinterpret_cast<const image::SliceLane*>(at(0));
  call.instructions = reinterpret_cast<const image::SliceInstruction*>(at(lanes));
  call.waits = reinterpret_cast<const image::SliceWait*>(at(lanes + instructions));
  call.addresses = reinterpret_cast<const std::uint64_t*>(at(lanes + instructions + waits));
  if (auto done = copy_to_device(at(0), linked.lanes.data(), bytes_of(linked.lanes)); !done) return done;
  if (auto done = copy_to_device(at(lanes), linked.instructions.data(), bytes_of(linked.instructions)); !done) return done;
  if (auto done = copy_to_device(at(lanes + instructions), linked.waits.data(), bytes_of(linked.waits)); !done) return done;
  return copy_to_device(at(lanes + instructions + waits), linked.addresses.data(), bytes_of(linked.addresses));
}

Status GpuRun::enqueue(Rank rank, const Stream& stream) const {
  const auto& state = ranks_[rank.index()];
  const device::LaunchShape shape{.blocks = state.blocks, .threads = shape_.threads, .programmatic = shape_.programmatic};
  const auto code = by_packets(program_->tuning.protocol) ? device::launch_packets(choice_, shape, state.tables, state.packet_call, stream.get())
                                                          : device::launch_slices(choice_, shape, state.slice_call, stream.get());
  return check(code, fmt::format("launch the kernel of rank {}", rank.value));
}

}  // namespace p2plab::cuda
