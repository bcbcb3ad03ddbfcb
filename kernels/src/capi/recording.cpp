// SPDX-License-Identifier: Apache-2.0
#include "capi/recording.h"

#include <algorithm>
#include <limits>
#include <string>

namespace p2plab::capi {

namespace {

monitor::Backend backend_of(runtime::Backend backend) {
  switch (backend) {
    case runtime::Backend::p2p: return monitor::Backend::p2p;
    case runtime::Backend::host: return monitor::Backend::host;
    case runtime::Backend::nccl: return monitor::Backend::nccl;
    default: return monitor::Backend::unknown;
  }
}

monitor::CallInfo info_of(const CallRecording::Asked& asked) {
  const auto& given = asked.given;
  monitor::CallInfo info{.count = given.count,
                         .bytes = given.count * static_cast<std::size_t>(size_of(asked.call.type)),
                         .kind = static_cast<monitor::Kind>(given.kind),
                         .type = static_cast<std::uint8_t>(given.type),
                         .op = static_cast<std::uint8_t>(reduces(asked.call.kind) ? given.op : 255),
                         .stream = monitor::short_of(asked.stream)};
  const auto kind = asked.call.kind;
  const bool pair = kind == CollectiveKind::send_receive;
  if (rooted(kind) || pair) info.root = static_cast<std::int16_t>(given.root);
  if (pair) info.peer = static_cast<std::int16_t>(given.peer);
  return info;
}

}  // namespace

std::unique_ptr<CallRecording> CallRecording::of(const Place& place) {
  auto* const all = monitor::Recorder::of_process("p2plab");
  if (all == nullptr) return nullptr;
  const int side = all->add_side({.communicator = place.communicator, .rank = place.rank, .ranks = place.ranks, .device = place.device});
  return std::unique_ptr<CallRecording>(new CallRecording(*all, place, side));
}

CallRecording::~CallRecording() {
  const std::lock_guard lock(mutex_);
  collect_times();
  recorder_.close_side(side_);
}

// Calls of a rank end in their order, so the oldest tells whether there is anything to be had.
void CallRecording::collect_times() {
  for (; oldest_ < newest_; ++oldest_) {
    const auto& timed = timed_[oldest_ % most_timed];
    const auto time = timed.watch->time();
    if (time && !*time) return;
    if (time) recorder_.device_time(timed.call, static_cast<std::uint64_t>(std::max(1.0, (*time)->count() * 1e9)));
  }
}

// Starts a watch for a call, if one is free; it counts once the call was put on its stream.
runtime::device::Stopwatch* CallRecording::start_watch(void* stream) {
  collect_times();
  if (newest_ - oldest_ == most_timed) return nullptr;
  auto& timed = timed_[newest_ % most_timed];
  if (!timed.watch) {
    auto made = runtime::device::Stopwatch::create(place_.device);
    if (!made) return nullptr;
    timed.watch = *std::move(made);
  }
  return timed.watch->start(stream) ? &*timed.watch : nullptr;
}

monitor::CallInfo CallRecording::form_of(const runtime::ServedBy& by, const Asked& asked) {
  auto info = info_of(asked);
  info.backend = backend_of(by.backend);
  if (by.program == nullptr && place_.ranks == 1) info.algorithm = recorder_.name(asked.call.epilogue ? "rows" : "copy");  // within the GPU
  if (by.program == nullptr) return info;
  auto found = forms_.find(by.program);
  if (found == forms_.end()) {
    const auto form = by.program->form();
    found = forms_.emplace(by.program, monitor::CallInfo{}).first;
    found->second.count = static_cast<std::uint64_t>(form.count);
    found->second.algorithm = recorder_.name(form.planner.c_str());
    found->second.protocol = recorder_.name(std::string{form.protocol}.c_str());
    found->second.blocks = static_cast<std::uint16_t>(std::clamp(form.blocks, 0, int{std::numeric_limits<std::uint16_t>::max()}));
    found->second.predicted = static_cast<float>(form.expected.count());
  }
  const auto& form = found->second;
  info.algorithm = form.algorithm;
  info.protocol = form.protocol;
  info.blocks = form.blocks;
  // A longer program takes its own time.
  if (form.count == static_cast<std::uint64_t>(runtime::normal(asked.call).count)) info.predicted = form.predicted;
  return info;
}

Result<bool> CallRecording::run(runtime::Engine& engine, const Asked& asked) {
  const std::lock_guard lock(mutex_);
  const auto number = recorder_.begin(side_, info_of(asked));
  const auto capturing = runtime::device::capturing(asked.stream);
  const bool in_graph = capturing && *capturing;
  runtime::device::Stopwatch* watch = nullptr;
  if (recorder_.level() >= monitor::Level::detailed && number != 0 && !in_graph) {
    const runtime::device::Current current(place_.device);
    watch = start_watch(asked.stream);
  }
  runtime::ServedBy by;
  const auto served = engine.run(place_.rank, asked.call, asked.buffers, asked.stream, &by);
  const bool went = served && *served;
  if (watch != nullptr && went && watch->stop(asked.stream)) timed_[newest_++ % most_timed].call = number;
  auto form = form_of(by, asked);
  if (in_graph) form.flags |= monitor::captured;
  if (!served) form.reason = recorder_.name("the call failed");
  if (served && !*served) form.reason = recorder_.name("no program is ready: left to the caller");
  recorder_.served(number, form);
  recorder_.end(number, went ? monitor::Progress::queued : monitor::Progress::failed);
  if (!served) write(served.error());
  return served;
}

void CallRecording::note(const Error& error) {
  const std::lock_guard lock(mutex_);
  write(error);
}

void CallRecording::write(const Error& error) {
  if (error.message == noted_) return;
  noted_ = error.message;
  auto text = error.message;
  for (const auto& more : error.notes) text += "; " + more;
  recorder_.event(monitor::EventKind::error, side_, text.c_str());
}

}  // namespace p2plab::capi
