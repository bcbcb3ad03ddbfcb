// SPDX-License-Identifier: Apache-2.0
// Chrome's trace of recorded calls: a process a rank, a thread a communicator, steps on threads of their own below it. A bar begins where the call
// began on the host and is as long as the call took; a call whose time is not known is an instant. Where replays are only counted, the last one of
// each call in a graph is a bar, but of those that nobody timed.
#include <algorithm>
#include <unordered_map>

#include "monitor/view_words.h"
#include "monitor/views.h"

namespace p2plab::monitor {

namespace {

// Their text, event by event: a document of them all would take sixteen times the room.
class Events {
 public:
  void push_back(const Json& event) { text_ += (text_.empty() ? "" : ",") + dumped(event); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Json bar(const std::string& name, const RecordedProcess& process, int thread) { return {{"name", name}, {"pid", process.pid}, {"tid", thread}}; }

Json call_bar(const RecordedProcess& process, const RecordedCall& call) {
  const auto& side = process.sides[call.side];
  auto json =
      bar(fmt::format("{} {} {}{}", kind_word(call.kind), call.count, type_word(call.type), call.replayed ? " replayed" : ""), process, call.side);
  const auto time = call.time().count();
  json["ts"] = us(call.begun);
  if (time > 0) {
    json["ph"] = "X";
    json["dur"] = us(call.time());
  } else {
    json["ph"] = "i";
    json["s"] = "t";
  }
  json["args"] = {{"sequence", call.sequence},
                  {"rank", side.rank},
                  {"communicator", hex(side.communicator)},
                  {"backend", backend_word(call.backend)},
                  {"algorithm", process.name_of(call.algorithm)},
                  {"protocol", process.name_of(call.protocol)},
                  {"measured_by", measured_by(call)},
                  {"predicted_us", us(call.predicted)},
                  {"replays", call.replays}};
  return json;
}

}  // namespace

std::string trace_of(const std::vector<RecordedProcess>& processes, const Window& window) {
  Events events;
  std::uint64_t overwritten = 0;
  for (const auto& process : processes) {
    overwritten += process.overwritten;
    auto named = bar("process_name", process, 0);
    named["ph"] = "M";
    named["args"] = {{"name", fmt::format("{} {} ({})", process.program, process.pid, process.source)}};
    events.push_back(named);
    for (std::size_t s = 0; s < process.sides.size(); ++s) {
      auto thread = bar("thread_name", process, static_cast<int>(s));
      thread["ph"] = "M";
      thread["args"] = {{"name", fmt::format("rank {} of {:08x}", process.sides[s].rank, process.sides[s].communicator & 0xffffffff)}};
      events.push_back(thread);
    }
    std::unordered_map<std::uint64_t, const RecordedCall*> calls;
    for (const auto& call : process.calls) {
      if (call.begun < window.from || call.begun > window.to || call.recorded_inside) continue;
      calls[call.number] = &call;
      events.push_back(call_bar(process, call));
    }
    for (const auto& each : process.replays) {
      if (process.has_each_replay(each.call) || each.call.follows || each.replays == 0 || each.begun < window.from || each.begun > window.to)
        continue;
      auto last = each.call;
      last.replayed = true;
      last.begun = each.begun;
      last.device_time = each.last;
      last.replays = each.replays;
      events.push_back(call_bar(process, last));
    }
    for (const auto& step : process.steps) {
      const auto found = calls.find(step.call);
      if (found == calls.end() || step.ended < step.begun) continue;
      constexpr int first_step_thread = 1000;
      auto json = bar(fmt::format("step {}", step_word(step.step)), process, first_step_thread + 64 * step.lane + step.block % 64);
      json.update({{"ph", "X"}, {"ts", us(step.begun)}, {"dur", us(step.ended - step.begun)}});
      json["args"] = {{"call", found->second->sequence}, {"lane", step.lane}, {"block", step.block}, {"waited_us", us(step.waited)}};
      events.push_back(json);
    }
  }
  return fmt::format("{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[{}],\"otherData\":{{\"overwritten_calls\":{}}}}}\n", events.text(), overwritten);
}

}  // namespace p2plab::monitor
