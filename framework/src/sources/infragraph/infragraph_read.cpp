// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "p2plab/detail/text.h"
#include "sources/infragraph/infragraph.h"

namespace p2plab {

namespace {

constexpr std::int64_t most_parts = 200000;  // of nodes, and of edges
constexpr int most_nested = 8;               // devices within devices

struct Component {
  std::string name;
  std::int64_t count = 0;
  std::string type;
};

struct DeviceTemplate {
  std::vector<Component> components = {};
  std::map<std::string, std::size_t> links = {};  // by name
  ConfigValue edges;
};

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

class InfraReader {
 public:
  explicit InfraReader(ConfigValue map) : map_(std::move(map)) {}

  std::optional<InfraGraph> run() {
    const auto before = map_.mistakes();
    if (!map_.expect_keys({.required = {"devices", "instances"}, .optional = {"name", "description", "links", "edges"}})) return std::nullopt;
    graph_.name = map_["name"].string();
    for (const auto& device : map_["devices"].list(1)) read_device(device);
    const auto links = read_links(map_["links"]);
    if (map_.mistakes() > before) return std::nullopt;
    for (const auto& instance : map_["instances"].list(1)) read_instance(instance);
    graph_.one_device = instances_.size() == 1 && instances_.begin()->second.second == 1;
    if (map_.mistakes() > before) return std::nullopt;
    for (const auto& edge : map_["edges"].list()) read_edge(edge, links, "", [&](const ConfigValue& end) { return ends_of_instance(end); });
    if (map_.mistakes() > before) return std::nullopt;
    return std::move(graph_);
  }

 private:
  void read_device(const ConfigValue& value) {
    if (!value.expect_keys({.required = {"name", "components"}, .optional = {"description", "links", "edges"}})) return;
    DeviceTemplate device{.edges = value["edges"]};
    for (const auto& component : value["components"].list(1)) {
      if (!component.expect_keys({.required = {"name", "count", "choice"},
                                  .optional = {"description", "custom", "device", "cpu", "xpu", "nic", "memory", "port", "switch"}}))
        continue;
      Component one{component["name"].string(), component["count"].integer({.least = 0, .most = most_parts}), component["choice"].string()};
      constexpr std::array choices{"custom", "device", "cpu", "xpu", "nic", "memory", "port", "switch"};
      if (std::ranges::find(choices, one.type) == choices.end())
        component["choice"].add_error(unknown_name("component", one.type, {choices.begin(), choices.end()}));
      if (one.type == "custom") one.type = component["custom"]["type"].string("custom");
      device.components.push_back(std::move(one));
    }
    device.links = read_links(value["links"]);
    const auto name = value["name"].string();
    if (!devices_.emplace(name, std::move(device)).second) value["name"].add_error(fmt::format("two devices are called {}", p2plab::quoted(name)));
  }

  std::map<std::string, std::size_t> read_links(const ConfigValue& list) {
    std::map<std::string, std::size_t> by_name;
    for (const auto& value : list.list()) {
      if (!value.expect_keys({.required = {"name"}, .optional = {"description", "physical"}})) continue;
      InfraLink link{.name = value["name"].string(), .description = value["description"].string()};
      if (const auto physical = value["physical"]; physical.present() && physical.expect_keys({.optional = {"bandwidth", "latency"}})) {
        read_bandwidth(physical["bandwidth"], link);
        read_latency(physical["latency"], link);
      }
      by_name[link.name] = graph_.links.size();
      graph_.links.push_back(std::move(link));
    }
    return by_name;
  }

  static void read_bandwidth(const ConfigValue& value, InfraLink& link) {
    if (!value.present() ||
        !value.expect_keys({.required = {"choice"}, .optional = {"gigabits_per_second", "gigabytes_per_second", "gigatransfers_per_second"}}))
      return;
    const auto choice = value["choice"].string();
    const auto number = value[choice].number({.least = 0, .most = 1e6});
    if (choice == "gigabits_per_second")
      link.bandwidth = GBps(number / 8);
    else if (choice == "gigabytes_per_second")
      link.bandwidth = GBps(number);
    else if (choice == "gigatransfers_per_second")
      link.gigatransfers = number;
    else
      value["choice"].add_error(unknown_name("unit", choice, {"gigabits_per_second", "gigabytes_per_second", "gigatransfers_per_second"}));
    if (number <= 0) value.add_error(fmt::format("the bandwidth of link {} must be above zero", p2plab::quoted(link.name)));
  }

