// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "p2plab/experiment/doctor.h"
#include "report/json_number.h"

namespace p2plab {

namespace {

using Document = nlohmann::ordered_json;

Document json_of(const std::optional<Worth>& worth) {
  if (!worth) return nullptr;
  return {{"with", number(worth->with)}, {"without", number(worth->without)}};
}

Document tokens_of(const std::optional<TokenTraffic>& traffic, const std::optional<Worth>& worth) {
  if (!traffic || !worth) return nullptr;
  return {{"model", traffic->model},
          {"with", number(traffic->tokens_a_second(worth->with))},
          {"without", number(traffic->tokens_a_second(worth->without))}};
}

Document json_of(const Finding& finding, const std::optional<TokenTraffic>& traffic) {
  auto remedies = Document::array();
  for (const auto& [what, risk] : finding.remedies) remedies.push_back({{"do", what}, {"risk", risk}});
  return {{"name", finding.name},
          {"check", finding.check},
          {"severity", to_string(finding.severity)},
          {"what", finding.what},
          {"busbw_gbps", json_of(finding.worth)},
          {"no_busbw", finding.no_worth},
          {"prompt_tokens_a_second", tokens_of(traffic, finding.worth)},
          {"evidence", finding.evidence},
          {"remedies", std::move(remedies)}};
}

}  // namespace

std::string diagnosis_json(const Diagnosis& diagnosis) {
  auto findings = Document::array();
  for (const auto& finding : diagnosis.findings) findings.push_back(json_of(finding, diagnosis.traffic));
  const Document json{{"machine", diagnosis.machine},
                      {"summary", diagnosis.summary},
                      {"complaints", diagnosis.complaints()},
                      {"busbw_gbps", json_of(diagnosis.busbw)},
                      {"prompt_tokens_a_second", tokens_of(diagnosis.traffic, diagnosis.busbw)},
                      {"findings", std::move(findings)},
                      {"fine", diagnosis.fine},
                      {"warnings", diagnosis.warnings}};
  return json.dump(2, ' ', false, Document::error_handler_t::replace) + "\n";
}

}  // namespace p2plab
