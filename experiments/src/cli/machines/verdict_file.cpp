// SPDX-License-Identifier: Apache-2.0
#include "cli/machines/verdict_file.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace p2plab::cli {

namespace {

using Document = nlohmann::ordered_json;

Document gpus_of(const MachineFacts& facts) {
  auto gpus = Document::array();
  for (const auto& gpu : facts.cuda) {
    const auto seen = std::ranges::find(facts.nvml, gpu.bus_id, &NvmlGpu::bus_id);
    gpus.push_back({{"name", gpu.name}, {"bus_id", gpu.bus_id}, {"uuid", seen != facts.nvml.end() ? seen->uuid : ""}});
  }
  return gpus;
}

Document pairs_of(const MachineFacts& facts, const Document& probes) {
  auto pairs = Document::array();
  for (const auto& peer : facts.peers) {
    auto ways = Document::object();
    bool right = true;
    for (const auto& probe : probes) {
      if (probe["access"] == "all_at_once" || probe["from"] != peer.from || probe["to"] != peer.to) continue;
      ways[probe["access"].get<std::string>()] = probe["data"];
      right = right && (probe["data"] == "right" || probe["data"] == "has none");
    }
    const Document works = ways.empty() ? Document(nullptr) : Document(right && peer.access);
    pairs.push_back({{"from", peer.from}, {"to", peer.to}, {"granted", peer.access}, {"works", works}, {"ways", std::move(ways)}});
  }
  return pairs;
}

}  // namespace

std::string verdict_json(const MachineFacts& facts, const Diagnosis& diagnosis, const nlohmann::ordered_json& probes) {
  auto findings = Document::array();
  for (const auto& finding : diagnosis.findings) findings.push_back({{"name", finding.name}, {"severity", to_string(finding.severity)}});
  const Document json{{"format", "p2plab verdict"},      {"version", 1},
                      {"machine", diagnosis.summary},    {"driver", facts.driver},
                      {"gpus", gpus_of(facts)},          {"complaints", diagnosis.complaints()},
                      {"findings", std::move(findings)}, {"pairs", pairs_of(facts, probes)}};
  return json.dump(2, ' ', false, Document::error_handler_t::replace) + "\n";
}

}  // namespace p2plab::cli
