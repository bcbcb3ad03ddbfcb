// SPDX-License-Identifier: Apache-2.0
// NCCL's topology file: the plan's machine as NCCL shall see it (NCCL_TOPO_FILE).
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

constexpr int most_elements_a_rank = 256;
constexpr double nvlink_lane_gbps = 25;  // from Volta to Hopper; Blackwell has 50

constexpr double counted_share = 12 / 15.754;  // what NCCL counts of PCIe: 12 GB/s of 16 lanes of 8 GT/s; machines may be given so

Error topo_cannot(const std::string& what) { return Error{ErrorCode::unsupported, "NCCL topology: " + what}; }

// A speed of PCIe that gives a link's bandwidth: the reader multiplies transfers by lanes.
struct PcieSpeed {
  const char* name;
  double lane_gbps;
};
constexpr std::array pcie_speeds{PcieSpeed{"2.5 GT/s PCIe", 0.25},
                                 PcieSpeed{"5.0 GT/s PCIe", 0.5},
                                 PcieSpeed{"8.0 GT/s PCIe", 8 * 128.0 / 130 / 8},
                                 PcieSpeed{"16.0 GT/s PCIe", 16 * 128.0 / 130 / 8},
                                 PcieSpeed{"32.0 GT/s PCIe", 32 * 128.0 / 130 / 8},
                                 PcieSpeed{"64.0 GT/s PCIe", 64 * 242.0 / 256 / 8}};

class TopoWriter {
 public:
  explicit TopoWriter(const Topology& topology) : topology_(topology) {}

