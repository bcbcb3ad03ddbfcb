// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/trace.h"

#include <fmt/format.h>

#include "p2plab/program/packet_program.h"

namespace p2plab {

namespace {

constexpr int resource_process = 1'000'000;  // beyond any rank

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

  std::string run() {
    name_tracks();
    for (std::size_t i = 0; i < recording().slices.size(); ++i) slice(i);
    for (const auto& hop : recording().hops) transfer(hop);
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
    for (int r = 0; r < topology_.ranks(); ++r) name("process_name", static_cast<std::size_t>(r), 0, topology_.node(topology_.node_of(Rank{r})).name);
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

std::string write_trace(const Topology& topology, const Program& program, const SimResult& result) {
  return TraceWriter{topology, recorded(program, result.recording), result}.run();
}

}  // namespace p2plab