  static void read_latency(const ConfigValue& value, InfraLink& link) {
    if (!value.present() || !value.expect_keys({.required = {"choice"}, .optional = {"ms", "us", "ns"}})) return;
    const auto choice = value["choice"].string();
    const auto number = value[choice].number({.least = 0, .most = 1e9});
    constexpr std::array units{std::pair{"ms", 1e-3}, std::pair{"us", 1e-6}, std::pair{"ns", 1e-9}};
    const auto unit = std::ranges::find_if(units, [&](const auto& one) { return one.first == choice; });
    if (unit == units.end()) return value["choice"].add_error(unknown_name("unit", choice, {"ms", "us", "ns"}));
    link.latency = Seconds{number * unit->second};
  }

  void read_instance(const ConfigValue& value) {
    if (!value.expect_keys({.required = {"name", "device", "count"}, .optional = {"description"}})) return;
    const auto name = value["name"].string();
    const auto device = value["device"].string();
    const auto count = value["count"].integer({.least = 0, .most = most_parts});
    if (!devices_.contains(device)) return value["device"].add_error(unknown_name("device", device, names_of(devices_)));
    if (!instances_.emplace(name, std::pair{device, count}).second)
      return value["name"].add_error(fmt::format("two instances are called {}", p2plab::quoted(name)));
    for (std::int64_t i = 0; i < count && !full_; ++i) expand(device, fmt::format("{}.{}.", name, i), 0, value["device"]);
  }

  // The components of a device, and its edges, under a prefix.
  void expand(const std::string& name, const std::string& prefix, int depth, const ConfigValue& place) {
    const auto& device = devices_.at(name);
    for (const auto& component : device.components) {
      for (std::int64_t i = 0; i < component.count && !full_; ++i) {
        const auto node = fmt::format("{}{}.{}", prefix, component.name, i);
        if (component.type == "device") {
          if (depth == most_nested || !devices_.contains(component.name)) {
            full_ = true;
            return place.add_error(depth == most_nested
                                       ? Error{ErrorCode::invalid_input, fmt::format("devices within devices, more than {} deep", most_nested)}
                                       : unknown_name("device", component.name, names_of(devices_)));
          }
          expand(component.name, node + ".", depth + 1, place);
        } else if (numbers_.emplace(node, graph_.nodes.size()).second) {
          graph_.nodes.push_back({node, component.name, component.type});
        }
        limit(graph_.nodes.size(), "components", place);
      }
    }
    for (const auto& edge : device.edges.list()) {
      if (full_) return;
      read_edge(edge, device.links, prefix, [&](const ConfigValue& end) { return ends_of_device(end, name); });
    }
  }

  void limit(std::size_t count, const char* what, const ConfigValue& place) {
    if (full_ || count <= static_cast<std::size_t>(most_parts)) return;
    full_ = true;
    place.add_error(fmt::format("more than {} {}", most_parts, what));
  }

  template <class Ends>
  void read_edge(const ConfigValue& value, const std::map<std::string, std::size_t>& links, const std::string& prefix, const Ends& ends) {
    if (!value.expect_keys({.required = {"ep1", "ep2", "link", "scheme"}})) return;
    const auto name = value["link"].string();
    const auto link = links.find(name);
    if (link == links.end()) {
      return value["link"].add_error(unknown_name("link", name, names_of(links)));
    }
    const auto from = ends(value["ep1"]);
    const auto to = ends(value["ep2"]);
    const auto scheme = value["scheme"].string();
    if (scheme == "many2many") {
      for (std::size_t i = 0; i < from.size() && !full_; ++i) {
        for (std::size_t k = 0; k < to.size() && !full_; ++k) join(prefix + from[i], prefix + to[k], link->second, value);
      }
    } else if (scheme == "one2one") {
      if (from.size() != to.size() && !from.empty() && !to.empty())
        graph_.warnings.push_back(
            fmt::format("{}: one2one joins {} ends to {}: the rest of the longer side stays without", describe_place(value), from.size(), to.size()));
      for (std::size_t i = 0; i < std::min(from.size(), to.size()); ++i) join(prefix + from[i], prefix + to[i], link->second, value);
    } else {
      value["scheme"].add_error(Error{ErrorCode::unsupported,
                                      fmt::format("scheme {}: only one2one and many2many have a meaning", p2plab::quoted(scheme)),
                                      std::nullopt,
                                      {"InfraGraph's own service refuses others, too: write the edges of a ring one by one"}});
    }
  }

  static std::string describe_place(const ConfigValue& value) { return fmt::format("{}:{}", value.where().file, value.where().line); }

