// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "p2plab/base/sets.h"
#include "p2plab/machine/topology_view.h"
#include "sources/texts/smi_matrix.h"

namespace p2plab {

namespace {

// Several nodes or none are no place of a GPU: "0-1", "0,8,252-255".
std::string one_node(const std::string& text) { return text.find_first_of("-,") == std::string::npos ? text : std::string{}; }

// The number at the start of "3", "0-15,32-47"; -1 if there is none.
int first_number(const std::string& text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class SocketFinder {
 public:
  explicit SocketFinder(const SmiMatrix& matrix) : matrix_(matrix), sets_(matrix.gpus), numa_(matrix.numa), cpus_(matrix.cpus) {}

  SmiSockets run() {
    std::ranges::transform(numa_, numa_.begin(), one_node);
    join_by_words();
    drop_numbers_that_tell_nothing();
    join_by_numbers();
    std::map<std::size_t, std::vector<std::size_t>> parts;
    for (std::size_t i = 0; i < matrix_.gpus; ++i) parts[sets_.of(i)].push_back(i);
    const bool numbered = std::ranges::all_of(parts, [&](const auto& part) { return number_of(part.second) >= 0; });
    sockets_.of_gpu.assign(matrix_.gpus, 0);
    const bool alone = parts.size() == matrix_.gpus;  // SYS between any two
    if (!numbered && (parts.size() > 2 || (alone && same_for_all_))) return untold();
    for (const auto& [first, gpus] : parts) {
      for (const auto gpu : gpus) sockets_.of_gpu[gpu] = static_cast<int>(sockets_.hosts.size());
      sockets_.hosts.push_back({.machine = "0", .numa = numbered ? number_of(gpus) : -1});
    }
    if (!by_node_numbers(parts)) number_by_order();
    sockets_.known = parts.size() <= 2;
    note_node();
    return std::move(sockets_);
  }

 private:
  const SmiCell& cell(std::size_t a, std::size_t b) const { return matrix_.cells[a][b]; }

  void join_by_words() {
    for (std::size_t a = 0; a < matrix_.gpus; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (cell(a, b).path != SmiPath::nvlink && cell(a, b).path != SmiPath::sys) sets_.join(a, b);
      }
    }
  }

  // All GPUs at the same CPUs, and SYS between some: a job's CPUs, a container's, a virtual machine's or those of all nodes. Then words tell more.
  void drop_numbers_that_tell_nothing() {
    const auto key = [&](std::size_t i) -> const std::string& { return numa_[i].empty() ? cpus_[i] : numa_[i]; };
    for (std::size_t i = 0; i < matrix_.gpus; ++i) {
      if (key(i).empty() || key(i) != key(0)) return;
    }
    for (std::size_t a = 0; a < matrix_.gpus; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        if (cell(a, b).path != SmiPath::sys || same_for_all_) continue;
        same_for_all_ = true;
        sockets_.warnings.push_back(
            fmt::format("{} between gpu{} and gpu{}, but all GPUs show the same CPUs or NUMA nodes: these tell nothing", cell(a, b).word, b, a));
      }
    }
    if (!same_for_all_) return;
    numa_.assign(matrix_.gpus, {});
    cpus_.assign(matrix_.gpus, {});
  }

  // NV# hides how two GPUs meet on PCIe; then their NUMA nodes tell, or their CPUs.
  void join_by_numbers() {
    std::map<std::string, std::size_t> first;
    std::vector<std::string> odd;
    for (std::size_t i = 0; i < matrix_.gpus; ++i) {
      const auto& key = numa_[i].empty() ? cpus_[i] : numa_[i];
      if (key.empty()) continue;
      const auto [other, is_new] = first.emplace(key, i);
      if (is_new) continue;
      if (cell(i, other->second).path == SmiPath::sys)
        odd.push_back(fmt::format("{} between gpu{} and gpu{}", cell(i, other->second).word, other->second, i));
      sets_.join(i, other->second);
    }
    if (!odd.empty()) sockets_.warnings.push_back(fmt::format("{}, but one NUMA node or the same CPUs: the numbers are believed", odd.front()));
    hidden_by_nvlink();
  }

