// SPDX-License-Identifier: Apache-2.0
#include "monitor/views.h"

#include <algorithm>
#include <array>
#include <map>

#include "monitor/view_words.h"
#include "p2plab/base/quantity.h"

namespace p2plab::monitor {

namespace {

// Prometheus' label values: backslash, quote and line end are escaped.
std::string label(const std::string& text) {
  std::string all;
  for (const char c : text) {
    if (c == '\\' || c == '"') all += '\\';
    all += c == '\n' ? ' ' : c;
  }
  return all;
}

std::string replays_text(const RecordedProcess& process) {
  if (process.replays.empty() && process.not_counted == 0) return {};
  auto text = fmt::format("; {} replays of {} calls in graphs", replays_of(process), process.replays.size());
  if (process.not_counted > 0) text += fmt::format(", those of {} more not counted: there was no room", process.not_counted);
  return text;
}

// Of each rank's calls in graphs: how often and how long they ran.
std::string prometheus_replays(const Picture& picture) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> all;
  std::uint64_t not_counted = 0;
  for (const auto* process : picture.processes) {
    not_counted += process->not_counted;
    for (const auto& each : process->replays) {
      const auto& side = process->sides[each.call.side];
      const auto bytes = each.call.count * static_cast<std::uint64_t>(bytes_of_type(each.call.type));
      auto& [count, ns] = all[fmt::format("{{communicator=\"{}\",rank=\"{}\",pid=\"{}\",operation=\"{}\",bytes=\"{}\"}}", hex(side.communicator),
                                          side.rank, process->pid, kind_word(each.call.kind), bytes)];
      count += each.replays;
      ns += each.sum;
    }
  }
  std::string text = "# HELP p2plab_replays_total Calls that graphs replayed, as devices count them.\n# TYPE p2plab_replays_total counter\n";
  for (const auto& [labels, counted] : all) text += fmt::format("p2plab_replays_total{} {}\n", labels, counted.first);
  text +=
      "# HELP p2plab_replay_seconds_total Time of those calls, by the devices' clocks; one that its kernel does not note took as long as one "
      "alike.\n# TYPE p2plab_replay_seconds_total counter\n";
  for (const auto& [labels, counted] : all)
    text += fmt::format("p2plab_replay_seconds_total{} {}\n", labels, static_cast<double>(counted.second) * 1e-9);
  text +=
      "# HELP p2plab_captures_not_counted_total Calls in graphs whose replays nobody counts: there was no room.\n"
      "# TYPE p2plab_captures_not_counted_total counter\n";
  return text + fmt::format("p2plab_captures_not_counted_total {}\n", not_counted);
}

}  // namespace

std::string call_line(const RecordedProcess& process, const RecordedCall& call) {
  const auto& side = process.sides[call.side];
  const auto time = call.time();
  Json json{{"event", "call"},
            {"communicator", hex(side.communicator)},
            {"rank", side.rank},
            {"ranks", side.ranks},
            {"sequence", call.sequence},
            {"operation", kind_word(call.kind)},
            {"count", call.count},
            {"type", type_word(call.type)},
            {"op", or_null(!op_word(call.op).empty(), op_word(call.op))},
            {"root", or_null(call.root >= 0, call.root)},
            {"peer", or_null(call.peer >= 0, call.peer)},
            {"backend", backend_word(call.backend)},
            {"algorithm", process.name_of(call.algorithm)},
            {"protocol", process.name_of(call.protocol)},
            {"blocks", call.blocks},
            {"why", process.name_of(call.reason)},
            {"graph", call.captured},
            {"replay", call.replayed},
            {"replays", call.replays},
            {"progress", progress_words[static_cast<std::size_t>(call.progress)]},
            {"begun_ns", call.begun},
            {"measured_us", or_null(time.count() > 0, us(time))},
            {"measured_by", measured_by(call)},
            {"predicted_us", or_null(call.predicted.count() > 0, us(call.predicted))},
            {"predicted_low_us", or_null(call.high.count() > 0, us(call.low))},
            {"predicted_high_us", or_null(call.high.count() > 0, us(call.high))},
            {"pid", process.pid},
            {"source", process.source}};
  if (call.passed_on) json["passed_on"] = true;
  if (call.recorded_inside) json["recorded_by"] = "p2plab";
  return dumped(json) + "\n";
}

std::string alarm_line(const Alarms::Change& change) {
  Json json{{"event", change.on ? "alarm" : "alarm over"}};
  json.update(json_of(change.alarm));
  return dumped(json) + "\n";
}

