// SPDX-License-Identifier: Apache-2.0
#include "cuda/run/packet_run.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "device/wire.h"
#include "lowered/noted_items.h"
#include "lowered/wait_limit.h"
#include "p2plab/program/check.h"
#include "processes/results.h"

namespace p2plab::cuda {

namespace {

device::KernelChoice choose(const Program& program) {
  return {.type = program.payload.type,
          .op = program.payload.op,
          .reduces = program.adds(),
          .lamport = program.packets->wire == PacketWire::lamport,
          .ll128 = program.packets->wire == PacketWire::ll128};
}

device::Words<4> empty_packet(const device::KernelChoice& choice) {
  if (!choice.lamport) return device::LlWire::empty();
  return size_of(choice.type) == 2 ? device::LamportWire<2>::empty() : device::LamportWire<4>::empty();
}

// The largest blocks, so the fewest, that cost at most 2.5 % of the best time (kernels/decisions/005).
std::uint32_t threads_for(std::int64_t packets) {
  constexpr std::int64_t few = 16'384;
  if (packets <= few) return 128;
  if (packets <= 2 * few) return 256;
  return packets <= 4 * few ? 512 : 1024;
}

}  // namespace

PacketRun::PacketRun(const Job& job, const RunBuffers& buffers, const KernelShape& shape, SpecialKernels& kernels, DeviceSet& device_set)
    : GpuRun(job, buffers, device_set),
      packets_(program_.packets),
      wire_(packets_->wire),
      shape_(shape),
      choice_(choose(program_)),
      kernels_(kernels),
      ranks_(addresses_.size()) {
  // Two kernels of one rank may not stand in the way of another rank or run on the same GPU.
  if (share_ > 1) shape_.programmatic = false;
  // Room for the interpreter's LL packets, too, which are longer than LL128 lines.
  const auto longest = wire_ == PacketWire::ll128 ? PacketWire::ll : wire_;
  area_ = landing_area(*packets_, longest);
  host_area_ = host_landing_area(*packets_, longest);
  // One distance between copies serves both kinds of memory.
  if (host_area_ > 0) area_ = host_area_ = std::max(area_, host_area_);
}

std::int64_t PacketRun::packets_a_call() const { return packets_of(wire_, packets_->most_bytes); }

// Landing slots begin empty, calls with the number that they are told.
Status PacketRun::place_own(std::size_t rank) {
  auto& state = ranks_[rank];
  auto& at = addresses_[rank];
  const auto& stream = device_set_.stream(rank);
  const std::uint32_t first[] = {shape_.first_call, shape_.first_call, shape_.first_call, shape_.first_call};
  if (auto done = check(device::launch_fill(counters(rank), counter_bytes / 16, first, stream.get()), "set the calls' number"); !done) return done;
  state.call.epochs = counters(rank);
  auto landing = take(rank, Bytes{area_ * args::landing_copies});
  if (!landing) return std::move(landing).error();
  state.landing = *std::move(landing);
  at.landing = state.landing.address();
  const auto empty = empty_packet(choice_);
  const auto units = static_cast<std::uint64_t>(area_ * args::landing_copies / packet_bytes);
  if (auto done = check(device::launch_fill(at.landing, units, empty.w, stream.get()), "clear the landing area"); !done) return done;
  std::fill_n(reinterpret_cast<device::Words<4>*>(at.host_landing), needs().host_landing / packet_bytes, empty);
  at.of_caller = use() == BufferUse::staged;
  return synchronize(stream);
}

Status PacketRun::prepare() {
  constexpr std::int64_t most_bytes = std::int64_t{1} << 32;
  if (packets_->most_bytes >= most_bytes) {
    return Error{.code = ErrorCode::unsupported, .message = "chunks of 4 GiB and more do not run by packets", .notes = {"use protocol simple"}};
  }
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_.has(r)) continue;
    auto& call = ranks_[r].call;
    call.report = report_address(r);
    call.abort = abort_address();
    call.area = static_cast<std::uint64_t>(area_);
    call.timeout = nanoseconds(deadline_);
  }
  if (shape_.threads == 0) shape_.threads = threads_for(packets_a_call());
  auto special = !shape_.interpret ? specialise() : Status{Error{ErrorCode::unsupported, "it was not asked for"}};
  // Packets of all ranks are alike.
  if (device_set_.peer_memory() != nullptr) special = processes::all_well(device_set_.peer_memory()->session(), special);
  if (special) return {};
  interpreted_ = special.error().message;
  return interpret();
}

