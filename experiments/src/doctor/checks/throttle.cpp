// SPDX-License-Identifier: Apache-2.0
// Why a GPU's clocks are lower than they could be.
#include <array>

#include <fmt/format.h>

#include "doctor/check.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab::doctor::checks {

namespace {

// nvmlClocksEventReasons.
struct ClockReason {
  std::int64_t bit = 0;
  std::string_view name;
  Severity severity = Severity::slow;
  std::string_view why;
  std::string_view what_to_do;
  std::string_view risk;
};

constexpr std::array reasons{
    ClockReason{0x02, "throttle.application_clocks", Severity::risk, "somebody set lower clocks", "nvidia-smi -rac; nvidia-smi -rgc",
                "set on purpose, perhaps, for even times or power"},
    ClockReason{0x04, "throttle.power", Severity::risk, "the power limit holds it back", "nvidia-smi -q -d POWER; nvidia-smi -pl WATTS",
                "more heat; the supply must give it"},
    ClockReason{0x08, "throttle.hardware", Severity::slow, "the hardware halves its clocks or more: heat or power supply",
                "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER; look at fans and cables", ""},
    ClockReason{0x20, "throttle.heat", Severity::slow, "it is too hot", "fans, dust, air flow; nvidia-smi -q -d TEMPERATURE", ""},
    ClockReason{0x40, "throttle.heat_hardware", Severity::slow, "it is so hot that the hardware slows it down",
                "fans, dust, air flow; nvidia-smi -q -d TEMPERATURE", ""},
    ClockReason{0x80, "throttle.power_brake", Severity::slow, "the power supply asked it to slow down",
                "the server's supplies and their redundancy (its management controller's log)", ""}};

void look_at_clocks(const Patient& patient, Complaints& complaints) {
  std::vector<std::string> unread;
  for (const auto& gpu : patient.gpus()) {
    const auto bits = patient.number(gpu.bus_id, reading::throttle);
    if (!bits) {
      unread.push_back(gpu.name);
      continue;
    }
    for (const auto& reason : reasons) {
      // "Hardware slowdown" comes with its reason, where the driver tells one.
      if ((*bits & reason.bit) == 0 || (reason.bit == 0x08 && (*bits & 0xc0) != 0)) continue;
      complaints.add({.finding = {.name = std::string{reason.name},
                                  .severity = reason.severity,
                                  .what = fmt::format("the clocks of {} are held back: {}", gpu.name, reason.why),
                                  .no_worth = "none by links: kernels that add and store take longer",
                                  .evidence = {patient.evidence(gpu.bus_id, reading::throttle), patient.evidence(gpu.bus_id, reading::temperature)},
                                  .remedies = {{std::string{reason.what_to_do}, std::string{reason.risk}}}}});
    }
  }
  if (!unread.empty())
    complaints.unread("throttle.unread", "whether clocks of " + short_names(unread) + " are held back",
                      {patient.evidence(patient.gpus().front().bus_id, reading::throttle)});
}

}  // namespace

Check throttle() { return {"throttle", "nothing holds the clocks back", look_at_clocks}; }

}  // namespace p2plab::doctor::checks
