// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "p2plab/machine/cuts.h"
#include "p2plab/machine/islands.h"
#include "p2plab/machine/routes.h"
#include "p2plab/machine/topology_view.h"

namespace p2plab {

namespace {

using Json = nlohmann::ordered_json;

class Document {
 public:
  Document(const Topology& topology) : topology_(topology), routes_(topology.routes()) {}

  Json write() const {
    return {{"name", topology_.name()}, {"ranks", topology_.ranks()},   {"nodes", nodes()},         {"links", links()},
            {"groups", groups()},       {"matrix", matrix()},           {"degrees", gpu_degrees()}, {"islands", islands()},
            {"bottleneck_cut", cut()},  {"asymmetries", differences()}, {"unconnected", missing()}};
  }

 private:
  const std::string& name(NodeId node) const { return topology_.node(node).name; }
  const std::string& name(Rank rank) const { return name(topology_.node_of(rank)); }
  Json names(const std::vector<Rank>& ranks) const {
    auto list = Json::array();
    for (const auto rank : ranks) list.push_back(name(rank));
    return list;
  }
  Json ends(LinkId id) const { return Json::array({name(topology_.link(id).from), name(topology_.link(id).to)}); }

  Json nodes() const {
    auto list = Json::array();
    for (const auto& node : topology_.nodes()) {
      Json entry{{"name", node.name}, {"kind", to_string(node.kind)}};
      if (node.ingress) entry["ingress_gbps"] = node.ingress->gbps();
      if (node.egress) entry["egress_gbps"] = node.egress->gbps();
      if (node.memory) entry["memory_gbps"] = node.memory->gbps();
      if (node.root_complex) entry["root_complex_gbps"] = node.root_complex->gbps();
      const auto& [exchange, exchange_loads, posted_writes] = node.switching;
      if (exchange < 1) entry["exchange"] = exchange;
      if (exchange_loads < 1) entry["exchange_loads"] = exchange_loads;
      if (posted_writes) entry["posted_writes_gbps"] = posted_writes->gbps();
      list.push_back(std::move(entry));
    }
    return list;
  }

  Json links() const {
    auto list = Json::array();
    for (const auto& link : topology_.links()) {
      list.push_back({{"from", name(link.from)},
                      {"to", name(link.to)},
                      {"kind", to_string(link.kind)},
                      {"bandwidth_gbps", link.bandwidth.gbps()},
                      {"latency_us", microseconds(link.latency)}});
    }
    return list;
  }

  Json groups() const {
    auto list = Json::array();
    for (const auto& group : topology_.groups()) {
      auto members = Json::array();
      for (const auto id : group.links) members.push_back(ends(id));
      list.push_back({{"name", group.name}, {"bandwidth_gbps", group.bandwidth.gbps()}, {"of", to_string(group.of)}, {"links", std::move(members)}});
    }
    return list;
  }

  Json matrix() const {
    auto gpus = Json::array();
    auto kinds = Json::array();
    auto widths = Json::array();
    auto latencies = Json::array();
    for (std::int64_t a = 0; a < topology_.ranks(); ++a) {
      gpus.push_back(name(Rank{a}));
      auto kind = Json::array();
      auto width = Json::array();
      auto delay = Json::array();
      for (std::int64_t b = 0; b < topology_.ranks(); ++b) {
        const auto path = routes_.between(Rank{a}, Rank{b});
        Seconds latency{0};
        for (const auto id : path) latency += topology_.link(id).latency;
        kind.push_back(a == b ? "X" : route_word(topology_, Rank{a}, Rank{b}));
        width.push_back(routes_.bottleneck(path).gbps());
        delay.push_back(microseconds(to_seconds(to_sim_time(latency))));
      }
      kinds.push_back(std::move(kind));
      widths.push_back(std::move(width));
      latencies.push_back(std::move(delay));
    }
    return {{"gpus", gpus}, {"kind", kinds}, {"bandwidth_gbps", widths}, {"latency_us", latencies}};
  }

  Json gpu_degrees() const {
    auto list = Json::array();
    const auto all = degrees(topology_);
    for (std::size_t r = 0; r < all.size(); ++r) {
      list.push_back({{"gpu", name(Rank{static_cast<std::int64_t>(r)})}, {"out_gbps", all[r].out.gbps()}, {"in_gbps", all[r].in.gbps()}});
    }
    return list;
  }

  Json islands() const {
    auto list = Json::array();
    for (const auto& level : find_islands(topology_)) {
      auto parts = Json::array();
      for (const auto& island : level.islands) parts.push_back(names(island));
      list.push_back(
          {{"islands", std::move(parts)}, {"inside_gbps", level.inside.gbps()}, {"across_gbps", level.across.gbps()}, {"reason", level.reason}});
    }
    return list;
  }

  Json cut() const {
    const auto found = bottleneck_cut(topology_);
    if (!found) return nullptr;
    auto nodes = Json::array();
    for (const auto node : found->nodes) nodes.push_back(name(node));
    auto crossing = Json::array();
    for (const auto id : found->links) crossing.push_back(ends(id));
    const auto all_gather = found->capacity.gbps() * topology_.ranks() / static_cast<double>(found->inside.size());
    return {{"inside", names(found->inside)},          {"outside", names(found->outside)},   {"nodes", nodes}, {"links", crossing},
            {"capacity_gbps", found->capacity.gbps()}, {"all_gather_algbw_gbps", all_gather}};
  }

  Json differences() const {
    auto list = Json::array();
    for (const auto& pair : asymmetries(topology_)) {
      list.push_back(
          {{"from", name(pair.from)}, {"to", name(pair.to)}, {"forward_gbps", pair.forward.gbps()}, {"backward_gbps", pair.backward.gbps()}});
    }
    return list;
  }

  Json missing() const {
    auto list = Json::array();
    for (const auto& [from, to] : unconnected_pairs(topology_)) list.push_back(Json::array({name(from), name(to)}));
    return list;
  }

  const Topology& topology_;
  const Routes& routes_;
};

}  // namespace

std::string topology_json(const Topology& topology) { return Document(topology).write().dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace p2plab