  // Without numbers, GPUs that only NV# joins are at one host.
  void hidden_by_nvlink() {
    bool any = false;
    for (std::size_t a = 0; a < matrix_.gpus; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        const bool unknown = numa_[a].empty() && cpus_[a].empty() && numa_[b].empty() && cpus_[b].empty();
        if (!unknown || cell(a, b).path != SmiPath::nvlink || sets_.of(a) == sets_.of(b)) continue;
        sets_.join(a, b);
        any = true;
      }
    }
    if (any) sockets_.warnings.emplace_back("the NUMA node of some GPUs is not in the text: they are put at one host");
  }

  // The NUMA node of a part, by its lowest number; by its first CPU where the text has no nodes.
  int number_of(const std::vector<std::size_t>& gpus) const {
    int least = -1;
    for (const auto gpu : gpus) {
      const int number = first_number(numa_[gpu].empty() ? cpus_[gpu] : numa_[gpu]);
      if (number >= 0 && (least < 0 || number < least)) least = number;
    }
    return least;
  }

  template <class Parts>
  bool by_node_numbers(const Parts& parts) const {
    return std::ranges::all_of(parts, [&](const auto& part) { return !numa_[part.second.front()].empty(); });
  }

  // First CPUs are no numbers of NUMA nodes, but their order is.
  void number_by_order() {
    std::vector<int> numbers;
    for (const auto& host : sockets_.hosts) numbers.push_back(host.numa);
    std::ranges::sort(numbers);
    for (auto& host : sockets_.hosts) {
      if (host.numa >= 0) host.numa = static_cast<int>(std::ranges::find(numbers, host.numa) - numbers.begin());
    }
  }

  SmiSockets untold() {
    sockets_.hosts = {{.machine = "0"}};
    sockets_.known = true;
    sockets_.values.push_back({.what = "sockets",
                               .value = "one, for all GPUs",
                               .origin = Origin::assumed,
                               .source = same_for_all_
                                             ? "SYS between GPUs, but the same CPUs or NUMA node for all, so which share a socket cannot be told"
                                             : "SYS between GPUs and no numbers of NUMA nodes or CPUs, so which share a socket cannot be told",
                               .key = "sockets"});
    return std::move(sockets_);
  }

  // NODE passes two host bridges, which may cost bandwidth and latency; no text tells how much.
  void note_node() {
    std::vector<std::string> gpus;
    for (std::size_t a = 0; a < matrix_.gpus; ++a) {
      const auto& row = matrix_.cells[a];  // network interfaces come after the GPUs
      if (std::any_of(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(matrix_.gpus),
                      [](const SmiCell& one) { return one.path == SmiPath::node; }))
        gpus.push_back(fmt::format("gpu{}", a));
    }
    if (gpus.empty()) return;
    sockets_.values.push_back(
        {.what = fmt::format("NODE between {}", short_names(gpus)),
         .value = "as fast as PHB",
         .origin = Origin::assumed,
         .source = "such a way passes two host bridges of a socket, and no text tells what that costs: p2plab bench measures it"});
  }

  const SmiMatrix& matrix_;
  Sets sets_;
  std::vector<std::string> numa_;  // by GPU, where it tells something
  std::vector<std::string> cpus_;
  bool same_for_all_ = false;
  SmiSockets sockets_;
};

}  // namespace

Result<SmiSockets> smi_sockets(const SmiMatrix& matrix, const MachineAnswers& answers) {
  if (answers.sockets.find_first_of("|-,") == std::string::npos) return SocketFinder(matrix).run();
  const auto groups = read_groups(answers.sockets, static_cast<int>(matrix.gpus));
  if (!groups) return groups.error();
  SmiSockets sockets{.hosts = {}, .of_gpu = *groups, .known = true};
  for (int i = 0; i <= *std::ranges::max_element(*groups); ++i) sockets.hosts.push_back({.machine = "0", .numa = i});
  return sockets;
}

}  // namespace p2plab
