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

// One to the other, both at the same time, or every GPU to the one that stands as far after it.
bool is_of(const Document& probe, const CudaPeer& peer, int gpus) {
  const int from = probe["from"];
  const int to = probe["to"];
  if (probe["access"] == "all_at_once") return gpus > 0 && (peer.from + to - from) % gpus == peer.to;
  return (from == peer.from && to == peer.to) || (probe["access"] == "both_ways" && from == peer.to && to == peer.from);
}

Document pairs_of(const MachineFacts& facts, const Document& probes, bool on_gpus) {
  auto pairs = Document::array();
  for (const auto& peer : facts.peers) {
    auto ways = Document::object();
    bool right = true;
    for (const auto& probe : probes) {
      if (!is_of(probe, peer, static_cast<int>(facts.cuda.size()))) continue;
      ways[probe["access"].get<std::string>()] = probe["data"];
      right = right && (probe["data"] == "right" || probe["data"] == "has none");
    }
    const Document works = ways.empty() || !on_gpus ? Document(nullptr) : Document(right && peer.access);
    pairs.push_back({{"from", peer.from}, {"to", peer.to}, {"granted", peer.access}, {"works", works}, {"ways", std::move(ways)}});
  }
  return pairs;
}

}  // namespace

std::string verdict_json(const MachineFacts& facts, const Diagnosis& diagnosis, const nlohmann::ordered_json& probes, const std::string& where) {
  auto findings = Document::array();
  for (const auto& finding : diagnosis.findings) findings.push_back({{"name", finding.name}, {"severity", to_string(finding.severity)}});
  const Document tried_on = probes.is_null() ? Document(nullptr) : Document(where);
  const Document json{{"format", "p2plab verdict"},      {"version", 1},           {"machine", diagnosis.summary},
                      {"driver", facts.driver},          {"gpus", gpus_of(facts)}, {"complaints", diagnosis.complaints()},
                      {"findings", std::move(findings)}, {"tried_on", tried_on},   {"pairs", pairs_of(facts, probes, where == "cuda")}};
  return json.dump(2, ' ', false, Document::error_handler_t::replace) + "\n";
}

}  // namespace p2plab::cli