void PacketRun::link(int width, std::span<const std::vector<std::uint8_t>> stages) {
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (!device_set_.has(r)) continue;
    auto& state = ranks_[r];
    state.linked = link_packets(*packets_, Rank{static_cast<std::int64_t>(r)}, addresses_, wire_, width,
                                stages.empty() ? std::span<const std::uint8_t>{} : std::span<const std::uint8_t>{stages[r]});
    auto& call = state.call;
    call.packets = static_cast<std::uint32_t>(packets_a_call());
    call.waves = static_cast<std::uint32_t>(state.linked.waves.size());
    call.divisor = state.linked.divisor;
    call.whole_packets = state.linked.whole_packets;
    call.source_count = static_cast<std::uint32_t>(state.linked.sources.size());
    call.store_count = static_cast<std::uint32_t>(state.linked.stores.size());
    call.columns = static_cast<std::uint32_t>(packets_->columns);
  }
}

// The interpreter does not support LL128.
Status PacketRun::interpret() {
  if (wire_ == PacketWire::ll128) wire_ = PacketWire::ll;
  choice_.ll128 = false;
  if (use() == BufferUse::staged) {
    if (auto done = each_rank([&](std::size_t rank) { return place_staging(rank); }); !done) return done;
  }
  if (auto done = choose_interpreter_shape(); !done) return done;
  link(args::packet_width);
  return each_rank([&](std::size_t rank) { return upload_tables(rank); });
}

// Columns have few packets each.
std::uint32_t PacketRun::interpreter_threads() const {
  constexpr std::uint32_t most_threads = 256;  // the interpreter needs many registers
  if (packets_->columns == 1) return std::min(shape_.threads, most_threads);
  return static_cast<std::uint32_t>(std::min<std::int64_t>({shape_.threads, packet_block, threads_of_column(packets_a_call())}));
}

// What runs is proved, however few columns there is room for.
Status PacketRun::join_columns(std::int64_t most) {
  if (packets_->columns <= most) return {};
  auto fewer = std::make_shared<const PacketProgram>(in_columns(*packets_, static_cast<std::int32_t>(most)));
  if (auto proof = check_packets(peer_access_, program_, *fewer); !proof) return std::move(proof).error();
  packets_ = std::move(fewer);
  return {};
}

// Enough blocks that each thread has one packet, if so many fit at once; in as many columns as then fit.
Status PacketRun::choose_interpreter_shape() {
  shape_.threads = interpreter_threads();
  choice_.steps = false;
  const auto everywhere = resident_everywhere([&] { return device::resident_packet_blocks(choice_, shape_.threads); });
  if (!everywhere) return everywhere.error();
  const auto resident = std::min<std::int64_t>(counter_bytes / 4, *everywhere / share_);
  const auto limit = shape_.blocks > 0 ? std::min<std::int64_t>(resident, shape_.blocks) : resident;
  const auto most = std::max<std::int64_t>(limit, 1);
  const auto wanted = std::max<std::int64_t>(1, (packets_a_call() + shape_.threads - 1) / shape_.threads);
  if (auto done = join_columns(std::max<std::int64_t>(most / wanted, 1)); !done) return done;
  blocks_ = static_cast<std::uint32_t>(packets_->columns * std::min(wanted, most));
  // Whether steps are noted changes no grid: other ranks may note none.
  steps_ = steps_ && device::can_note_steps(choice_);
  if (steps_) {
    choice_.steps = true;
    const auto noting = resident_everywhere([&] { return device::resident_packet_blocks(choice_, shape_.threads); });
    choice_.steps = steps_ = noting && *noting / share_ >= static_cast<std::int64_t>(blocks_);
  }
  for (auto& state : ranks_) {
    state.special = state.noting = nullptr;
    state.call.batch = std::max(shape_.batch, 1U);
  }
  return {};
}

Status PacketRun::upload_tables(std::size_t rank) {
  auto& state = ranks_[rank];
  constexpr std::uint32_t most = 65535;  // what a wave can count
  const auto too_long = [&](const args::ColumnTables& column) { return column.sources > most || column.stores > most; };
  if (std::ranges::any_of(state.linked.columns, too_long)) {
    return Error{.code = ErrorCode::unsupported, .message = "the program has too many steps to run by packets", .notes = {"use protocol simple"}};
  }
  const std::array tables{table(state.linked.waves), table(state.linked.sources), table(state.linked.stores), table(state.linked.columns)};
  auto uploaded = upload(rank, tables);
  if (!uploaded) return std::move(uploaded).error();
  state.tables_memory = std::move(uploaded->memory);
  state.tables.waves = reinterpret_cast<const args::PacketWave*>(uploaded->addresses[0]);
  state.tables.sources = reinterpret_cast<const args::PacketSource*>(uploaded->addresses[1]);
  state.tables.stores = reinterpret_cast<const args::PacketStore*>(uploaded->addresses[2]);
  state.tables.columns = reinterpret_cast<const args::ColumnTables*>(uploaded->addresses[3]);
  return {};
}

