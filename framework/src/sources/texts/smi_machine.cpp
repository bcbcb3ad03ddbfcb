// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "p2plab/base/error.h"
#include "p2plab/base/sets.h"
#include "p2plab/machine/gpu_kind.h"
#include "p2plab/machine/topology_view.h"
#include "sources/texts/smi_matrix.h"

namespace p2plab {

namespace {

constexpr int most_lanes = 18;  // of any GPU so far

// GPUs that NVLinks join, in order.
struct Island {
  std::vector<std::size_t> gpus;
  bool switched = false;
  int most_per_pair = 0;
  int most_per_gpu = 0;  // NVLinks to all others together
};

std::string bus_id(std::size_t gpu) { return fmt::format("gpu{}", gpu); }

class SmiTreeBuilder {
 public:
  SmiTreeBuilder(const SmiMatrix& matrix, const MachineAnswers& answers) : matrix_(matrix), answers_(answers) {}

  Result<DeviceTree> run() {
    tree_ = {.name = matrix_.name, .source = matrix_.source};
    if (!answers_.gpu.empty()) {
      auto model = find_gpu_model(answers_.gpu);
      if (!model) return std::move(model).error();
      model_ = *model;
    } else if (!matrix_.gpu.empty()) {
      auto names = named_gpus(matrix_);
      model_ = names.model;
      own_ = std::move(names.own);
      tree_.warnings = std::move(names.warnings);
      if (!matrix_.several_models) gpus_named_ = gpu_source(matrix_.gpu, Origin::read, matrix_.gpu_source);
    }
    auto sockets = smi_sockets(matrix_, answers_);
    if (!sockets) return std::move(sockets).error();
    sockets_ = *std::move(sockets);
    tree_.hosts = sockets_.hosts;
    tree_.sockets_known = sockets_.known;
    tree_.values = sockets_.values;
    if (gpus_named_) tree_.values.push_back(*gpus_named_);
    tree_.warnings.insert(tree_.warnings.end(), sockets_.warnings.begin(), sockets_.warnings.end());
    find_islands();
    named_ = model_ != nullptr;
    if (!named_) guess_model();
    add_bridges();
    for (std::size_t i = 0; i < matrix_.gpus; ++i) add_gpu(i);
    for (std::size_t i = matrix_.gpus; i < matrix_.cells.size(); ++i) add_nic(i);
    for (std::size_t a = 0; a < matrix_.gpus; ++a) {
      for (std::size_t b = 0; b < matrix_.gpus; ++b) tree_.words.push_back(matrix_.cells[a][b].word);
    }
    note_missing_nvlinks();
    if (named_) tree_.model = model_;
    tree_.peers = matrix_.peers;
    tree_.peers_source = matrix_.peers_source;
    for (const auto& unused : matrix_.unused) tree_.warnings.push_back(unused);
    return std::move(tree_);
  }

 private:
  int nvlinks(std::size_t a, std::size_t b) const { return matrix_.cells[a][b].nvlinks; }
  SmiPath path(std::size_t a, std::size_t b) const { return matrix_.cells[a][b].path; }

  void find_islands() {
    Sets joined(matrix_.gpus);
    for (std::size_t a = 0; a < matrix_.gpus; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (nvlinks(a, b) > 0) joined.join(a, b);
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
        complete = complete && (a == b || nvlinks(a, b) > 0);
        total += nvlinks(a, b);
        island.most_per_pair = std::max(island.most_per_pair, nvlinks(a, b));
      }
      island.most_per_gpu = std::max(island.most_per_gpu, total);
    }
    const int available = answers_.nvlinks > 0 ? answers_.nvlinks : model_ != nullptr ? model_->links : most_lanes;
    const bool too_many = island.most_per_gpu > available;
    const bool no_board_has_it = model_ == nullptr && island.gpus.size() > 2 && island.most_per_pair >= 8;
    island.switched = answers_.nvswitch.value_or(complete && island.gpus.size() > 2 && (too_many || no_board_has_it));
    const int needed = island.switched ? island.most_per_pair : island.most_per_gpu;
    if (needed > available)
      tree_.warnings.push_back(fmt::format("GPU{} has {} NVLinks, more than the {} expected", island.gpus.front(), needed, available));
    if (model_ == nullptr && !answers_.nvswitch && !island.switched && complete && island.gpus.size() == 3 && island.most_per_pair == 6) {
      tree_.values.push_back({.what = "NVLink",
                              .value = "three GPUs joined directly, 6 NVLinks a pair",
                              .origin = Origin::assumed,
                              .source = "three V100 behind NVSwitches look the same",
                              .key = "nvswitch"});
    }
    return island;
  }

