// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "lowered/wait_limit.h"
#include "p2plab/detail/named.h"

namespace p2plab::runtime {

namespace {

constexpr std::array backends{std::pair{"auto", Backend::automatic}, std::pair{"p2p", Backend::p2p}, std::pair{"host", Backend::host},
                              std::pair{"nccl", Backend::nccl}, std::pair{"none", Backend::none}};

}  // namespace

std::string_view to_string(Backend backend) { return std::ranges::find(backends, backend, &std::pair<const char*, Backend>::second)->first; }

Result<Backend> backend(std::string_view name) {
  for (const auto& [known, value] : backends) {
    if (name == known && value != Backend::none) return value;
  }
  return unknown_name("backend", std::string{name}, {"auto", "p2p", "host", "nccl"});
}

Engine::Engine(std::shared_ptr<Chooser> chooser, EngineOptions options, int ranks)
    : chooser_(std::move(chooser)), options_(std::move(options)), ranks_(ranks), backend_(options_.backend) {}

Engine::~Engine() { finalize(); }

void Engine::say(const std::string& text) const {
  if (options_.say) options_.say(text);
}

// The shortest prepared call of the kind that holds this one.
std::optional<Call> Engine::wider(const Call& call) const {
  std::optional<Call> best;
  for (auto held : options_.prepare) {
    const auto count = held.count;
    held.count = call.count;
    if (held != call || count < call.count || (best && best->count <= count)) continue;
    best = call;
    best->count = count;
  }
  return best;
}

// Is the call NCCL's, by choice? The same on all ranks, and of every call that is counted.
bool Engine::by_nccl(const Call& call) const {
  if (call.epilogue || (over_servers() && ours_was_asked_for())) return false;
  const bool able = nccl_ != nullptr ? NcclCalls::has(call.type) : options_.only_ready;
  return able && ranks_ > 1 && !chooser_->prefers_nccl(call, ranks_).empty();
}

// May NCCL serve a call for which there is no program? Not where there is one only to carry messages for ours.
bool Engine::nccl_serves(const Call& call) const {
  return nccl_ != nullptr && NcclCalls::has(call.type) && !(over_servers() && ours_was_asked_for());
}

bool Engine::left_to_nccl(const Call& call) const { return nccl_ == nullptr && (backend_ == Backend::nccl || by_nccl(normal(call))); }

Result<bool> Engine::run(int rank, const Call& given, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  {
    const std::lock_guard lock(ending_);
    if (aborted_) return *aborted_;
  }
  if (given.count == 0) return true;
  if (by != nullptr) by->backend = backend_;
  if (given.epilogue) return run_fused(rank, given, buffers, stream, by);
  const auto call = normal(given);
  if (backend_ == Backend::nccl || by_nccl(call)) {
    if (by != nullptr) by->backend = Backend::nccl;
    if (nccl_ == nullptr) return false;
    if (auto done = nccl_->run(rank, call, buffers, stream); !done) return std::move(done).error();
    return true;
  }
  const auto blocks = blocks_of(call, rank, ranks_);
  if (ranks_ == 1) {
    if (buffers.input == buffers.output || blocks.input == 0 || blocks.output == 0) return true;
    const auto bytes = bytes_of(call);
    if (auto done = device::copy({buffers.output, bytes, buffers.input, bytes, bytes, 1}, stream); !done) return std::move(done).error();
    return true;
  }
  if (!long_one(call)) return run_piece(rank, call, buffers, stream, by);
  return options_.only_ready ? Result<bool>{false} : run_in_pieces(rank, call, buffers, stream, by);
}

Result<bool> Engine::run_piece(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  auto& side = here_.at(rank);
  const bool by_nccl = nccl_serves(call);
  const bool waits = !options_.only_ready && !by_nccl;
  const auto program = side.reserved.empty() ? programs_->next(rank, call, wider(call), waits) : Result<const ReadyProgram*>{side.reserved.front()};
  if (!side.reserved.empty()) side.reserved.pop_front();
  if (!program) return program.error();
  if (by != nullptr) *by = {*program == nullptr ? Backend::nccl : backend_, *program};
  if (*program == nullptr) {
    if (!by_nccl) return false;
    if (auto done = nccl_->run(rank, call, buffers, stream); !done) return std::move(done).error();
    return true;
  }
  const device::Current current(side.device);
  if (!current.status()) return current.status().error();
  if (auto done = keep_order(side, stream); !done) return std::move(done).error();
  if (auto done = (*program)->run(rank, call, buffers, stream); !done) return std::move(done).error();
  return true;
}

// As `run` decides it.
Result<bool> Engine::reserve(int rank, const Call& given) {
  const auto call = normal(given);
  if (given.count == 0 || given.epilogue || !over_servers() || backend_ == Backend::nccl || by_nccl(call) || long_one(call)) return false;
  const auto program = programs_->next(rank, call, wider(call), false);
  if (!program) return program.error();
  if (*program != nullptr) here_.at(rank).reserved.push_back(*program);
  return *program != nullptr;
}

bool Engine::long_one(const Call& call) const { return runtime::payload_of(call, ranks_).size() > options_.most; }

std::int64_t Engine::elements_of_a_piece(const Call& call) const {
  const auto parts = std::max(blocks_of(call, 0, ranks_).input, blocks_of(call, call.root, ranks_).output);
  return std::max<std::int64_t>(1, options_.most.count() / parts / size_of(call.type) / 16) * 16;
}

// What serves a call: a program for it, or those of its pieces; none where long ones are left to others.
std::vector<Call> Engine::programs_of(const Call& call) const {
  if (!long_one(call)) return {call};
  std::vector<Call> pieces;
  const auto most = elements_of_a_piece(call);
  for (const auto count : {most, call.count % most}) {
    if (count == 0 || options_.only_ready) continue;
    pieces.push_back(call);
    pieces.back().count = count;
  }
  return pieces;
}

// Pieces of blocks do not lie one after another, so they are gathered and spread by copies. To free their room waits for the GPU.
Result<bool> Engine::run_in_pieces(int rank, const Call& call, const DeviceBuffers& buffers, void* stream, ServedBy* by) {
  const auto size = size_of(call.type);
  const auto blocks = blocks_of(call, rank, ranks_);
  const auto most = elements_of_a_piece(call);
  const auto whole = bytes_of(call);
  const auto room = [&](int count) { return device::allocate(here_.at(rank).device, Bytes{count > 1 ? count * most * size : 0}); };
  for (std::int64_t first = 0; first < call.count; first += most) {
    auto piece = call;
    piece.count = std::min(most, call.count - first);
    const auto width = bytes_of(piece);
    const auto offset = static_cast<std::uint64_t>(first * size);
    const bool last = first + most >= call.count;
    DeviceBuffers used{.input = buffers.input + offset, .output = buffers.output + offset, .journal = journal_of_piece(buffers.journal, last)};
    const auto input = room(blocks.input);
    const auto output = room(blocks.output);
    if (!input) return input.error();
    if (!output) return output.error();
    if (blocks.input > 1) {
      used.input = reinterpret_cast<std::uint64_t>(input->get());
      if (auto done = device::copy({used.input, width, buffers.input + offset, whole, width, blocks.input}, stream); !done)
        return std::move(done).error();
    }
    if (blocks.output > 1) used.output = reinterpret_cast<std::uint64_t>(output->get());
    auto served = run_piece(rank, piece, used, stream, first == 0 ? by : nullptr);
    if (!served || !*served) return served;
    if (blocks.output > 1) {
      if (auto done = device::copy({buffers.output + offset, whole, used.output, width, width, blocks.output}, stream); !done)
        return std::move(done).error();
    }
  }
  return true;
}

// Calls of one communicator run one after another, whatever streams they are put on. What a capture holds is in the order of its own stream.
Status Engine::keep_order(Side& side, void* stream) {
  if (side.used && side.last_stream == stream) return {};
  const auto now = device::capture_of(stream);
  if (!now) return now.error();
  // On a stream of another GPU the kernel would run there, beside that GPU's rank, and wait for itself. While a stream is captured CUDA does not say.
  const auto of = *now != 0 ? Result<int>{side.device} : device::device_of(stream);
  if (!of) return of.error();
  if (*of != side.device)
    return Error{ErrorCode::invalid_input, fmt::format("the stream is one of GPU {}, and this rank works on GPU {}", *of, side.device)};
  if (side.used && *now == 0) {
    const auto before = device::capture_of(side.last_stream);
    if (!before) return before.error();
    if (*before == 0) {
      if (auto done = side.order->after(side.last_stream, stream); !done) return done;
    }
  }
  side.used = true;
  side.last_stream = stream;
  return {};
}

Status Engine::prepare(const Call& given) {
  if (ranks_ == 1 || given.count == 0) return {};
  return given.epilogue ? prepare_fused(given, nullptr) : prepare_plain(normal(given));
}

Status Engine::prepare_plain(const Call& call) {
  if (backend_ == Backend::nccl || by_nccl(call)) return {};
  for (const auto& piece : programs_of(call)) {
    if (auto done = programs_->prepare(piece); !done) return done;
  }
  return {};
}

std::string Engine::explain(const Call& given) const {
  if (ranks_ == 1) return "one rank: a copy";
  const auto call = normal(given);
  const auto nccl = nccl_ ? "nccl " + nccl_->version() : std::string{"nccl, by the caller"};
  if (backend_ == Backend::nccl) return fmt::format("{}: {}", nccl, reason_.empty() ? "asked for" : reason_);
  if (by_nccl(call)) return fmt::format("{}: {}", nccl, chooser_->prefers_nccl(call, ranks_));
  auto text = fmt::format("{}: {}; {}", to_string(backend_), programs_->describe(call), reason_);
  if (const auto held = wider(call); held && held->count != call.count)
    text += fmt::format("; until then in a longer one: {}", programs_->describe(*held));
  if (nccl_serves(call)) text += fmt::format("; without a program nccl {}", nccl_->version());
  return text;
}

Status Engine::state() const {
  {
    const std::lock_guard lock(ending_);
    if (aborted_) return *aborted_;
  }
  if (session_ != nullptr) {
    if (auto state = session_->state(); !state) return state;
  }
  if (server_session_ != nullptr) {
    if (auto state = server_session_->state(); !state) return state;
  }
  if (nccl_) {
    if (auto state = nccl_->state(); !state) return state;
  }
  for (const auto& [rank, side] : here_) {
    if (const auto chunk = *static_cast<const volatile std::uint32_t*>(side.late.get()); chunk != 0)
      return Error{ErrorCode::device_failure, fmt::format("rank {} was not given chunk {} of its input in time", rank, chunk - 1)};
  }
  if (auto state = programs_->state(); !state) return state;
  return programs_->failed();
}

void Engine::abort(const std::string& why) {
  {
    const std::lock_guard lock(ending_);
    if (aborted_) return;
    aborted_ = Error{ErrorCode::device_failure, why};
  }
  if (session_ != nullptr) abandon(*session_, why);
  if (nccl_) nccl_->abort();
  if (carriers_) carriers_->abort();
}

Status Engine::may_leave(int rank) const {
  const auto limit = wait_limit(options_.deadline);
  if (!limit) return limit.error();
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(*limit);
  const int left = std::max(nccl_ ? nccl_->graphs_left(rank, until) : 0, carriers_ ? carriers_->graphs_left(rank, until) : 0);
  if (left == 0) return {};
  return Error{ErrorCode::invalid_input,
               fmt::format("CUDA graphs ({}) still hold calls of rank {}, and NCCL, which serves those, would wait for their end", left, rank),
               std::nullopt,
               {"destroy the graphs and what was instantiated of them, then the communicator; or abort it"}};
}

// Nobody frees what others may still write to.
void Engine::finalize() {
  if (programs_ == nullptr) return;
  programs_->finish();
  const std::lock_guard lock(ending_);
  if (aborted_ || session_ == nullptr) return;
  for (const auto& [rank, side] : here_) {
    if (!device::synchronize(side.device)) return;
  }
  if (session_->state()) static_cast<void>(static_cast<bool>(session_->barrier()));
}

}  // namespace p2plab::runtime
