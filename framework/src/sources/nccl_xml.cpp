// SPDX-License-Identifier: Apache-2.0
// NCCL topology XML to a DeviceTree. pugixml stays in this file; it neither expands entities nor follows references.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "p2plab/detail/text.h"
#include "p2plab/machine/gpu_kind.h"
#include "sources/device_tree.h"

namespace p2plab {

namespace {

constexpr Bytes longest_xml = 4_MiB;
constexpr int deepest_element = 64;
constexpr std::size_t most_devices = 10'000;
constexpr std::size_t most_hosts = 256;

class XmlReader {
 public:
  XmlReader(std::string_view text, const std::string& filename) : text_(text), filename_(filename) {}

  Result<DeviceTree> run() {
    tree_.name = std::filesystem::path{filename_}.stem().string();
    tree_.source = filename_;
    if (tree_.name.empty() || first_binary_byte(tree_.name) < tree_.name.size()) tree_.name = "imported";
    pugi::xml_document document;
    const auto parsed = document.load_buffer(text_.data(), text_.size(), pugi::parse_default | pugi::parse_doctype, pugi::encoding_utf8);
    if (!parsed)
      return at(static_cast<std::size_t>(std::max<std::ptrdiff_t>(parsed.offset, 0)), fmt::format("not valid XML: {}", parsed.description()));
    int systems = 0;
    for (const auto& element : document.children()) {
      if (element.type() == pugi::node_doctype) return at(element, "a document type is not allowed here: NCCL's files have none");
      if (element.type() != pugi::node_element) continue;
      if (std::string_view{element.name()} == "graphs") return graph_file(element);
      if (std::string_view{element.name()} != "system") return at(element, fmt::format("expected <system>, found <{}>", shown(element.name())));
      if (auto ok = read_system(element, systems++); !ok) return std::move(ok).error();
    }
    name_gpus();
    if (systems == 0) return Error{ErrorCode::invalid_input, "no <system> element: this is no NCCL topology file", SourceLocation{filename_}};
    return std::move(tree_);
  }

 private:
  static std::string shown(std::string_view name) {
    const auto text = quoted(name);
    return text.substr(1, text.size() - 2);
  }
  Error at(std::size_t offset, std::string message) const { return {ErrorCode::invalid_input, std::move(message), locate(text_, offset, filename_)}; }
  Error at(const pugi::xml_node& node, std::string message) const {
    return at(static_cast<std::size_t>(std::max<std::ptrdiff_t>(node.offset_debug(), 0)), std::move(message));
  }

  Error graph_file(const pugi::xml_node& element) const {
    auto error = at(element, "this is an NCCL graph file: the rings and trees that NCCL chose, not the machine");
    error.notes.push_back(fmt::format("p2plab import {} --topology MACHINE makes its rings or chains a plan, proved", filename_));
    error.notes.emplace_back("NCCL writes the machine, a <system>, to the file that NCCL_TOPO_DUMP_FILE names");
    return error;
  }

  // A whole number in an attribute, decimal or, as NCCL's reader takes it, 0x and hexadecimal; `fallback` if it is not there.
  Result<int> integer(const pugi::xml_node& node, const char* name, int fallback, int most) const {
    const std::string_view text = node.attribute(name).value();
    if (text.empty()) return fallback;
    int value = 0;
    const bool hexadecimal = text.starts_with("0x") && text.size() > 2;
    const auto [end, fault] = std::from_chars(text.data() + (hexadecimal ? 2 : 0), text.data() + text.size(), value, hexadecimal ? 16 : 10);
    if (fault == std::errc{} && end == text.data() + text.size() && value >= -1 && value <= most) return value;
    return at(node, fmt::format("{} of <{}> must be a whole number up to {}, got {}", name, shown(node.name()), most, quoted(text)));
  }

  Status read_system(const pugi::xml_node& system, int number) {
    for (const auto& cpu : system.children("cpu")) {
      if (tree_.hosts.size() == most_hosts) return at(cpu, fmt::format("more than {} <cpu> elements", most_hosts));
      const auto family = integer(cpu, "familyid", 0, 1 << 20);
      if (!family) return family.error();
      const auto model = integer(cpu, "modelid", 0, 1 << 20);
      if (!model) return model.error();
      const auto numa = integer(cpu, "numaid", -1, 1 << 20);
      if (!numa) return numa.error();
      NumaNode host{.machine = fmt::format("{} {}", number, cpu.attribute("host_hash").value()),
                    .system = number,
                    .cpu = {cpu.attribute("arch").value(), cpu.attribute("vendor").value(), *family, *model},
                    .numa = *numa};
      tree_.hosts.push_back(std::move(host));
      if (auto ok = read_children(cpu, -1, 0); !ok) return ok;
    }
    return {};
  }