  void guess_model() {
    needed_ = 0;
    bool pairs = true;
    for (const auto& island : islands_) {
      needed_ = std::max(needed_, island.switched ? island.most_per_pair : island.most_per_gpu);
      pairs = pairs && island.gpus.size() == 2;
    }
    model_ = known_gpu_model(needed_ > 12 ? "h100" : needed_ > 6 ? "a100" : needed_ == 0 ? "a10" : needed_ == 4 && pairs ? "a6000" : "v100");
  }

  Sourced known_or_guessed(Bandwidth rate, Bandwidth least, Bandwidth most) const {
    if (named_) return {rate, Origin::known, fmt::format("table of GPUs: {}", model_->title)};
    return {rate, Origin::assumed, fmt::format("the text does not name the GPU, as of {}", model_->title), "gpu", least, most};
  }

  Sourced pcie() const {
    if (answers_.pcie > Bandwidth{}) return {answers_.pcie, Origin::read, "--machine pcie"};
    return pcie_of_model(*model_, known_or_guessed(pcie_rate(*model_), *pcie_rate(8, 8), *pcie_rate(32, 16)));
  }
  // A GPU that is no PCIe device (GB10) says nothing of what is beside it.
  static Sourced pcie_of_model(const GpuModel& model, const Sourced& rate) {
    if (model.pcie_lanes > 0) return rate;
    return {*pcie_rate(8, 16), Origin::assumed,   fmt::format("{} has no PCIe, 8 GT/s and 16 lanes as in NCCL", model.title), "pcie",
            *pcie_rate(8, 1),  *pcie_rate(32, 16)};
  }
  Sourced pcie_of(std::size_t gpu) const {
    const auto* own = gpu < own_.size() ? own_[gpu] : nullptr;
    if (own == nullptr || answers_.pcie > Bandwidth{}) return pcie();
    return pcie_of_model(*own, {pcie_rate(*own), Origin::known, fmt::format("table of GPUs: {}", own->title)});
  }
  Sourced link_rate() const { return known_or_guessed(GBps(model_->link), GBps(needed_ > 12 ? 25 : 14.0625), GBps(needed_ > 12 ? 50 : 25)); }

  // One switch for GPUs that share a single bridge, one above it for those that several bridges join.
  void add_bridges() {
    Sets leaves(matrix_.gpus);
    Sets uppers(matrix_.gpus);
    for (std::size_t a = 0; a < matrix_.gpus; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (path(a, b) == SmiPath::pix) leaves.join(a, b);
        if (path(a, b) == SmiPath::pix || path(a, b) == SmiPath::pxb) uppers.join(a, b);
      }
    }
    std::map<std::size_t, int> gpus_below;
    std::map<std::size_t, int> leaves_below;
    for (std::size_t i = 0; i < matrix_.gpus; ++i) {
      ++gpus_below[leaves.of(i)];
      if (leaves.of(i) == i) ++leaves_below[uppers.of(i)];
    }
    parents_.assign(matrix_.gpus, -1);
    std::map<std::size_t, int> upper_bridges;
    std::map<std::size_t, int> leaf_bridges;
    for (std::size_t i = 0; i < matrix_.gpus; ++i) {
      const auto upper = uppers.of(i);
      const auto leaf = leaves.of(i);
      if (leaves_below[upper] > 1) parents_[i] = bridge(upper_bridges, upper, i, -1);
      if (gpus_below[leaf] > 1) parents_[i] = bridge(leaf_bridges, leaf, i, parents_[i]);
    }
  }

  int bridge(std::map<std::size_t, int>& bridges, std::size_t set, std::size_t gpu, int parent) {
    const auto [found, is_new] = bridges.try_emplace(set, static_cast<int>(tree_.devices.size()));
    if (is_new) {
      tree_.devices.push_back({.kind = DeviceKind::bridge,
                               .bus_id = fmt::format("bridge{}", tree_.devices.size()),
                               .host = sockets_.of_gpu[gpu],
                               .parent = parent,
                               .pcie = pcie()});
    }
    return found->second;
  }

