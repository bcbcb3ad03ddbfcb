// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "p2plab/base/error.h"
#include "sources/link_rates.h"
#include "sources/smi_matrix.h"

namespace p2plab {

namespace {

// What the text does not tell about a GPU (NVIDIA's data sheets). The PCIe figure is the transfer rate of its 16 lanes in GT/s.
struct GpuModel {
  std::string_view name;
  int lanes;
  int compute_capability;
  double pcie;
};
constexpr std::array models{GpuModel{"p100", 4, 60, 8},    GpuModel{"v100", 6, 70, 8},     GpuModel{"t4", 0, 75, 8},
                            GpuModel{"a100", 12, 80, 16},  GpuModel{"a800", 8, 80, 16},    GpuModel{"a10", 0, 86, 16},
                            GpuModel{"a40", 4, 86, 16},    GpuModel{"a6000", 4, 86, 16},   GpuModel{"rtx3090", 4, 86, 16},
                            GpuModel{"l40s", 0, 89, 16},   GpuModel{"rtx4090", 0, 89, 16}, GpuModel{"h100", 18, 90, 32},
                            GpuModel{"h800", 8, 90, 32},   GpuModel{"h20", 18, 90, 32},    GpuModel{"h200", 18, 90, 32},
                            GpuModel{"b200", 18, 100, 32}, GpuModel{"gb200", 18, 100, 32}, GpuModel{"b300", 18, 103, 64}};
constexpr int most_lanes = 18;  // of any GPU so far

// Numbers sets of devices that are joined step by step.
class Sets {
 public:
  explicit Sets(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), std::size_t{0}); }
  std::size_t of(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) { parent_[std::max(of(a), of(b))] = std::min(of(a), of(b)); }  // the lowest member names the set

 private:
  std::vector<std::size_t> parent_;
};

// GPUs that NVLinks join, in order.
struct Island {
  std::vector<std::size_t> gpus;
  bool switched = false;
  int most_per_pair = 0;
  int most_per_gpu = 0;  // lanes to all others together
};

class SmiMachineBuilder {
 public:
  SmiMachineBuilder(const SmiMatrix& matrix, const SmiOptions& options)
      : matrix_(matrix),
        options_(options),
        builder_(matrix.name),
        leaves_(matrix.cells.size()),
        uppers_(matrix.cells.size()),
        hosts_(matrix.cells.size()) {}

  Result<Imported> run() {
    if (auto ok = find_model(); !ok) return std::move(ok).error();
    find_islands();
    if (model_ == nullptr) guess_model();
    for (std::size_t i = 0; i < matrix_.cells.size(); ++i) add_device(i);
    for (const auto& island : islands_) add_nvlinks(island);
    add_pcie();
    auto topology = std::move(builder_).build();
    if (!topology) return std::move(topology).error();
    return Imported{*std::move(topology), std::move(warnings_)};
  }

 private:
  Status find_model() {
    if (options_.gpu.empty()) return {};
    const auto found = std::ranges::find(models, options_.gpu, &GpuModel::name);
    if (found != models.end()) {
      model_ = &*found;
      return {};
    }
    std::vector<std::string> names;
    for (const auto& model : models) names.emplace_back(model.name);
    return unknown_name("gpu", options_.gpu, names);
  }

  int lanes(std::size_t a, std::size_t b) const { return matrix_.cells[a][b].lanes; }

