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

std::string tokens_of(const TokenTraffic& traffic, const Worth& worth) {
  return fmt::format("{:.0f} tokens a second of {}'s prompts: {:.0f} with it, {:.0f} without",
                     traffic.tokens_a_second(worth.without) - traffic.tokens_a_second(worth.with), traffic.model, traffic.tokens_a_second(worth.with),
                     traffic.tokens_a_second(worth.without));
}

std::string text_of(const Finding& finding, const std::optional<TokenTraffic>& traffic) {
  auto text = fmt::format("\n{:<8}{}\n", to_string(finding.severity), finding.what);
  const auto line = [&](std::string_view word, const std::string& what) { text += fmt::format("        {:<9} {}\n", word, what); };
  line("name", finding.name);
  if (finding.severity != Severity::unknown) line("costs", worth_of(finding));
  if (traffic && finding.worth && finding.worth->with < finding.worth->without) line("", tokens_of(*traffic, *finding.worth));
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
  if (diagnosis.busbw && diagnosis.traffic)
    text += fmt::format(
        "{}, tensor-parallel over all GPUs: its all-reduces leave room for {:.0f} tokens of prompts a second as the machine is, {:.0f} as "
        "it should be\n",
        diagnosis.traffic->model, diagnosis.traffic->tokens_a_second(diagnosis.busbw->with),
        diagnosis.traffic->tokens_a_second(diagnosis.busbw->without));
  for (const auto& finding : diagnosis.findings) text += text_of(finding, diagnosis.traffic);
  text += fmt::format("\nNothing found by: {}\n", diagnosis.fine.empty() ? "no check" : fmt::format("{}", fmt::join(diagnosis.fine, ", ")));
  return text;
}

}  // namespace p2plab