  void add_gpu(std::size_t i) {
    Device gpu{.kind = DeviceKind::gpu,
               .bus_id = bus_id(i),
               .host = sockets_.of_gpu[i],
               .parent = parents_[i],
               .pcie = pcie_of(i),
               .has_gpu_element = true,
               .dev = static_cast<int>(i),
               .rank = static_cast<int>(i)};
    if (model_->compute_capability > 0) gpu.compute_capability = model_->compute_capability;
    gpu.link_rate = link_rate();
    if (model_->chip_to_chip > 0) gpu.chip_to_chip = known_or_guessed(GBps(model_->chip_to_chip), {}, {});
    for (const auto& island : islands_) {
      if (std::ranges::find(island.gpus, i) == island.gpus.end()) continue;
      // A GPU that has lost an NVLink shows fewer to everybody; the others show fewer to it alone.
      int most = 0;
      for (const auto b : island.gpus) {
        most = std::max(most, nvlinks(i, b));
        if (!island.switched && nvlinks(i, b) > 0) gpu.fabric_links.push_back({bus_id(b), "0x030200", nvlinks(i, b), false});
      }
      if (island.switched) gpu.fabric_links.push_back({"fffffff:ff:ff.0", "0x068000", most, false});
    }
    if (const auto left = lanes_to_cpu(i); left > 0)
      gpu.chip_to_chip = {GBps(left * model_->link), Origin::known, "POWER8 and 9: the NVLinks that lead to no GPU lead to the CPU"};
    tree_.devices.push_back(std::move(gpu));
  }

  // What a GPU at a POWER CPU has left for it.
  int lanes_to_cpu(std::size_t gpu) const {
    const auto cpu = answers_.cpu.empty() ? nullptr : *find_cpu_generation(answers_.cpu);
    if (!named_ || cpu == nullptr || !(cpu->names.starts_with("power8") || cpu->names.starts_with("power9"))) return 0;
    int shown = 0;
    for (std::size_t other = 0; other < matrix_.gpus; ++other) shown += nvlinks(gpu, other);
    return std::max(model_->links - shown, 0);
  }

  // A network interface hangs where its nearest GPU does; it adds no way between GPUs.
  void add_nic(std::size_t i) {
    std::optional<std::size_t> nearest;
    for (std::size_t g = 0; g < matrix_.gpus; ++g) {
      if (path(i, g) != SmiPath::sys && (!nearest || path(i, g) < path(i, *nearest))) nearest = g;
    }
    if (!nearest) return;
    const bool at_switch = path(i, *nearest) == SmiPath::pix || path(i, *nearest) == SmiPath::pxb;
    tree_.devices.push_back({.kind = DeviceKind::nic,
                             .bus_id = fmt::format("nic{}", i - matrix_.gpus),
                             .host = sockets_.of_gpu[*nearest],
                             .parent = at_switch ? parents_[*nearest] : -1,
                             .pcie = pcie()});
  }

  void note_missing_nvlinks() {
    if (!named_ || model_->links == 0 || matrix_.gpus < 2) return;
    std::vector<std::string> without;
    for (std::size_t i = 0; i < matrix_.gpus; ++i) {
      const bool shows = std::ranges::any_of(matrix_.cells[i], [](const SmiCell& one) { return one.nvlinks > 0; });
      if (!shows && lanes_to_cpu(i) == 0) without.push_back(bus_id(i));
    }
    note_fewer_nvlinks();
    if (without.empty()) return;
    tree_.warnings.push_back(
        fmt::format("{} has {} NVLinks, but {} shows none: nothing bridges it, its links are down, or this is the text of 'topo -mp', "
                    "which leaves NVLink out (nvidia-smi nvlink -s says more)",
                    model_->title, model_->links, short_names(without)));
  }

  // GPUs that all lost a link look alike: only their model tells.
  void note_fewer_nvlinks() {
    std::map<int, std::vector<std::string>> fewer;  // by what is shown
    for (const auto& island : islands_) {
      for (const auto gpu : island.gpus) {
        int shown = 0;
        for (const auto peer : island.gpus) shown = island.switched ? std::max(shown, nvlinks(gpu, peer)) : shown + nvlinks(gpu, peer);
        if (shown < model_->links && lanes_to_cpu(gpu) == 0) fewer[shown].push_back(bus_id(gpu));
      }
    }
    for (const auto& [shown, gpus] : fewer)
      tree_.warnings.push_back(
          fmt::format("{} has {} NVLinks, but {} shows {}: a bridge that sits badly, a link that is down, or links that lead to no "
                      "other GPU (nvidia-smi nvlink -s says more)",
                      model_->title, model_->links, short_names(gpus), shown));
  }

  const SmiMatrix& matrix_;
  const MachineAnswers& answers_;
  DeviceTree tree_;
  const GpuModel* model_ = nullptr;
  bool named_ = false;
  std::vector<const GpuModel*> own_ = {};  // by GPU, where the text names it
  std::optional<SourcedValue> gpus_named_;
  int needed_ = most_lanes;
  SmiSockets sockets_;
  std::vector<Island> islands_;
  std::vector<int> parents_;  // by GPU: its bridge
};

}  // namespace

Result<Imported> build_machine(const SmiMatrix& matrix, const MachineAnswers& answers) {
  const auto tree = SmiTreeBuilder(matrix, answers).run();
  if (!tree) return tree.error();
  return build_machine(*tree, answers);
}

}  // namespace p2plab
