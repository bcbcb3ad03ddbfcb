#include "p2plab/trace.h"

#include <fmt/format.h>

namespace p2plab {

namespace {

constexpr int resource_process = 1'000'000;   // beyond any rank

double us(SimTime time) { return static_cast<double>(time.count()) * 1e-6; }

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
    for (std::size_t l = 0; l < program_.lanes.size(); ++l) {
      for (std::size_t p = 0; p < recording().parts; ++p) {
        name("thread_name", program_.lanes[l].rank.index(), l * recording().parts + p, fmt::format("lane {} part {}", l, p));
      }
    }
    name("process_name", resource_process, 0, "links and limits");
    for (std::size_t r = 0; r < result_.uses.size(); ++r) {
      if (result_.uses[r].busy.count() > 0) name("thread_name", resource_process, r, result_.uses[r].name);
    }
  }

  std::size_t process_of(const SliceRecord& slice) const { return program_.lanes[slice.block / recording().parts].rank.index(); }

  void slice(std::size_t i) {
    const auto& s = recording().slices[i];
    const auto& instruction = program_.instructions[s.instruction];
    const auto process = process_of(s);
    if (s.issued > s.considered) {
      event("\"ph\":\"X\",\"name\":\"wait\",\"pid\":{},\"tid\":{},\"ts\":{:.6f},\"dur\":{:.6f},\"cname\":\"grey\"", process, s.block, us(s.considered),
            us(s.issued - s.considered));
    }
    event("\"ph\":\"X\",\"name\":\"step {} slice {}\",\"pid\":{},\"tid\":{},\"ts\":{:.6f},\"dur\":{:.6f},\"args\":{{\"sources\":{},\"destinations\":{},"
          "\"complete_us\":{:.6f}}}",
          instruction.step.value, s.slice, process, s.block, us(s.issued), us(s.released - s.issued), instruction.sources, instruction.destinations,
          us(s.complete));
    if (s.cause < 0) return;
    const auto& cause = recording().slices[static_cast<std::size_t>(s.cause)];
    event("\"ph\":\"s\",\"id\":{},\"name\":\"wait\",\"cat\":\"dependency\",\"pid\":{},\"tid\":{},\"ts\":{:.6f}", i, process_of(cause), cause.block, us(cause.issued));
    event("\"ph\":\"f\",\"bp\":\"e\",\"id\":{},\"name\":\"wait\",\"cat\":\"dependency\",\"pid\":{},\"tid\":{},\"ts\":{:.6f}", i, process, s.block, us(s.issued));
  }

  void transfer(const HopRecord& hop) {
    const auto& s = recording().slices[static_cast<std::size_t>(hop.slice)];
    event("\"ph\":\"X\",\"name\":\"step {} slice {}\",\"pid\":{},\"tid\":{},\"ts\":{:.6f},\"dur\":{:.6f},\"args\":{{\"queued_us\":{:.6f}}}",
          program_.instructions[s.instruction].step.value, s.slice, resource_process, hop.resource, us(hop.start), us(hop.end - hop.start),
          us(hop.start - hop.head));
  }

  const Topology& topology_;
  const Program& program_;
  const SimResult& result_;
  std::string text_;
};

}  // namespace

std::string write_trace(const Topology& topology, const Program& program, const SimResult& result) { return TraceWriter{topology, program, result}.run(); }

}  // namespace p2plab