  Result<std::string> run() {
    for (std::size_t n = 0; n < topology_.nodes().size(); ++n) {
      const NodeId node{static_cast<std::int64_t>(n)};
      const auto kind = topology_.node(node).kind;
      if (kind == NodeKind::network_switch) return topo_cannot("the machine has a network; NCCL joins servers itself, from a file of each");
      if (kind == NodeKind::host) hosts_.push_back(node);
      if (kind == NodeKind::gpu || kind == NodeKind::pcie_switch || kind == NodeKind::nic)
        bus_ids_[node] = fmt::format("0000:{:02x}:00.0", bus_ids_.size() + 1);
    }
    if (hosts_.empty()) return topo_cannot("the machine has no host, under which NCCL wants every GPU; give its PCIe");
    if (bus_ids_.size() > 255) return topo_cannot(fmt::format("{} devices; 255 bus numbers can be given", bus_ids_.size()));
    auto system = document_.append_child("system");
    set(system, "version", "1");
    for (std::size_t h = 0; h < hosts_.size(); ++h) {
      auto cpu = system.append_child("cpu");
      set(cpu, "numaid", fmt::format("{}", h));
      for (const auto& [name, value] :
           {std::pair{"affinity", "ffffffff"}, {"arch", "x86_64"}, {"vendor", "GenuineIntel"}, {"familyid", "6"}, {"modelid", "143"}})
        set(cpu, name, value);
      add_children(cpu, hosts_[h]);
    }
    for (int r = 0; r < topology_.ranks(); ++r) {
      if (!placed_.contains(topology_.node_of(Rank{r}))) return topo_cannot(fmt::format("no PCIe path leads from rank {} to a host", r));
    }
    if (error_) return *std::move(error_);
    if (elements_ > most_elements_a_rank * topology_.ranks())
      return topo_cannot(fmt::format("{} XML elements; at most {} for each GPU are read", elements_, most_elements_a_rank));
    std::ostringstream text;
    document_.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);
    return text.str();
  }

 private:
  static void set(pugi::xml_node node, const char* name, const std::string& value) { node.append_attribute(name).set_value(value.c_str()); }

  // What hangs at a host or a bridge by PCIe: a tree, each device where it is met first.
  void add_children(pugi::xml_node parent, NodeId node) {
    for (const auto id : topology_.out_links(node)) {
      const auto& link = topology_.link(id);
      const auto found = bus_ids_.find(link.to);
      if (link.kind != LinkKind::pcie || found == bus_ids_.end() || !placed_.insert(link.to).second) continue;
      auto pci = parent.append_child("pci");
      ++elements_;
      const auto kind = topology_.node(link.to).kind;
      const bool gpu = kind == NodeKind::gpu;
      set(pci, "busid", found->second);
      set(pci, "class", gpu ? "0x030200" : (kind == NodeKind::nic ? "0x020000" : "0x060400"));
      set(pci, "vendor", gpu ? "0x10de" : "0x1000");
      set(pci, "device", "0x0000");
      set(pci, "subsystem_vendor", "0x0000");
      set(pci, "subsystem_device", "0x0000");
      set_speed(pci, link);
      if (gpu) add_gpu(pci, link.to);
      if (kind == NodeKind::nic) add_nic(pci, link.to);
      add_children(pci, link.to);
    }
  }

  void set_speed(pugi::xml_node pci, const Link& link) {
    for (const int width : {16, 8, 4, 2, 1}) {
      for (const auto& speed : pcie_speeds) {
        const double gbps = speed.lane_gbps * width;
        const double counted = gbps * counted_share;
        if (std::abs(gbps - link.bandwidth.gbps()) > 0.02 * gbps && std::abs(counted - link.bandwidth.gbps()) > 0.02 * counted) continue;
        set(pci, "link_speed", speed.name);
        set(pci, "link_width", fmt::format("{}", width));
        return;
      }
    }
    fail(fmt::format("{} GB/s of PCIe to {} is no generation and width that the file can say", link.bandwidth.gbps(), topology_.node(link.to).name));
  }

  void add_gpu(pugi::xml_node pci, NodeId node) {
    const auto rank = *topology_.rank_of(node);
    auto gpu = pci.append_child("gpu");
    ++elements_;
    set(gpu, "dev", fmt::format("{}", rank.value));
    set(gpu, "sm", fmt::format("{}", sm_of(node)));
    set(gpu, "rank", fmt::format("{}", rank.value));
    set(gpu, "gdr", "1");
    std::map<NodeId, std::int64_t> lanes;
    for (const auto id : topology_.out_links(node)) {
      const auto& link = topology_.link(id);
      if (link.kind != LinkKind::nvlink) continue;
      const double lane = sm_of(node) >= 100 ? 2 * nvlink_lane_gbps : nvlink_lane_gbps;
      const auto count = std::llround(link.bandwidth.gbps() / lane);
      if (count < 1 || std::abs(link.bandwidth.gbps() - static_cast<double>(count) * lane) > 0.01 * lane)
        fail(fmt::format("{} GB/s of NVLink at {} is not a multiple of {} GB/s, which a lane has", link.bandwidth.gbps(), topology_.node(node).name,
                         lane));
      lanes[link.to] += count;
    }
    for (const auto& [to, count] : lanes) {
      const bool direct = topology_.node(to).kind == NodeKind::gpu;
      auto nvlink = gpu.append_child("nvlink");
      ++elements_;
      set(nvlink, "target", direct ? bus_ids_.at(to) : std::string("fffffff:ff:ff.0"));
      set(nvlink, "count", fmt::format("{}", count));
      set(nvlink, "tclass", direct ? "0x030200" : "0x068000");
    }
  }

  // The file must say what the machine does not: the oldest generation with so much NVLink.
  int sm_of(NodeId node) const {
    double nvlink = 0;
    for (const auto id : topology_.out_links(node)) nvlink += topology_.link(id).kind == LinkKind::nvlink ? topology_.link(id).bandwidth.gbps() : 0;
    if (nvlink > 450) return 100;
    if (nvlink > 300) return 90;
    return nvlink > 150 ? 80 : 70;
  }

  void add_nic(pugi::xml_node pci, NodeId) {
    auto nic = pci.append_child("nic");
    auto net = nic.append_child("net");
    elements_ += 2;
    const auto number = nets_++;
    set(net, "name", fmt::format("net{}", number));
    set(net, "dev", fmt::format("{}", number));
    set(net, "port", "1");
    set(net, "latency", "0");
    set(net, "guid", fmt::format("{:#x}", number + 1));
    set(net, "maxconn", "131072");
    set(net, "gdr", "1");
  }

  void fail(const std::string& what) {
    if (!error_) error_ = topo_cannot(what);
  }

  const Topology& topology_;
  pugi::xml_document document_;
  std::vector<NodeId> hosts_;
  std::map<NodeId, std::string> bus_ids_;
  std::set<NodeId> placed_;
  std::optional<Error> error_;
  int elements_ = 1;
  int nets_ = 0;
};

class NcclTopo final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto text = TopoWriter{*job.topology}.run();
    if (!text) return text.error();
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    auto text = TopoWriter{*job.topology}.run();
    if (!text) return std::move(text).error();
    return std::vector<ExportedFile>{{"", *std::move(text)}};
  }
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override { return write(jobs.front()); }
  std::string extension() const override { return ".xml"; }
  std::string how_to_load(const std::string& files) const override {
    return "NCCL: NCCL_TOPO_FILE=" + files +
           "; bus ids and compute capabilities are made up: on a real machine put those of NCCL_TOPO_DUMP_FILE in their place";
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> nccl_topo() {
  return {"nccl-topo", "the plan's machine as NCCL's topology (XML; NCCL_TOPO_FILE)", {}, [] { return std::make_unique<NcclTopo>(); }};
}
}  // namespace exporters

}  // namespace p2plab
