// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "p2plab/detail/text.h"
#include "p2plab/machine/topology_io.h"

namespace p2plab {

namespace {

constexpr std::size_t most_explained = 50;     // mistakes beyond are only counted, so nearest names are not sought for them
constexpr std::size_t most_candidates = 1000;  // a name in a huge file is compared with so many others

// Reads one map into a builder; mistakes go to the map's file.
class TopologyReader {
 public:
  explicit TopologyReader(const ConfigValue& map) : map_(map), builder_(map["name"].string()) {}

  std::optional<Topology> run(bool whole_file) {
    const auto before = map_.mistakes();
    ConfigKeys keys{.required = {"nodes"}, .optional = {"name", "links", "groups", "sources", "words"}};
    (whole_file ? keys.required : keys.optional).emplace_back("version");
    if (whole_file && map_["collectives"].present() && map_["algorithms"].present()) {
      map_.add_error("this is a config, not a machine", {"p2plab run does what it asks for"});
      return std::nullopt;
    }
    if (!map_.expect_keys(keys)) return std::nullopt;
    map_["version"].integer({.least = 1, .most = 1}, 1);
    for (const auto& node : map_["nodes"].list(1)) read_node(node);
    for (const auto& link : map_["links"].list()) read_link(link);
    for (const auto& group : map_["groups"].list()) read_group(group);
    for (auto& group : shared_) builder_.add_group(std::move(group));
    read_sources();
    if (map_.mistakes() > before) return std::nullopt;
    auto topology = std::move(builder_).build();
    if (topology) return *std::move(topology);
    map_.add_error(std::move(topology).error());
    return std::nullopt;
  }

 private:
  void read_node(const ConfigValue& value) {
    if (!value.expect_keys(
            {.required = {"name", "kind"},
             .optional = {"ingress", "egress", "forwards_peers", "memory", "root_complex", "exchange", "exchange_loads", "posted_writes"}}))
      return;
    Node node{.name = value["name"].string(), .kind = value["kind"].as(node_kind, NodeKind::gpu, "a node kind")};
    for (const auto& [key, limit] : {std::pair{"ingress", &node.ingress}, std::pair{"egress", &node.egress}, std::pair{"memory", &node.memory},
                                     std::pair{"root_complex", &node.root_complex}, std::pair{"posted_writes", &node.switching.posted_writes}}) {
      if (value[key].present()) *limit = bandwidth(value[key]);
    }
    for (const auto& [key, share] : {std::pair{"exchange", &node.switching.exchange}, std::pair{"exchange_loads", &node.switching.exchange_loads}}) {
      if (value[key].present()) *share = value[key].number({.least = 0.001, .most = 1}, 1);
    }
    node.forwards_peers = value["forwards_peers"].boolean(false);
    if (node.forwards_peers && node.kind != NodeKind::host)
      value["forwards_peers"].add_error(fmt::format("only a host forwards peer accesses; {} is a {}", quoted(node.name), to_string(node.kind)));
    if (node.name.empty()) return;
    const auto name = node.name;
    if (!nodes_.emplace(name, NodeId{static_cast<std::int64_t>(nodes_.size())}).second) {
      value["name"].add_error(fmt::format("two nodes are called {}", quoted(name)));
      return;
    }
    names_.push_back(name);
    builder_.add_node(std::move(node));
  }

  Bandwidth bandwidth(const ConfigValue& value) const {
    const auto before = value.mistakes();
    const auto rate = value.bandwidth(Bandwidth::bytes_per_second(1));
    if (rate.bytes_per_second() == 0 && value.mistakes() == before)
      value.add_error("a bandwidth must be above zero", {"leave the link out if there is none"});
    return rate;
  }

  std::optional<NodeId> node(const ConfigValue& value) {
    const auto name = value.string();
    if (name.empty()) return std::nullopt;
    if (const auto found = nodes_.find(name); found != nodes_.end()) return found->second;
    Error error{ErrorCode::unknown_name, fmt::format("unknown node {}", quoted(name))};
    if (value.mistakes() < most_explained) {
      const std::vector<std::string> candidates{names_.begin(),
                                                names_.begin() + static_cast<std::ptrdiff_t>(std::min(names_.size(), most_candidates))};
      if (const auto near = nearest_name(name, candidates); !near.empty()) error.notes.push_back(fmt::format("did you mean '{}'?", near));
    }
    value.add_error(std::move(error));
    return std::nullopt;
  }

  // Two names in a list: the ends of a link.
  std::optional<std::pair<NodeId, NodeId>> ends(const ConfigValue& first, const ConfigValue& second) {
    const auto from = node(first);
    const auto to = node(second);
    if (!from || !to) return std::nullopt;
    if (*from != *to) return std::pair{*from, *to};
    second.add_error("a link cannot join a node to itself");
    return std::nullopt;
  }

  std::optional<std::pair<NodeId, NodeId>> ends_of(const ConfigValue& value) {
    if (value["between"].present()) {
      const auto both = value["between"].list(2, 2);
      return both.empty() ? std::nullopt : ends(both[0], both[1]);
    }
    if (value["from"].present() && value["to"].present()) return ends(value["from"], value["to"]);
    return std::nullopt;
  }