  Status read_children(const pugi::xml_node& parent, int parent_index, int depth) {
    if (depth == deepest_element) return at(parent, fmt::format("nested deeper than {} levels", deepest_element));
    for (const auto& child : parent.children()) {
      const std::string_view name = child.name();
      if (name == "pci") {
        if (auto ok = read_pci(child, parent_index, depth); !ok) return ok;
      } else if (name == "nic" && std::string_view{parent.name()} == "cpu") {
        Device nic{.kind = DeviceKind::nic, .bus_id = {}, .host = host(), .on_pcie = false};
        if (auto ok = read_nic(child, nic); !ok) return ok;
        tree_.devices.push_back(std::move(nic));
      }
    }
    return {};
  }

  // By the devices that PCI's list of ids names.
  void name_gpus() {
    for (const auto& device : pci_devices_) {
      if (auto value = gpu_source(gpu_of_pci_device(device), Origin::known, fmt::format("PCI device {}", device)))
        tree_.values.push_back(*std::move(value));
      if (pci_devices_.size() == 1) tree_.model = known_gpu_model(gpu_of_pci_device(device));
    }
  }

  int host() const { return static_cast<int>(tree_.hosts.size()) - 1; }

  Status read_pci(const pugi::xml_node& pci, int parent, int depth) {
    const auto kind = kind_of(pci);
    if (!kind) {
      if (std::string_view{pci.attribute("class").value()}.empty()) ++tree_.unknown_devices;
      return {};
    }
    if (tree_.devices.size() == most_devices) return at(pci, fmt::format("more than {} devices", most_devices));
    Device device{.kind = *kind, .bus_id = lower(pci.attribute("busid").value()), .host = host(), .parent = parent};
    if (device.bus_id.empty()) return at(pci, "<pci> has no busid");
    const auto width = integer(pci, "link_width", 0, 1024);
    if (!width) return width.error();
    device.transfers = transfer_rate(pci.attribute("link_speed").value());
    device.width = *width;
    if (const auto rate = pcie_rate(device.transfers, *width > 0 ? *width : 16)) {
      device.pcie = *width > 0 ? Sourced{*rate, Origin::read, filename_} : Sourced{*rate,
                                                                                   Origin::assumed,
                                                                                   "the file gives no number of lanes, 16 as in NCCL",
                                                                                   "pcie_width",
                                                                                   Bandwidth::bytes_per_second(rate->bytes_per_second() / 4),
                                                                                   *rate};
    }
    if (*kind == DeviceKind::bridge)
      device.known_switch = switch_of_pci(lower(pci.attribute("vendor").value()), lower(pci.attribute("device").value()));
    for (const auto& link : pci.children("pcilink")) device.peer_bridges.push_back(lower(link.attribute("target").value()));
    if (auto ok = read_nic(pci.child("nic"), device); !ok) return ok;
    const auto behind = *kind == DeviceKind::bridge ? static_cast<int>(tree_.devices.size()) : parent;
    if (auto ok = add_gpus(pci, std::move(device)); !ok) return ok;
    return read_children(pci, behind, depth + 1);
  }

  // A device as often as it has <gpu> elements: a GPU may be several ranks (MLOPart), which share its port and its NVLinks.
  Status add_gpus(const pugi::xml_node& pci, Device device) {
    const auto count = std::ranges::distance(pci.children("gpu"));
    if (count > 0) pci_devices_.insert(lower(pci.attribute("device").value()));
    int part = 0;
    for (const auto& gpu : pci.children("gpu")) {
      if (tree_.devices.size() == most_devices) return at(pci, fmt::format("more than {} devices", most_devices));
      auto one = device;
      one.part = count > 1 ? part++ : -1;
      if (auto ok = read_gpu(gpu, one); !ok) return ok;
      tree_.devices.push_back(std::move(one));
    }
    if (count == 0) tree_.devices.push_back(std::move(device));
    return {};
  }

  // What a device is, by its content first, then by its PCI class; none if it moves no data between GPUs or cannot be known.
  static std::optional<DeviceKind> kind_of(const pugi::xml_node& pci) {
    constexpr std::array<std::string_view, 4> gpu_classes{"0x0300", "0x0302", "0x0380", "0x1200"};
    const std::string_view pci_class = pci.attribute("class").value();
    const std::string_view vendor = pci.attribute("vendor").value();
    const bool makes_gpus = vendor.empty() || vendor == "0x10de" || vendor == "0x1002";  // a server's own display is no GPU
    if (pci.child("gpu")) return DeviceKind::gpu;
    if (pci.child("nic")) return DeviceKind::nic;
    if (pci.child("pci") || pci_class.starts_with("0x0604")) return DeviceKind::bridge;
    if (pci_class.starts_with("0x02")) return DeviceKind::nic;
    if (makes_gpus && std::ranges::find(gpu_classes, pci_class.substr(0, 6)) != gpu_classes.end()) return DeviceKind::gpu;
    return std::nullopt;
  }

  // "32.0 GT/s PCIe", "16 GT/s"; 0 if there is no number.
  static double transfer_rate(std::string_view text) {
    double value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    return fault == std::errc{} && std::string_view{end, static_cast<std::size_t>(text.data() + text.size() - end)}.starts_with(" GT/s") ? value : 0;
  }