std::string table_of(const Picture& picture, int columns) {
  std::string text;
  for (const auto* process : picture.processes)
    text += fmt::format("process {} {} ({}), {}: {} calls{}\n", process->pid, process->program, process->source,
                        state_words[static_cast<std::size_t>(process->state)], process->next, replays_text(*process));
  if (picture.processes.empty()) text += "no process records its calls: start one with P2PLAB_MONITOR=detailed\n";
  if (!picture.bands.empty())
    text += fmt::format("\n{:<10} {:<15} {:>9} {:<9} {:<26} {:>8} {:>10} {:>10} {:>8} {}\n", "communic.", "operation", "size", "type", "way", "calls",
                        "median us", "p99 us", "busbw", "expected us");
  for (const auto& band : picture.bands) {
    const auto timed = band.timed > 0;
    text += fmt::format("{:<10.10} {:<15} {:>9} {:<9} {:<26.26} {:>8} {:>10} {:>10} {:>8}", band.communicator, band.kind,
                        p2plab::to_string(Bytes{static_cast<std::int64_t>(band.bytes)}), band.type, band.way, band.calls,
                        timed ? fmt::format("{:.2f}", us(band.median)) : "-", timed ? fmt::format("{:.2f}", us(band.p99)) : "-",
                        timed ? fmt::format("{:.1f}", band.busbw * 1e-9) : "-");
    if (band.expectation != Expectation::none)
      text +=
          fmt::format(" {:.2f} to {:.2f} ({}){}", us(band.low), us(band.high), expectation_word(band.expectation), band.outside ? "  SLOWER" : "");
    text += "\n";
  }
  for (const auto& alarm : picture.alarms) text += fmt::format("\nALARM {}: {}", alarm.kind, alarm.text);
  if (!picture.alarms.empty()) text += "\n";
  if (picture.lost > 0) text += fmt::format("{} calls were overwritten before they were read\n", picture.lost);
  if (columns <= 0) return text;
  // A terminal's lines are cut, not broken.
  std::string cut;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    cut += text.substr(from, std::min(end - from, static_cast<std::size_t>(columns))) + "\n";
    from = end + 1;
  }
  return cut;
}

std::string prometheus_of(const Picture& picture) {
  std::string text;
  const auto family = [&](const char* name, const char* type, const char* help) {
    text += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  };
  family("p2plab_calls_total", "counter", "Collective calls begun, by rank and operation; every call counts, from 1 byte on.");
  std::string bytes;
  for (const auto* process : picture.processes) {
    for (const auto& side : process->sides) {
      for (std::size_t kind = 0; kind < side.counts.size(); ++kind) {
        if (side.counts[kind] == 0) continue;
        const auto labels = fmt::format("{{communicator=\"{}\",rank=\"{}\",pid=\"{}\",source=\"{}\",operation=\"{}\"}}", hex(side.communicator),
                                        side.rank, process->pid, label(process->source), kind_word(static_cast<std::uint8_t>(kind)));
        text += fmt::format("p2plab_calls_total{} {}\n", labels, side.counts[kind]);
        bytes += fmt::format("p2plab_bytes_total{} {}\n", labels, side.bytes[kind]);
      }
    }
  }
  family("p2plab_bytes_total", "counter", "Bytes of one rank's part of the calls begun.");
  text += bytes;
  text += prometheus_replays(picture);
  family("p2plab_call_seconds", "gauge", "Time of the latest calls by size band: quantiles 0.5 and 0.99, and what was expected.");
  for (const auto& band : picture.bands) {
    if (band.timed == 0) continue;
    const auto labels = fmt::format("communicator=\"{}\",operation=\"{}\",band_bytes=\"{}\",type=\"{}\",way=\"{}\"", label(band.communicator),
                                    band.kind, band.bytes, band.type, label(band.way));
    text += fmt::format("p2plab_call_seconds{{{},quantile=\"0.5\"}} {}\n", labels, band.median.count());
    text += fmt::format("p2plab_call_seconds{{{},quantile=\"0.99\"}} {}\n", labels, band.p99.count());
    if (band.expectation == Expectation::none) continue;
    text += fmt::format("p2plab_call_seconds{{{},quantile=\"expected_low\"}} {}\n", labels, band.low.count());
    text += fmt::format("p2plab_call_seconds{{{},quantile=\"expected_high\"}} {}\n", labels, band.high.count());
  }
  family("p2plab_alarms", "gauge", "Alarms that are on.");
  text += fmt::format("p2plab_alarms {}\n", picture.alarms.size());
  family("p2plab_lost_records_total", "counter", "Calls that were overwritten before this reader saw them.");
  return text + fmt::format("p2plab_lost_records_total {}\n", picture.lost);
}

}  // namespace p2plab::monitor