  void find_islands() {
    Sets joined(matrix_.gpus);
    for (std::size_t a = 0; a < matrix_.gpus; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (lanes(a, b) > 0) joined.join(a, b);
      }
    }
    std::map<std::size_t, Island> by_first;
    for (std::size_t i = 0; i < matrix_.gpus; ++i) by_first[joined.of(i)].gpus.push_back(i);
    for (auto& [first, island] : by_first) {
      if (island.gpus.size() > 1) islands_.push_back(judged(std::move(island)));
    }
  }

  // Direct or through switches? See import_smi.
  Island judged(Island island) {
    bool complete = true;
    for (const auto a : island.gpus) {
      int total = 0;
      for (const auto b : island.gpus) {
        complete = complete && (a == b || lanes(a, b) > 0);
        total += lanes(a, b);
        island.most_per_pair = std::max(island.most_per_pair, lanes(a, b));
      }
      island.most_per_gpu = std::max(island.most_per_gpu, total);
    }
    const int available = model_ != nullptr ? model_->lanes : most_lanes;
    const bool too_many = island.most_per_gpu > available;
    const bool no_board_has_it = model_ == nullptr && island.gpus.size() > 2 && island.most_per_pair >= 8;
    island.switched = complete && island.gpus.size() > 2 && (too_many || no_board_has_it);
    const int needed = island.switched ? island.most_per_pair : island.most_per_gpu;
    if (needed > available) warnings_.push_back(fmt::format("GPU{} has {} lanes, more than the {} expected", island.gpus.front(), needed, available));
    if (model_ == nullptr && !island.switched && complete && island.gpus.size() == 3 && island.most_per_pair == 6) {
      warnings_.emplace_back(
          "three GPUs with 6 lanes a pair are taken as joined directly; three V100 behind NVSwitches look the same: name the GPU to be sure");
    }
    return island;
  }

  void guess_model() {
    int needed = 0;
    bool pairs = true;
    for (const auto& island : islands_) {
      needed = std::max(needed, island.switched ? island.most_per_pair : island.most_per_gpu);
      pairs = pairs && island.gpus.size() == 2;
    }
    const auto* name = needed > 12 ? "h100" : needed > 6 ? "a100" : needed == 0 ? "a10" : needed == 4 && pairs ? "a6000" : "v100";
    model_ = &*std::ranges::find(models, name, &GpuModel::name);
    const auto rates = needed > 0 ? fmt::format("{} GB/s a lane, ", nvlink_lane(model_->compute_capability).gbps()) : "";
    warnings_.push_back(fmt::format("the text does not name the GPU: {}PCIe of {} GT/s assumed, as of {}", rates, model_->pcie, name));
  }

  void add_device(std::size_t i) {
    const bool gpu = i < matrix_.gpus;
    nodes_.push_back(builder_.add_node(
        {.name = gpu ? fmt::format("gpu{}", i) : fmt::format("nic{}", i - matrix_.gpus), .kind = gpu ? NodeKind::gpu : NodeKind::nic}));
  }

  Bandwidth nvlink(int count) const { return Bandwidth::bytes_per_second(nvlink_lane(model_->compute_capability).bytes_per_second() * count); }

  void add_nvlinks(const Island& island) {
    const auto latency = default_latency(LinkKind::nvlink);
    if (island.switched) {
      const auto hub = builder_.add_node({.name = fmt::format("nvswitch{}", switches_++), .kind = NodeKind::nvswitch});
      for (const auto a : island.gpus) {
        // A GPU that has lost a lane shows fewer to everybody; the others show fewer to it alone.
        int most = 0;
        for (const auto b : island.gpus) most = std::max(most, lanes(a, b));
        builder_.add_duplex(nodes_[a], hub, LinkKind::nvlink, nvlink(most), latency);
      }
      return;
    }
    for (const auto a : island.gpus) {
      for (const auto b : island.gpus) {
        if (a < b && lanes(a, b) > 0) builder_.add_duplex(nodes_[a], nodes_[b], LinkKind::nvlink, nvlink(lanes(a, b)), latency);
      }
    }
  }

  void join_by_words() {
    for (std::size_t a = 0; a < matrix_.cells.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const auto path = matrix_.cells[a][b].path;
        if (path == SmiPath::pix) leaves_.join(a, b);
        if (path == SmiPath::pix || path == SmiPath::pxb) uppers_.join(a, b);
        if (path != SmiPath::nvlink && path != SmiPath::sys) hosts_.join(a, b);
      }
    }
    // NV# hides how two GPUs meet on PCIe; then their NUMA nodes tell.
    std::map<std::string, std::size_t> first;
    for (std::size_t i = 0; i < matrix_.gpus; ++i) hosts_.join(i, first.emplace(matrix_.numa[i], i).first->second);
    if (std::ranges::find(matrix_.numa, std::string{}) != matrix_.numa.end()) {
      warnings_.emplace_back("the NUMA node of some GPUs is not in the text: they are put at one host");
    }
  }

  // One switch for a set of devices that share a single bridge, one above it for those several bridges join, one host for a NUMA node.
  void add_pcie() {
    join_by_words();
    std::map<std::size_t, int> devices_below;
    std::map<std::size_t, int> leaves_below;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      ++devices_below[leaves_.of(i)];
      if (leaves_.of(i) == i) ++leaves_below[uppers_.of(i)];
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      auto place = nodes_[i];
      if (const auto leaf = leaves_.of(i); devices_below[leaf] > 1 && !attach(leaf_nodes_, leaf, place)) continue;
      if (const auto upper = uppers_.of(i); leaves_below[upper] > 1 && !attach(upper_nodes_, upper, place)) continue;
      const auto [host, is_new] = host_nodes_.try_emplace(hosts_.of(i));
      if (is_new) host->second = builder_.add_node({.name = fmt::format("host{}", host_nodes_.size() - 1), .kind = NodeKind::host});
      builder_.add_duplex(place, host->second, LinkKind::pcie, pcie(), default_latency(LinkKind::pcie));
    }
    for (auto a = host_nodes_.begin(); a != host_nodes_.end(); ++a) {
      for (auto b = std::next(a); b != host_nodes_.end(); ++b) {
        builder_.add_duplex(a->second, b->second, LinkKind::upi, unknown_socket_rate, default_latency(LinkKind::upi));
      }
    }
    if (host_nodes_.size() > 1) warnings_.emplace_back("the text does not name the CPUs: 10 GB/s between sockets assumed");
  }

  Bandwidth pcie() const { return *pcie_rate(model_->pcie, 16); }

  // Joins `place` to the switch of its set and moves there; false if that switch was there before, so the way up from it is, too.
  bool attach(std::map<std::size_t, NodeId>& switches, std::size_t set, NodeId& place) {
    const auto [found, is_new] = switches.try_emplace(set);
    if (is_new) found->second = builder_.add_node({.name = fmt::format("pcie{}", bridges_++), .kind = NodeKind::pcie_switch});
    builder_.add_duplex(place, found->second, LinkKind::pcie, pcie(), default_latency(LinkKind::pcie));
    place = found->second;
    return is_new;
  }

  const SmiMatrix& matrix_;
  const SmiOptions& options_;
  Topology::Builder builder_;
  const GpuModel* model_ = nullptr;
  std::vector<Island> islands_;
  std::vector<NodeId> nodes_;  // by device
  Sets leaves_;
  Sets uppers_;
  Sets hosts_;
  std::map<std::size_t, NodeId> leaf_nodes_;
  std::map<std::size_t, NodeId> upper_nodes_;
  std::map<std::size_t, NodeId> host_nodes_;
  int bridges_ = 0;
  int switches_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace

Result<Imported> build_machine(const SmiMatrix& matrix, const SmiOptions& options) { return SmiMachineBuilder{matrix, options}.run(); }

}  // namespace p2plab
