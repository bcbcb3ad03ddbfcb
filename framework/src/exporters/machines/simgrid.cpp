// SPDX-License-Identifier: Apache-2.0
// SimGrid's platform: a host for each GPU, a link for each direction of each link, shared budgets as links of their own.
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "p2plab/base/registry.h"
#include "p2plab/machine/routes.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

void put(pugi::xml_node node, const char* name, const std::string& value) { node.append_attribute(name).set_value(value.c_str()); }

class PlatformWriter {
 public:
  explicit PlatformWriter(const Topology& topology) : topology_(topology), routes_(topology.routes()) {
    document_.append_child(pugi::node_doctype).set_value("platform SYSTEM \"https://simgrid.org/simgrid.dtd\"");
    auto platform = document_.append_child("platform");
    put(platform, "version", "4.1");
    zone_ = platform.append_child("zone");
    put(zone_, "id", "machine");
    put(zone_, "routing", "Full");
  }

  std::string run() {
    for (int r = 0; r < topology_.ranks(); ++r) {
      auto host = zone_.append_child("host");
      put(host, "id", name(Rank{r}));
      put(host, "speed", "1Gf");  // what a GPU computes is no business of a machine's links
    }
    for (std::size_t l = 0; l < topology_.links().size(); ++l) {
      const auto& link = topology_.links()[l];
      add_link(fmt::format("link{}", l), link.bandwidth, link.latency);
      limits_[l].push_back(fmt::format("link{}", l));
    }
    add_limits();
    for (int from = 0; from < topology_.ranks(); ++from) {
      for (int to = 0; to < topology_.ranks(); ++to) add_route(Rank{from}, Rank{to});
    }
    std::ostringstream text;
    document_.save(text, "  ");
    return text.str();
  }

 private:
  std::string name(Rank rank) const { return topology_.node(topology_.node_of(rank)).name; }

  void add_link(const std::string& id, Bandwidth bandwidth, Seconds latency) {
    auto link = zone_.append_child("link");
    put(link, "id", id);
    put(link, "bandwidth", fmt::format("{}Bps", bandwidth.bytes_per_second()));
    put(link, "latency", fmt::format("{:.12g}s", latency.count()));
    put(link, "sharing_policy", "SHARED");
  }

  // Budgets of groups and of nodes: further links, without latency, that a path passes too. What only some kinds of transfers share is left out.
  void add_limits() {
    int number = 0;
    for (const auto& limit : topology_.limits().subspan(topology_.links().size())) {
      const auto id = fmt::format("limit{}", number++);
      add_link(id, limit.bandwidth, Seconds{0});
      for (const auto link : limit.links) limits_[link.index()].push_back(id);
    }
  }

  void add_route(Rank from, Rank to) {
    const auto path = routes_.between(from, to);
    if (path.empty()) return;
    auto route = zone_.append_child("route");
    put(route, "src", name(from));
    put(route, "dst", name(to));
    put(route, "symmetrical", "NO");
    for (const auto link : path) {
      for (const auto& id : limits_[link.index()]) put(route.append_child("link_ctn"), "id", id);
    }
  }

  const Topology& topology_;
  const Routes& routes_;
  pugi::xml_document document_;
  pugi::xml_node zone_;
  std::map<std::size_t, std::vector<std::string>> limits_;  // by link: what a transfer over it shares
};

class SimGrid final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto& routes = job.topology->routes();
    for (int from = 0; from < job.topology->ranks(); ++from) {
      for (int to = 0; to < job.topology->ranks(); ++to) {
        if (!routes.connected(Rank{from}, Rank{to}))
          return Error{ErrorCode::unsupported,
                       fmt::format("SimGrid: rank {} does not reach rank {} without a third GPU; its zones want all routes", from, to)};
      }
    }
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    if (auto can = supports(job); !can) return std::move(can).error();
    return std::vector<ExportedFile>{{"", PlatformWriter{*job.topology}.run()}};
  }
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override { return write(jobs.front()); }
  std::string extension() const override { return ".xml"; }
  std::string how_to_load(const std::string& files) const override {
    return "SimGrid: " + files + " as platform, with --cfg=network/model:CM02 --cfg=network/TCP-gamma:0 (LV08 gives a lone flow 1/1.05 of a link)";
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> simgrid() {
  return {"simgrid", "the plan's machine as SimGrid platform (XML; one file)", {}, [] { return std::make_unique<SimGrid>(); }};
}
}  // namespace exporters

}  // namespace p2plab
