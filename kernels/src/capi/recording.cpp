// SPDX-License-Identifier: Apache-2.0
#include "capi/recording.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>

#include "monitor/gpu_place.h"
#include "p2plab/detail/settings.h"

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

bool each_is_noted() {
  const char* const text = setting("P2PLAB_MONITOR_EACH");
  return text != nullptr && std::string_view{text} == "1";
}

std::atomic<monitor::Recorder*>& opened() {
  static std::atomic<monitor::Recorder*> recorder{nullptr};
  return recorder;
}

}  // namespace

monitor::Recorder* recorder_of_process() { return opened().load(); }

bool CallRecording::wanted() {
  opened().store(monitor::Recorder::of_process("p2plab", setting, monitor::Level::off, Journal::captured));
  return recorder_of_process() != nullptr;
}

bool CallRecording::steps_wanted() { return wanted() && recorder_of_process()->level() == monitor::Level::steps; }

std::unique_ptr<CallRecording> CallRecording::of(const Place& place) {
  if (!wanted()) return nullptr;
  auto* const all = recorder_of_process();
  const auto bus_id = runtime::device::bus_id(place.device);
  const int side = all->add_side({.communicator = place.communicator,
                                  .rank = place.rank,
                                  .ranks = place.ranks,
                                  .device = place.device,
                                  .place = bus_id ? monitor::place_number(bus_id->c_str()) : 0});
  std::unique_ptr<CallRecording> recording(new CallRecording(*all, place, side));
  auto memory = journal_memory(place.device, all->level());
  if (!memory) {
    recording->note({ErrorCode::device_failure, "neither replays nor times on the GPU are recorded: " + memory.error().message});
    return recording;
  }
  recording->journal_ = std::make_unique<Journal>(*all, side, *std::move(memory), each_is_noted());
  JournalReader::of_process().add(*recording->journal_, place.device);
  return recording;
}

// What kernels still write is waited for.
CallRecording::~CallRecording() {
  const std::lock_guard lock(mutex_);
  if (journal_) {
    if (auto done = runtime::device::synchronize(place_.device); !done) note(done.error());
    JournalReader::of_process().remove(*journal_);
  }
  recorder_.close_side(side_);
}

monitor::CallInfo CallRecording::full_info(const runtime::ServedBy& by, const Asked& asked, monitor::CallInfo info) {
  info.backend = backend_of(by.backend);
  if (by.program == nullptr && place_.ranks == 1) info.algorithm = recorder_.name(asked.call.epilogue ? "rows" : "copy");  // within the GPU
  if (by.program == nullptr) return info;
  auto found = infos_.find(by.program);
  if (found == infos_.end()) {
    const auto of = by.program->info();
    found = infos_.emplace(by.program, Known{}).first;
    auto& known = found->second.info;
    known.count = static_cast<std::uint64_t>(of.count);
    known.algorithm = recorder_.name(of.planner.c_str());
    known.protocol = recorder_.name(std::string{of.protocol}.c_str());
    known.blocks = static_cast<std::uint16_t>(std::clamp(of.blocks, 0, int{std::numeric_limits<std::uint16_t>::max()}));
    known.predicted = static_cast<float>(of.expected.time.count());
    known.low = static_cast<float>(of.expected.low.count());
    known.high = static_cast<float>(of.expected.high.count());
    if (recorder_.level() == monitor::Level::steps) found->second.items = std::make_shared<const NotedItems>(by.program->noted(place_.rank));
  }
  const auto& known = found->second.info;
  info.algorithm = known.algorithm;
  info.protocol = known.protocol;
  info.blocks = known.blocks;
  // A longer program takes its own time.
  if (known.count == static_cast<std::uint64_t>(runtime::normal(asked.call).count)) {
    info.predicted = known.predicted;
    info.low = known.low;
    info.high = known.high;
  }
  return info;
}

SharedItems CallRecording::items_of(const runtime::ServedBy& by) const {
  if (recorder_.level() != monitor::Level::steps) return nullptr;
  const auto found = infos_.find(by.program);
  return found != infos_.end() ? found->second.items : nullptr;
}

Result<bool> CallRecording::run(runtime::Engine& engine, const Asked& asked) {
  const std::lock_guard lock(mutex_);
  const auto info = info_of(asked);
  const auto number = recorder_.begin(side_, info, monitor::Writers::one);
  const auto capture = runtime::device::capture_of(asked.stream);
  const bool in_graph = capture && *capture != 0;
  auto buffers = asked.buffers;
  if (journal_ && number != 0) {
    if (in_graph) buffers.journal = journal_->of_captured(*capture, asked.call);
    if (!in_graph && recorder_.level() >= monitor::Level::detailed) buffers.journal = journal_->of_call(number);
  }
  runtime::ServedBy by;
  auto served = engine.run(place_.rank, asked.call, buffers, asked.stream, &by);
  const bool went = served && *served;
  auto full = full_info(by, asked, info);
  if (in_graph) full.flags |= monitor::captured;
  if (!served) full.reason = recorder_.name("the call failed");
  if (served && !*served) full.reason = recorder_.name("no program is ready: left to the caller");
  recorder_.put(number, full, went ? monitor::Progress::queued : monitor::Progress::failed);
  // What no program of ours serves no kernel of ours counts.
  if (went && journal_ && by.program != nullptr && by.program->keeps_journal()) {
    if (in_graph) journal_->keep(number, full, items_of(by));
    if (!in_graph) journal_->served(number, items_of(by));
  }
  // A call that failed may have put some of its kernels into the graph.
  const bool wrote = in_graph && buffers.journal.counts != 0 && (!served || (went && by.program != nullptr));
  if (wrote && !served) journal_->give_up();
  if (wrote && watched_ != *capture && journal_->is_scarce()) {
    watched_ = *capture;
    const auto over = [gone = journal_->gone(), number = *capture] { gone->add(number); };
    if (auto watches = runtime::device::watch_graph(asked.stream, over); !watches) note(watches.error());
  }
  if (!served) note(served.error());
  return served;
}

std::function<void(const runtime::MachineLoss&)> CallRecording::teller() const {
  return [&recorder = recorder_, side = side_](const runtime::MachineLoss& loss) {
    recorder.event(loss.ends_calls() ? monitor::EventKind::topology : monitor::EventKind::weakened, side, loss.text.c_str());
  };
}

void CallRecording::note(const Error& error) {
  const std::lock_guard lock(noting_);
  if (error.message == noted_) return;
  noted_ = error.message;
  auto text = error.message;
  for (const auto& more : error.notes) text += "; " + more;
  recorder_.event(monitor::EventKind::error, side_, text.c_str());
}

}  // namespace p2plab::capi