  void read_link(const ConfigValue& value) {
    if (!value.expect_keys(
            {.required = {"bandwidth"}, .optional = {"between", "from", "to", "latency", "kind", "both", "peers", "loads", "stores", "host_loads"}}))
      return;
    const bool both_ways = value["between"].present();
    const bool one_way = value["from"].present() || value["to"].present();
    if (both_ways ? one_way : !(value["from"].present() && value["to"].present())) {
      value.add_error("a link needs either 'between' or both 'from' and 'to'", {"write {between: [gpu0, gpu1], ...} for both directions"});
    }
    const auto joined = ends_of(value);
    const auto kind = value["kind"].as(link_kind, LinkKind::other, "a link kind");
    const auto rate = bandwidth(value["bandwidth"]);
    const auto latency = value["latency"].time(default_latency(kind));
    if (latency > Seconds{1}) value["latency"].add_error("a latency must be at most 1 s");
    if (!joined) return;
    std::vector<LinkId> links;
    const auto add = [&](NodeId from, NodeId to) {
      links.push_back(builder_.add_link({from, to, kind, rate, latency}));
      links_[{from, to}].push_back(links.back());
    };
    add(joined->first, joined->second);
    if (both_ways) add(joined->second, joined->first);
    read_rates(value, links, names_[joined->first.index()] + " - " + names_[joined->second.index()]);
  }

  // What a link carries both ways together, and of some transfers, each way.
  void read_rates(const ConfigValue& value, const std::vector<LinkId>& links, const std::string& name) {
    if (value["both"].present()) {
      if (links.size() < 2)
        value["both"].add_error("'both' is what both directions carry together, but this link has one", {"write {between: [gpu0, gpu1], ...}"});
      shared_.push_back({name + " both ways", bandwidth(value["both"]), links});
    }
    for (const auto of : {Traffic::peers, Traffic::loads, Traffic::stores, Traffic::host_loads}) {
      const auto given = value[std::string{to_string(of)}];
      if (!given.present()) continue;
      for (const auto link : links)
        shared_.push_back({fmt::format("{} {}{}", name, to_string(of), links.size() > 1 ? (link == links.front() ? " there" : " back") : ""),
                           bandwidth(given),
                           {link},
                           of});
    }
  }

  void read_group(const ConfigValue& value) {
    if (!value.expect_keys({.required = {"bandwidth", "links"}, .optional = {"name", "of"}})) return;
    LinkGroup group{.name = value["name"].string(),
                    .bandwidth = bandwidth(value["bandwidth"]),
                    .links = {},
                    .of = value["of"].as(traffic, Traffic::all, "a kind of traffic")};
    std::set<LinkId> seen;
    for (const auto& element : value["links"].list(1)) {
      const auto links = links_of(element);
      group.links.insert(group.links.end(), links.begin(), links.end());
      if (!std::ranges::all_of(links, [&](LinkId link) { return seen.insert(link).second; })) {
        element.add_error("the group names this link twice");
        break;
      }
    }
    builder_.add_group(std::move(group));
  }

  void read_sources() {
    MachineSources sources;
    for (const auto& element : map_["sources"].list()) {
      if (!element.expect_keys({.required = {"what", "origin"}, .optional = {"value", "source", "key", "least", "most", "links"}})) continue;
      SourcedValue value{.what = element["what"].string(),
                         .value = element["value"].string(""),
                         .origin = element["origin"].as(origin, Origin::read, "an origin"),
                         .source = element["source"].string(""),
                         .key = element["key"].string("")};
      if (element["least"].present()) value.least = bandwidth(element["least"]);
      if (element["most"].present()) value.most = bandwidth(element["most"]);
      for (const auto& link : element["links"].list()) {
        const auto links = links_of(link);
        value.links.insert(value.links.end(), links.begin(), links.end());
      }
      sources.values.push_back(std::move(value));
    }
    for (const auto& row : map_["words"].list()) {
      for (const auto& word : row.list()) sources.words.push_back(word.string());
    }
    builder_.set_sources(std::move(sources));
  }

  std::vector<LinkId> links_of(const ConfigValue& element) {
    const auto parts = element.list(2, 3);
    if (parts.empty()) return {};
    const auto joined = ends(parts[0], parts[1]);
    if (!joined) return {};
    const auto found = links_.find(*joined);
    if (found == links_.end()) {
      element.add_error(fmt::format("there is no link {} -> {}", names_[joined->first.index()], names_[joined->second.index()]));
      return {};
    }
    if (parts.size() == 2) return found->second;
    const auto last = static_cast<std::int64_t>(found->second.size()) - 1;
    const auto before = element.mistakes();
    const auto which = parts[2].integer({.least = 0, .most = last});
    return element.mistakes() > before ? std::vector<LinkId>{} : std::vector{found->second[static_cast<std::size_t>(which)]};
  }

  ConfigValue map_;
  Topology::Builder builder_;
  std::unordered_map<std::string, NodeId> nodes_;
  std::vector<std::string> names_;
  std::map<std::pair<NodeId, NodeId>, std::vector<LinkId>> links_;
  std::vector<LinkGroup> shared_;  // what links themselves say, after the groups
};

Result<Topology> whole(const ConfigFile& file) {
  auto topology = TopologyReader{file.root()}.run(true);
  if (auto ok = file.status(); !ok) return std::move(ok).error();
  expects(topology.has_value());
  return *std::move(topology);
}

}  // namespace

Result<Topology> read_topology(std::string_view text, const std::string& filename) {
  const auto file = ConfigFile::parse(text, filename);
  return file ? whole(*file) : file.error();
}

Result<Topology> load_topology(const std::string& path) {
  const auto file = ConfigFile::load(path);
  return file ? whole(*file) : file.error();
}

std::optional<Topology> read_topology(const ConfigValue& map) { return TopologyReader{map}.run(false); }

}  // namespace p2plab