  static std::string lower(std::string_view text) {
    std::string result{text};
    for (auto& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return result;
  }

  Status read_nic(const pugi::xml_node& nic, Device& device) const {
    for (const auto& net : nic.children("net")) {
      const auto speed = integer(net, "speed", 0, 100'000'000);  // in Mbit/s
      if (!speed) return speed.error();
      constexpr int assumed = 10'000;  // as NCCL does where the speed is missing, 0 or -1
      device.network_assumed = device.network_assumed || *speed <= 0;
      device.network += Bandwidth::bytes_per_second(std::int64_t{*speed > 0 ? *speed : assumed} * 125'000);
    }
    return {};
  }

  Status read_gpu(const pugi::xml_node& gpu, Device& device) const {
    if (!gpu) return {};
    device.has_gpu_element = true;
    const auto dev = integer(gpu, "dev", -1, 1 << 20);
    if (!dev) return dev.error();
    const auto rank = integer(gpu, "rank", -1, 1 << 24);
    if (!rank) return rank.error();
    const auto capability = integer(gpu, "sm", 0, 10'000);
    if (!capability) return capability.error();
    device.dev = *dev;
    device.rank = *rank;
    device.target_name = gpu.attribute("gcn").value();
    if (*capability > 0 && device.target_name.empty()) device.compute_capability = *capability;
    for (const auto& child : gpu.children()) {
      const std::string_view name = child.name();
      if (name != "nvlink" && name != "xgmi" && name != "c2c") continue;
      const auto count = integer(child, "count", 1, 1000);
      if (!count) return count.error();
      if (name == "c2c") {
        const auto rate = integer(child, "bw", 0, 100'000'000);  // MB/s each
        if (!rate) return rate.error();
        if (*rate > 0 && *count > 0)
          device.chip_to_chip = Sourced{Bandwidth::bytes_per_second(std::int64_t{*rate} * *count * 1'000'000), Origin::read, filename_};
        continue;
      }
      if (*count < 1) return at(child, fmt::format("<{}> has no links: its count is {}", name, *count));
      device.fabric_links.push_back({lower(child.attribute("target").value()), child.attribute("tclass").value(), *count, name == "xgmi"});
    }
    return {};
  }

  std::string_view text_;
  const std::string& filename_;
  DeviceTree tree_;
  std::set<std::string> pci_devices_;  // of GPUs
};

// A file without <gpu> elements, as clouds give it, has no NVLinks: they are asked for, and taken from the answers.
void add_answered_nvlinks(DeviceTree& tree, const MachineAnswers& answers) {
  if (std::ranges::any_of(tree.devices, &Device::has_gpu_element)) return;
  const auto* model = known_gpu_model(answers.gpu);
  const int links = answers.nvlinks > 0 ? answers.nvlinks : model != nullptr ? model->links : 0;
  SourcedValue value{.what = "NVLink", .value = "none", .origin = Origin::read, .source = "--machine nvswitch"};
  if (!answers.nvswitch) {
    value.origin = Origin::assumed;
    value.source = "the file has no <gpu> elements, so NVLinks are not in it (NCCL finds them when it runs)";
    value.key = "nvswitch";
  } else if (*answers.nvswitch && links > 0) {
    value.value = fmt::format("{} of each GPU to NVSwitches", links);
    value.source = answers.nvlinks > 0 ? "--machine nvswitch, nvlinks" : fmt::format("--machine nvswitch; table of GPUs: {}", model->title);
    for (auto& device : tree.devices) {
      if (device.kind != DeviceKind::gpu) continue;
      if (model != nullptr && model->compute_capability > 0) device.compute_capability = model->compute_capability;
      device.fabric_links.push_back({"fffffff:ff:ff.0", "0x068000", links, false});
    }
  }
  tree.values.push_back(std::move(value));
}

}  // namespace

Result<Imported> import_nccl_xml(std::string_view text, const std::string& filename, const MachineAnswers& answers) {
  const auto in_file = [&](std::string message) { return Error{ErrorCode::invalid_input, std::move(message), SourceLocation{filename}}; };
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (static_cast<std::int64_t>(text.size()) > longest_xml.count()) return in_file("the file is longer than 4 MiB");
  if (const auto byte = first_binary_byte(text); byte < text.size())
    return in_file(fmt::format("this is not a text file: byte {} is not text", byte));
  auto tree = XmlReader{text, filename}.run();
  if (!tree) return std::move(tree).error();
  add_answered_nvlinks(*tree, answers);
  auto imported = build_machine(*tree, answers);
  if (imported || imported.error().where) return imported;
  auto error = std::move(imported).error();
  error.where = SourceLocation{filename};
  return error;
}

Result<Imported> load_nccl_xml(const std::string& path, const MachineAnswers& answers) {
  auto text = read_text_file(path, longest_xml);
  if (!text) return std::move(text).error();
  return import_nccl_xml(*text, path, answers);
}

}  // namespace p2plab
