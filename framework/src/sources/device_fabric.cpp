// SPDX-License-Identifier: Apache-2.0
#include "sources/device_fabric.h"

#include <algorithm>

#include <fmt/format.h>

#include "p2plab/base/sets.h"
#include "p2plab/detail/text.h"

namespace p2plab {

namespace {

// Several links to one end add up.
void join(std::optional<Sourced>& sum, const Sourced& value) {
  if (!sum) {
    sum = value;
    return;
  }
  for (auto part : {&Sourced::rate, &Sourced::least, &Sourced::most}) (*sum).*part += value.*part;
}

}  // namespace

DeviceFabric::DeviceFabric(const DeviceTree& tree, const std::vector<std::size_t>& gpus, const MachineAnswers& answers)
    : tree_(tree), gpus_(gpus), answers_(answers) {
  for (const auto gpu : gpus)
    by_bus_id_.emplace(std::pair{tree.hosts[static_cast<std::size_t>(tree.devices[gpu].host)].machine, tree.devices[gpu].bus_id}, gpu);
  for (const auto gpu : gpus) ends_[gpu] = ends_of(gpu);
}

std::size_t DeviceFabric::rank(std::size_t gpu) const { return static_cast<std::size_t>(std::ranges::find(gpus_, gpu) - gpus_.begin()); }
std::string DeviceFabric::name(std::size_t gpu) const { return fmt::format("gpu{}", rank(gpu)); }

std::string DeviceFabric::domain_of(std::size_t gpu) const {
  const auto& device = tree_.devices[gpu];
  const auto& host = tree_.hosts[static_cast<std::size_t>(device.host)];
  // NCCL writes the GPUs of several servers into one file only where one NVLink domain holds them, which began with Hopper.
  return device.compute_capability.value_or(0) >= 90 ? fmt::format("system {}", host.system) : host.machine;
}

Sourced DeviceFabric::rate(const Device& gpu, const DeviceLinks& links) const {
  const auto times = [&](Sourced one) {
    for (auto* value : {&one.rate, &one.least, &one.most}) *value = Bandwidth::bytes_per_second(value->bytes_per_second() * links.count);
    return one;
  };
  if (answers_.nvlink > Bandwidth{}) return times({answers_.nvlink, Origin::read, "--machine nvlink"});
  if (gpu.link_rate) return times(*gpu.link_rate);
  if (links.xgmi)
    return times({xgmi_link(gpu.target_name), Origin::known, fmt::format("xGMI links of {}, AMD's data sheets", quoted(gpu.target_name))});
  if (const auto* model = known_gpu_model(answers_.gpu); model != nullptr && model->links > 0) {
    return times({GBps(model->link), Origin::known, fmt::format("table of GPUs: {}", model->title)});
  }
  if (!gpu.compute_capability) {
    return times({nvlink_lane(90), Origin::assumed, "a GPU with NVLinks has no compute capability (sm)", "gpu", GBps(14.0625), nvlink_lane(100)});
  }
  const int capability = *gpu.compute_capability;
  return times({nvlink_lane(capability), Origin::known, fmt::format("NVLinks of compute capability {}.{}", capability / 10, capability % 10)});
}

DeviceFabric::Ends DeviceFabric::ends_of(std::size_t gpu) {
  Ends ends;
  const auto& device = tree_.devices[gpu];
  const auto& machine = tree_.hosts[static_cast<std::size_t>(device.host)].machine;
  for (const auto& links : device.fabric_links) {
    const auto value = rate(device, links);
    const auto peer = by_bus_id_.find({machine, links.target});
    if (peer != by_bus_id_.end() && peer->second != gpu) {
      ends.direct.push_back({peer->second, value, links.xgmi});
    } else if (links.target_class.starts_with("0x068001")) {
      join(ends.to_host, value);
    } else if (links.target_class.starts_with("0x0680") || links.target.starts_with("fffffff")) {
      join(ends.to_switch, value);
    } else {
      const auto why = peer != by_bus_id_.end() ? "itself" : fmt::format("{}, which is no GPU of this file", quoted(links.target));
      warnings_.push_back(fmt::format("{} links of {} lead to {}: left out", links.count, name(gpu), why));
    }
  }
  std::ranges::stable_sort(ends.direct, {}, [&](const Direct& one) { return rank(one.peer); });
  if (device.chip_to_chip) join(ends.to_host, *device.chip_to_chip);
  return ends;
}

bool DeviceFabric::joins_all() const {
  if (gpus_.size() < 2) return false;
  Sets joined(tree_.devices.size());
  std::map<std::string, std::size_t> domains;
  for (const auto gpu : gpus_) {
    const auto& ends = ends_.at(gpu);
    for (const auto& direct : ends.direct) joined.join(gpu, direct.peer);
    if (ends.to_switch) joined.join(gpu, domains.emplace(domain_of(gpu), gpu).first->second);
  }
  return std::ranges::all_of(gpus_, [&](std::size_t gpu) { return joined.of(gpu) == joined.of(gpus_.front()); });
}

bool DeviceFabric::joins(std::size_t a, std::size_t b) const {
  const auto& ends = ends_.at(a);
  if (std::ranges::find(ends.direct, b, &Direct::peer) != ends.direct.end()) return true;
  return ends.to_switch && ends_.at(b).to_switch && domain_of(a) == domain_of(b);
}

void DeviceFabric::add_direct(std::size_t gpu, Topology::Builder& builder, const std::vector<NodeId>& nodes, SourceList& sources) const {
  for (const auto& [peer, value, xgmi] : ends_.at(gpu).direct) {
    const auto kind = xgmi ? LinkKind::other : LinkKind::nvlink;
    const auto latency = xgmi ? xgmi_latency : direct_nvlink_latency;
    const auto& back = ends_.at(peer).direct;
    const auto reverse = std::ranges::find(back, gpu, &Direct::peer);
    const bool one_each = reverse != back.end() && reverse->value.rate == value.rate && std::ranges::count(back, gpu, &Direct::peer) == 1 &&
                          std::ranges::count(ends_.at(gpu).direct, peer, &Direct::peer) == 1;
    if (one_each && rank(peer) < rank(gpu)) continue;  // added with its other direction
    std::vector<LinkId> links{builder.add_link({nodes[gpu], nodes[peer], kind, value.rate, latency})};
    if (one_each) links.push_back(builder.add_link({nodes[peer], nodes[gpu], kind, value.rate, latency}));
    sources.add(xgmi ? "xGMI" : "NVLink", fmt::format("{} - {}", name(gpu), name(peer)), value, links);
    sources.add_latency(xgmi ? "xGMI" : "NVLink", latency, xgmi ? Origin::assumed : Origin::known,
                        xgmi ? "no figure is published" : "microsoft/TE-CCL and TACCL, NDv2");
  }
}

void DeviceFabric::add_links(Topology::Builder& builder, const std::vector<NodeId>& nodes, SourceList& sources,
                             std::vector<std::string>& warnings) const {
  warnings.insert(warnings.end(), warnings_.begin(), warnings_.end());
  std::map<std::string, NodeId> switches;
  for (const auto gpu : gpus_) {
    if (!ends_.at(gpu).to_switch || switches.contains(domain_of(gpu))) continue;
    const auto number = switches.size();
    switches[domain_of(gpu)] = builder.add_node({.name = fmt::format("nvswitch{}", number), .kind = NodeKind::nvswitch});
  }
  std::map<std::size_t, std::vector<LinkId>> ports;
  for (const auto gpu : gpus_) {
    const auto& ends = ends_.at(gpu);
    add_direct(gpu, builder, nodes, sources);
    if (!ends.to_switch) continue;
    const auto hub = switches.at(domain_of(gpu));
    const auto latency = nvswitch_latency(tree_.devices[gpu].compute_capability.value_or(0));
    ports[gpu] = {builder.add_link({nodes[gpu], hub, LinkKind::nvlink, ends.to_switch->rate, latency})};
    ports[gpu].push_back(builder.add_link({hub, nodes[gpu], LinkKind::nvlink, ends.to_switch->rate, latency}));
    sources.add("NVLink", name(gpu), *ends.to_switch, ports[gpu]);
    const bool published = latency != nvswitch_latency(0);
    sources.add_latency("NVLink to an NVSwitch", latency, published ? Origin::known : Origin::assumed,
                        published ? "tables/link_rates.h: measured on H200, or microsoft/TE-CCL" : "no figure is published for this generation");
  }
  add_parts(builder, nodes, sources, ports);
}

// Ranks that are parts of one GPU share its NVLinks and reach each other within it.
void DeviceFabric::add_parts(Topology::Builder& builder, const std::vector<NodeId>& nodes, SourceList& sources,
                             const std::map<std::size_t, std::vector<LinkId>>& ports) const {
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> whole;
  for (const auto gpu : gpus_) {
    const auto& device = tree_.devices[gpu];
    if (device.part >= 0) whole[{tree_.hosts[static_cast<std::size_t>(device.host)].machine, device.bus_id}].push_back(gpu);
  }
  for (auto& [bus, parts] : whole) {
    std::erase_if(parts, [&](std::size_t part) { return !ports.contains(part); });  // those without links to a switch share none
    if (parts.size() < 2) continue;
    const auto rate = ends_.at(parts.front()).to_switch->rate;
    for (std::size_t direction = 0; direction < 2; ++direction) {
      LinkGroup group{fmt::format("NVLinks of {}{}", bus.second, direction == 0 ? " out" : " in"), rate, {}};
      for (const auto part : parts) group.links.push_back(ports.at(part)[direction]);
      builder.add_group(std::move(group));
    }
    for (std::size_t a = 0; a < parts.size(); ++a) {
      for (std::size_t b = a + 1; b < parts.size(); ++b) {
        const auto there = builder.add_link({nodes[parts[a]], nodes[parts[b]], LinkKind::other, rate, xgmi_latency});
        const auto back = builder.add_link({nodes[parts[b]], nodes[parts[a]], LinkKind::other, rate, xgmi_latency});
        sources.add(
            "between parts of one GPU", fmt::format("{} - {}", name(parts[a]), name(parts[b])),
            {rate, Origin::assumed, "how fast ranks of one GPU reach each other is not told, at least as fast as its NVLinks", "", rate, GBps(8000)},
            {there, back});
      }
    }
  }
}

Error no_gpus(const DeviceTree& tree) {
  Error error{ErrorCode::invalid_input, "no GPU can be recognised: no device has a <gpu> element or a GPU's PCI class"};
  if (tree.unknown_devices > 0) error.message += fmt::format(" ({} devices have no class at all)", tree.unknown_devices);
  error.notes.emplace_back("NCCL fills such a file in when it runs: set NCCL_TOPO_DUMP_FILE on the machine and import what it writes");
  return error;
}

}  // namespace p2plab
