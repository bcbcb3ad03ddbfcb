// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "p2plab/experiment/doctor.h"

namespace p2plab {

namespace {

std::string worth_of(const Finding& finding) {
  if (!finding.worth) return finding.no_worth;
  const auto& [with, without] = *finding.worth;
  if (with >= without) return fmt::format("nothing of the bound of {:.1f} GB/s busbw: other links are the narrowest", without);
  return fmt::format("{:.1f} GB/s busbw: {:.1f} with it, {:.1f} without ({:.0f} % lost)", without - with, with, without, 100 * (1 - with / without));
}

std::string text_of(const Finding& finding) {
  auto text = fmt::format("\n{:<8}{}\n", to_string(finding.severity), finding.what);
  const auto line = [&](std::string_view word, const std::string& what) { text += fmt::format("        {:<9} {}\n", word, what); };
  line("name", finding.name);
  if (finding.severity != Severity::unknown) line("costs", worth_of(finding));
  for (const auto& one : finding.evidence) line("evidence", one);
  for (const auto& [what, risk] : finding.remedies) {
    line("do", what);
    if (!risk.empty()) line("  risk", risk);
  }
  return text;
}

}  // namespace

std::string diagnosis_text(const Diagnosis& diagnosis) {
  auto text = fmt::format("{}: {}\n", diagnosis.machine, diagnosis.summary);
  if (diagnosis.busbw)
    text += fmt::format("All-reduce over all GPUs: links allow {:.1f} GB/s busbw as the machine is, {:.1f} as it should be\n", diagnosis.busbw->with,
                        diagnosis.busbw->without);
  else
    text += "All-reduce: " + diagnosis.no_busbw + "\n";
  for (const auto& finding : diagnosis.findings) text += text_of(finding);
  text += fmt::format("\nNothing found by: {}\n", diagnosis.fine.empty() ? "no check" : fmt::format("{}", fmt::join(diagnosis.fine, ", ")));
  return text;
}

}  // namespace p2plab