// Code made for the program takes the addresses of a caller's buffers as they come: a staged call copies nothing.
Status PacketRun::call(Rank rank, const DeviceBuffers& buffers, device::StreamHandle stream) const {
  const auto& state = ranks_[rank.index()];
  const bool registered = use() == BufferUse::registered;
  if (state.special == nullptr || (registered && !program_.epilogue)) return GpuRun::call(rank, buffers, stream);
  auto parameters = state.parameters;
  for (const auto& [parameter, buffer] : state.linked.of_caller) parameters[parameter] += buffer == Buffer::input ? buffers.input : buffers.output;
  if (!program_.epilogue) return launch(state, parameters, journal_of(buffers), stream);
  auto epilogue = epilogue_of(rank, registered ? addresses_[rank.index()].buffers[1] : buffers.output, buffers);
  if (!epilogue) return std::move(epilogue).error();
  epilogue->arrivals = state.arrivals.address();
  return launch(state, parameters, journal_of(buffers), stream, &*epilogue);
}

Status PacketRun::launch(Rank rank, const args::CallJournal& journal, device::StreamHandle stream) const {
  const auto& state = ranks_[rank.index()];
  return launch(state, state.parameters, journal, stream);
}

Status PacketRun::launch(const RankPackets& state, const std::vector<std::uint64_t>& parameters, const args::CallJournal& journal,
                         device::StreamHandle stream, const args::EpilogueCall* epilogue) const {
  const device::LaunchShape shape{.blocks = blocks_, .threads = shape_.threads, .programmatic = shape_.programmatic};
  auto call = state.call;
  call.journal = journal;
  const bool notes = writes(journal);
  if (state.special == nullptr) {
    auto choice = choice_;
    choice.steps = choice.steps && notes;
    return check(device::launch_packets(choice, shape, state.tables, call, stream), "launch the packet interpreter");
  }
  const auto* const kernel = notes ? state.noting : state.special;
  if (kernel == nullptr) return Error{ErrorCode::invalid_input, "a journal for a communicator whose calls are not recorded"};
  return check(device::launch_special(kernel, shape, parameters.data(), call, stream, epilogue), "launch the kernel made for the program");
}

// An item is its first wave.
NotedItems PacketRun::noted(Rank rank) const {
  if (!steps_) return {};
  const auto columns = packets_->columns;
  return {.blocks_per_lane = columns > 1 ? static_cast<int>(blocks_) / columns : 0, .lanes = noted_items(ranks_[rank.index()].linked)};
}

std::vector<Arrival> PacketRun::arrivals() const {
  std::vector<LinkedPackets> all;
  for (const auto& state : ranks_) all.push_back(state.linked);
  return arrivals_of(all);
}

std::string PacketRun::describe_wait(std::size_t rank, const args::HangReport& report) const {
  if (report.item == args::item_arrivals) return fmt::format("block {}: for the other blocks of its rank, before the epilogue", report.block);
  const auto& linked = ranks_[rank].linked;
  const auto column = report.block / (blocks_ / static_cast<std::uint32_t>(packets_->columns));
  return fmt::format("block {}: for packet {} {}", report.block, report.position,
                     waited_for(linked.origins[linked.columns[column].source + report.item]));
}

std::string PacketRun::describe() const {
  auto text = fmt::format("{} packets; {} blocks of {} threads", to_string(wire_), blocks_, shape_.threads);
  if (program_.tuning.protocol == Protocol::simple) text += ", as some ranks meet only in host memory";
  if (program_.epilogue) text += interpreted_.empty() ? " with the epilogue" : ", the epilogue as a kernel of its own";
  if (packets_->columns > 1) text += fmt::format(" in {} columns", packets_->columns);
  const auto at_once = std::int64_t{blocks_} / packets_->columns * shape_.threads;
  if (const auto each = (packets_a_call() + at_once - 1) / at_once; each > 1) text += fmt::format(", {} packets each", each);
  return text + (interpreted_.empty() ? ", code made for the program" : fmt::format(", interpreted: {}", interpreted_));
}

}  // namespace p2plab::cuda
