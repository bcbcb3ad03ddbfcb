// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/trace.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

constexpr int resource_process = 1'000'000;  // beyond any rank
constexpr int measured_process = 2'000'000;
constexpr int most_ranks = 100'000;

double us(SimTime time) { return static_cast<double>(time.count()) * 1e-6; }

// Perfetto rounds the begin and the duration of a slice to whole nanoseconds each, and drops those that then cross others of their track. So begins
// and ends are rounded here, and a duration is the difference of the two.
std::int64_t ns(SimTime time) { return (time.count() + 500) / 1000; }

std::string us_text(std::int64_t nanoseconds) { return fmt::format("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000); }

std::string begin_of(SimTime time) { return us_text(ns(time)); }

std::string span(SimTime begin, SimTime end) { return fmt::format("\"ts\":{},\"dur\":{}", begin_of(begin), us_text(ns(end) - ns(begin))); }

std::string json_text(const std::string& text) {
  std::string result;
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') result += '\\';
    result += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return result;
}

class TraceWriter {
 public:
  TraceWriter(const Topology& topology, const Program& program, const SimResult& result) : topology_(topology), program_(program), result_(result) {}

  std::string run(std::span<const MeasuredTrack> measured) {
    name_tracks();
    for (std::size_t i = 0; i < recording().slices.size(); ++i) slice(i);
    for (const auto& hop : recording().hops) transfer(hop);
    for (std::size_t m = 0; m < measured.size(); ++m) add_measured(measured[m], static_cast<int>(m));
    return fmt::format("{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{}\n]}}\n", text_);
  }

 private:
  const Recording& recording() const { return result_.recording; }

  template <class... Arguments>
  void event(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    text_ += text_.empty() ? "{" : ",\n{";
    fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
    text_ += '}';
  }

  void name(const char* what, std::size_t process, std::size_t track, const std::string& text) {
    event("\"ph\":\"M\",\"name\":\"{}\",\"pid\":{},\"tid\":{},\"args\":{{\"name\":\"{}\"}}", what, process, track, json_text(text));
  }

  void name_tracks() {
    for (int r = 0; r < topology_.ranks(); ++r) name_process(r, r, gpu(r));
    std::vector<bool> used(program_.lanes.size() * recording().blocks_per_lane);
    for (const auto& s : recording().slices) used[s.block] = true;
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      for (std::size_t p = 0; p < recording().blocks_per_lane; ++p) {
        const auto block = l * recording().blocks_per_lane + p;
        if (!used[block]) continue;
        const auto track = recording().packets ? fmt::format("threads, group {}", p) : fmt::format("lane {} part {}", l, p);
        name("thread_name", program_.lanes[l].rank.index(), block, track);
      }
    }
    name("process_name", resource_process, 0, "links and limits");
    for (std::size_t r = 0; r < result_.uses.size(); ++r) {
      if (result_.uses[r].busy.count() > 0) name("thread_name", resource_process, r, result_.uses[r].name);
    }
  }

  std::string gpu(int rank) const { return topology_.node(topology_.node_of(Rank{rank})).name; }

  // Viewers that sort by it show what was measured of a GPU below what was predicted.
  void name_process(int process, int rank, const std::string& text) {
    name("process_name", static_cast<std::size_t>(process), 0, text);
    event("\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":{},\"args\":{{\"sort_index\":{}}}", process, rank);
  }

  // Blocks of one step that has no slices of its own in the measurement are named by the step alone.
  static std::string name_of(const MeasuredStep& step) {
    if (step.step < 0) return "token: this rank has begun";
    return step.slice < 0 ? fmt::format("step {}", step.step) : fmt::format("step {} slice {}", step.step, step.slice);
  }

  SimTime first_considered() const {
    if (recording().slices.empty()) return SimTime{0};
    return std::ranges::min_element(recording().slices, {}, &SliceRecord::considered)->considered;
  }

  void add_measured(const MeasuredTrack& measured, int number) {
    constexpr double ps = 1e12;
    const auto zero = first_considered();
    const auto at = [&](Seconds time) { return zero + SimTime{std::llround(time.count() * ps)}; };
    const auto process = [&](int rank) { return measured_process + number * most_ranks + rank; };
    for (int r = 0; r < topology_.ranks(); ++r) name_process(process(r), r, fmt::format("{}, measured by {}", gpu(r), measured.executor));
    std::map<std::tuple<std::int32_t, std::int32_t, std::int32_t>, std::size_t> tracks;
    for (const auto& step : measured.steps.first(std::min(measured.steps.size(), most_measured_steps))) {
      const auto [track, fresh] = tracks.try_emplace({step.rank, step.lane, step.block}, tracks.size());
      const auto pid = process(step.rank);
      if (fresh) {
        const auto text = recording().packets ? fmt::format("block {}", step.block) : fmt::format("lane {} part {}", step.lane, step.block);
        name("thread_name", static_cast<std::size_t>(pid), track->second, text);
      }
      if (step.ready > step.begun)
        event("\"ph\":\"X\",\"name\":\"wait\",\"pid\":{},\"tid\":{},{},\"cname\":\"grey\"", pid, track->second, span(at(step.begun), at(step.ready)));
      event("\"ph\":\"X\",\"name\":\"{}\",\"pid\":{},\"tid\":{},{}", name_of(step), pid, track->second, span(at(step.ready), at(step.ended)));
    }
  }

  std::size_t process_of(const SliceRecord& slice) const { return program_.lanes[slice.block / recording().blocks_per_lane].rank.index(); }

  // "step 3 slice 2"; by packets "step 3, 4096 packets of group 2".
  std::string name_of(const SliceRecord& s) const {
    const auto& instruction = program_.instructions[s.instruction];
    if (instruction.step.value < 0) return "token: this rank has begun";
    if (!recording().packets) return fmt::format("step {} slice {}", instruction.step.value, s.slice);
    const auto size = program_.slice_bytes(instruction);
    const auto packets = packets_of(program_.packets->wire, std::min(size, instruction.bytes - s.slice * size));
    return fmt::format("step {}, {} packets of group {}", instruction.step.value, packets, s.slice);
  }

  void slice(std::size_t i) {
    const auto& s = recording().slices[i];
    const auto& instruction = program_.instructions[s.instruction];
    const auto process = process_of(s);
    if (s.issued > s.considered) {
      event("\"ph\":\"X\",\"name\":\"wait\",\"pid\":{},\"tid\":{},{},\"cname\":\"grey\"", process, s.block, span(s.considered, s.issued));
    }
    event("\"ph\":\"X\",\"name\":\"{}\",\"pid\":{},\"tid\":{},{},\"args\":{{\"sources\":{},\"destinations\":{},\"complete_us\":{:.6f}}}", name_of(s),
          process, s.block, span(s.issued, s.released), instruction.sources, instruction.destinations, us(s.complete));
    if (s.cause < 0) return;
    const auto& cause = recording().slices[static_cast<std::size_t>(s.cause)];
    event("\"ph\":\"s\",\"id\":{},\"name\":\"wait\",\"cat\":\"dependency\",\"pid\":{},\"tid\":{},\"ts\":{}", i, process_of(cause), cause.block,
          begin_of(cause.issued));
    event("\"ph\":\"f\",\"bp\":\"e\",\"id\":{},\"name\":\"wait\",\"cat\":\"dependency\",\"pid\":{},\"tid\":{},\"ts\":{}", i, process, s.block,
          begin_of(s.issued));
  }

  void transfer(const HopRecord& hop) {
    const auto& s = recording().slices[static_cast<std::size_t>(hop.slice)];
    event("\"ph\":\"X\",\"name\":\"{}\",\"pid\":{},\"tid\":{},{},\"args\":{{\"queued_us\":{:.6f}}}", name_of(s), resource_process, hop.resource,
          span(hop.start, hop.end), us(hop.start - hop.head));
  }

  const Topology& topology_;
  const Program& program_;
  const SimResult& result_;
  std::string text_;
};

}  // namespace

std::string write_trace(const Topology& topology, const Program& program, const SimResult& result, std::span<const MeasuredTrack> measured) {
  return TraceWriter{topology, recorded(program, result.recording), result}.run(measured);
}

}  // namespace p2plab
