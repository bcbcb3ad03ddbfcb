// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "files/json_reader.h"
#include "p2plab/machine/machine_facts.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const NvmlGpu& gpu) {
  auto links = Json::array();
  for (const auto& link : gpu.links)
    links.push_back({{"number", link.number}, {"active", link.active}, {"remote", link.remote}, {"remote_kind", link.remote_kind}});
  return {
      {"bus_id", gpu.bus_id}, {"name", gpu.name}, {"uuid", gpu.uuid}, {"compute_capability", gpu.compute_capability}, {"links", std::move(links)}};
}
Json json_of(const CudaGpu& gpu) {
  return {{"bus_id", gpu.bus_id},
          {"name", gpu.name},
          {"compute_capability", gpu.compute_capability},
          {"multiprocessors", gpu.multiprocessors},
          {"numa", gpu.numa}};
}
Json json_of(const CudaPeer& peer) {
  return {{"from", peer.from}, {"to", peer.to}, {"access", peer.access}, {"atomics", peer.atomics}, {"performance_rank", peer.performance_rank}};
}
Json json_of(const PciFact& device) {
  Json json{{"bus_id", device.bus_id}, {"parent", device.parent}, {"class", device.device_class}, {"vendor", device.vendor},
            {"speed", device.speed},   {"width", device.width},   {"numa", device.numa}};
  if (!device.device.empty()) json["device"] = device.device;
  return json;
}
Json json_of(const NetworkFact& network) { return {{"name", network.name}, {"bus_id", network.bus_id}, {"megabits", network.megabits}}; }

Json json_of(const Reading& reading) {
  return {{"subject", reading.subject}, {"what", reading.what}, {"value", reading.value}, {"source", reading.source}, {"missing", reading.missing}};
}

template <class T>
Json list_of(const std::vector<T>& all) {
  auto list = Json::array();
  for (const auto& one : all) list.push_back(json_of(one));
  return list;
}

constexpr std::int64_t large = 1 << 30;
int number(const JsonValue& value, std::int64_t least = 0) { return static_cast<int>(value.integer(least, large)); }

NvlinkFact nvlink(const JsonValue& value) {
  value.expect_keys({"number", "active", "remote", "remote_kind"});
  return {number(value["number"]), value["active"].boolean(), value["remote"].string(), value["remote_kind"].string()};
}
template <class T, class Read>
std::vector<T> read_list(const JsonValue& value, const Read& read) {
  std::vector<T> all;
  const auto count = value.size();
  for (std::size_t i = 0; i < count; ++i) all.push_back(read(value.at(i)));
  return all;
}
NvmlGpu nvml_gpu(const JsonValue& value) {
  value.expect_keys({"bus_id", "name", "uuid", "compute_capability", "links"});
  return {value["bus_id"].string(), value["name"].string(), value["uuid"].string(), number(value["compute_capability"]),
          read_list<NvlinkFact>(value["links"], nvlink)};
}
CudaGpu cuda_gpu(const JsonValue& value) {
  value.expect_keys({"bus_id", "name", "compute_capability", "multiprocessors", "numa"});
  return {value["bus_id"].string(), value["name"].string(), number(value["compute_capability"]), number(value["multiprocessors"]),
          number(value["numa"], -1)};
}
CudaPeer cuda_peer(const JsonValue& value) {
  value.expect_keys({"from", "to", "access", "atomics", "performance_rank"});
  return {number(value["from"]), number(value["to"]), value["access"].boolean(), value["atomics"].boolean(),
          number(value["performance_rank"], -large)};
}
// Pairs are of GPUs that are there, none of one with itself, and none twice.
void check_peers(const std::vector<CudaPeer>& peers, std::size_t gpus, const JsonValue& value) {
  std::set<std::pair<int, int>> known;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const auto& [from, to] = std::tie(peers[i].from, peers[i].to);
    for (const auto& [key, gpu] : {std::pair{"from", from}, std::pair{"to", to}}) {
      if (static_cast<std::size_t>(gpu) >= gpus) value.at(i)[key].fail(fmt::format("there is no GPU {}: 'cuda' has {}", gpu, gpus));
    }
    if (from == to) value.at(i).fail(fmt::format("GPU {} is no peer of itself", from));
    if (!known.emplace(from, to).second) value.at(i).fail(fmt::format("the pair of GPUs {} and {} is there twice", from, to));
  }
}
PciFact pci_device(const JsonValue& value) {
  value.expect_keys({"bus_id", "parent", "class", "vendor", "device?", "speed", "width", "numa"});
  const auto device = value["device"];
  return {value["bus_id"].string(), value["parent"].string(), value["class"].string(),   value["vendor"].string(),
          value["speed"].string(),  number(value["width"]),   number(value["numa"], -1), device.present() ? device.string() : std::string{}};
}
NetworkFact network(const JsonValue& value) {
  value.expect_keys({"name", "bus_id", "megabits"});
  return {value["name"].string(), value["bus_id"].string(), number(value["megabits"])};
}
Reading reading(const JsonValue& value) {
  value.expect_keys({"subject", "what", "value", "source", "missing"});
  return {value["subject"].string(), value["what"].string(), value["value"].string(), value["source"].string(), value["missing"].string()};
}

}  // namespace

std::string write_facts(const MachineFacts& facts) {
  Json json{{"version", 1},
            {"name", facts.name},
            {"driver", facts.driver},
            {"nvml_missing", facts.nvml_missing},
            {"cuda_missing", facts.cuda_missing},
            {"nvml", list_of(facts.nvml)},
            {"cuda", list_of(facts.cuda)},
            {"peers", list_of(facts.peers)},
            {"pci", list_of(facts.pci)},
            {"networks", list_of(facts.networks)},
            {"cpu", {{"arch", facts.cpu.arch}, {"vendor", facts.cpu.vendor}, {"family", facts.cpu.family}, {"model", facts.cpu.model}}}};
  if (!facts.readings.empty()) json["readings"] = list_of(facts.readings);
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<MachineFacts> read_facts(std::string_view text, const std::string& filename) {
  const auto document = parse_json(text, filename);
  if (!document) return document.error();
  JsonMistake mistake{.filename = filename, .text = text};
  const JsonValue root(&*document, &mistake);
  root.expect_keys({"version", "name", "driver", "nvml_missing", "cuda_missing", "nvml", "cuda", "peers", "pci", "networks", "cpu", "readings?"});
  if (!mistake.error && root["version"].integer(1, large) != 1) root["version"].fail("this program reads version 1 of recorded facts");
  MachineFacts facts;
  if (!mistake.error) {
    facts = {root["name"].string(),
             root["driver"].string(),
             root["nvml_missing"].string(),
             root["cuda_missing"].string(),
             read_list<NvmlGpu>(root["nvml"], nvml_gpu),
             read_list<CudaGpu>(root["cuda"], cuda_gpu),
             read_list<CudaPeer>(root["peers"], cuda_peer),
             read_list<PciFact>(root["pci"], pci_device),
             read_list<NetworkFact>(root["networks"], network),
             {},
             {}};
    if (root["readings"].present()) facts.readings = read_list<Reading>(root["readings"], reading);
    check_peers(facts.peers, facts.cuda.size(), root["peers"]);
    const auto cpu = root["cpu"];
    cpu.expect_keys({"arch", "vendor", "family", "model"});
    facts.cpu = {cpu["arch"].string(), cpu["vendor"].string(), number(cpu["family"]), number(cpu["model"])};
  }
  if (mistake.error) return *std::move(mistake.error);
  return facts;
}

}  // namespace p2plab