  void join(const std::string& a, const std::string& b, std::size_t link, const ConfigValue& place) {
    if (a == b || full_) return;
    if (++joins_ > 20 * most_parts) {
      full_ = true;
      return place.add_error(fmt::format("edges are named more than {} times", 20 * most_parts));
    }
    const auto first = numbers_.find(a);
    const auto second = numbers_.find(b);
    if (first == numbers_.end() || second == numbers_.end()) {
      full_ = true;
      return place.add_error(fmt::format("{} is a device, whose component must be named", p2plab::quoted(first == numbers_.end() ? a : b)));
    }
    const auto ends = std::minmax(first->second, second->second);
    const auto [found, is_new] = joined_.try_emplace(std::pair{ends.first, ends.second}, graph_.edges.size());
    if (is_new) {
      graph_.edges.push_back({first->second, second->second, link});
      return limit(graph_.edges.size(), "edges", place);
    }
    auto& edge = graph_.edges[found->second];
    if (edge.link != link)
      graph_.warnings.push_back(
          fmt::format("{}: {} - {} is joined a second time: this link counts, as in InfraGraph's service", describe_place(place), a, b));
    edge.link = link;
  }

  std::vector<std::string> ends_of_device(const ConfigValue& end, const std::string& device) {
    if (!end.expect_keys({.required = {"component"}, .optional = {"device"}})) return {};
    const auto path = end["device"].present() ? end["device"].string() + "." + end["component"].string() : end["component"].string();
    return expand_path(path, device, end["component"]);
  }

  std::vector<std::string> ends_of_instance(const ConfigValue& end) {
    if (!end.expect_keys({.required = {"instance", "component"}})) return {};
    const auto text = end["instance"].string();
    const auto name = text.substr(0, text.find('['));
    const auto instance = instances_.find(name);
    if (instance == instances_.end()) {
      end["instance"].add_error(unknown_name("instance", name, names_of(instances_)));
      return {};
    }
    std::vector<std::string> all;
    const auto within = expand_path(end["component"].string(), instance->second.first, end["component"]);
    for (const auto i : indices(text, instance->second.second, end["instance"])) {
      for (const auto& one : within) all.push_back(fmt::format("{}.{}.{}", name, i, one));
    }
    return all;
  }

  // "cx5[0:2].port[0]": every combination.
  std::vector<std::string> expand_path(const std::string& path, std::string device, const ConfigValue& place) {
    std::vector<std::string> all{""};
    for (std::size_t at = 0; at <= path.size();) {
      const auto end = std::min(path.find('.', at), path.size());
      const auto element = path.substr(at, end - at);
      const auto name = element.substr(0, element.find('['));
      const auto found = devices_.find(device);
      const Component* component = nullptr;
      std::vector<std::string> known;
      for (const auto& one : found->second.components) {
        known.push_back(one.name);
        if (one.name == name) component = &one;
      }
      if (component == nullptr) {
        place.add_error(unknown_name(fmt::format("component of {}", p2plab::quoted(device)), name, known));
        return {};
      }
      std::vector<std::string> longer;
      for (const auto& before : all) {
        for (const auto i : indices(element, component->count, place)) {
          limit(longer.size(), "ends", place);
          if (full_) return {};
          longer.push_back(fmt::format("{}{}{}.{}", before, before.empty() ? "" : ".", name, i));
        }
      }
      all = std::move(longer);
      at = end + 1;
      if (at > path.size()) break;
      device = name;
      if (component->type != "device" || !devices_.contains(device)) {
        place.add_error(fmt::format("{} is no device, so nothing stands within it", p2plab::quoted(name)));
        return {};
      }
    }
    return all;
  }

  static std::vector<std::int64_t> indices(const std::string& element, std::int64_t count, const ConfigValue& place) {
    auto all = slice_of(element, count);
    if (!all) place.add_error(fmt::format("expected indices from 0 to {} as in [0], [0:2] or [0:8:2], got {}", count - 1, p2plab::quoted(element)));
    return all.value_or(std::vector<std::int64_t>{});
  }

  ConfigValue map_;
  InfraGraph graph_;
  std::map<std::string, DeviceTemplate> devices_;
  std::map<std::string, std::pair<std::string, std::int64_t>> instances_;  // device and how many
  std::unordered_map<std::string, std::size_t> numbers_;
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> joined_;
  std::int64_t joins_ = 0;  // also of what was joined before
  bool full_ = false;
};

}  // namespace

std::optional<InfraGraph> read_infragraph(const ConfigValue& root) { return InfraReader{infrastructure_of(root)}.run(); }

}  // namespace p2plab
