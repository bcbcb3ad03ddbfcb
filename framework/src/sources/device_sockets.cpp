// SPDX-License-Identifier: Apache-2.0
// NUMA nodes to sockets: with NPS (AMD) or SNC (Intel) a socket has several.
#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "sources/device_tree.h"

namespace p2plab {

namespace {

Error bad(std::string message) { return Error{ErrorCode::invalid_input, std::move(message)}; }

// Servers with GPUs have two sockets, but for the four Graces of some.
int most_sockets(const CpuModel& cpu) {
  const auto* generation = cpu_generation(cpu);
  const bool arm = generation != nullptr && (generation->names.starts_with("arm") || generation->names.starts_with("grace"));
  return arm ? 4 : 2;
}

// NUMA nodes of one server, by rising number, with the place of each among all that there are: nodes without GPUs are often left out of descriptions.
struct Server {
  std::vector<std::size_t> hosts;
  int nodes = 0;
};

Server ordered(const DeviceTree& tree, std::vector<std::size_t> hosts) {
  std::ranges::stable_sort(hosts, {}, [&](std::size_t h) { return tree.hosts[h].numa; });
  int last = 0;
  for (const auto h : hosts) last = std::max(last, tree.hosts[h].numa);
  int nodes = 1;
  while (nodes < std::max(last + 1, static_cast<int>(hosts.size()))) nodes *= 2;
  return {std::move(hosts), nodes};
}

class Assignment {
 public:
  Assignment(const DeviceTree& tree, const MachineAnswers& answers) : tree_(tree), answers_(answers) {
    sockets_.of_host.assign(tree.hosts.size(), 0);
  }

  Result<Sockets> by_gpus(const std::vector<int>& gpus) {
    const auto groups = read_groups(answers_.sockets, static_cast<int>(gpus.size()));
    if (!groups) return groups.error();
    std::vector<int> of_host(tree_.hosts.size(), -1);
    for (std::size_t g = 0; g < gpus.size(); ++g) {
      auto& socket = of_host[static_cast<std::size_t>(gpus[g])];
      if (socket >= 0 && socket != (*groups)[g]) return bad(fmt::format("sockets: gpu{} shares a NUMA node with a GPU of another socket", g));
      socket = (*groups)[g];
    }
    const int count = *std::ranges::max_element(*groups) + 1;
    for (std::size_t h = 0; h < of_host.size(); ++h) sockets_.of_host[h] = of_host[h] < 0 ? 0 : of_host[h];
    sockets_.count = count;
    sockets_.values.push_back({.what = "sockets", .value = answers_.sockets, .origin = Origin::read, .source = "--machine sockets"});
    return sockets_;
  }

  Result<Sockets> by_numbers() {
    std::map<std::string, std::vector<std::size_t>> servers;
    for (std::size_t h = 0; h < tree_.hosts.size(); ++h) servers[tree_.hosts[h].machine].push_back(h);
    int answered = 0;
    if (!answers_.sockets.empty()) {
      std::from_chars(answers_.sockets.data(), answers_.sockets.data() + answers_.sockets.size(), answered);
      if (answered < 1) return bad("sockets: a server has at least one");
    }
    for (const auto& host : tree_.hosts) {  // servers in order of appearance
      const auto found = servers.find(host.machine);
      if (found == servers.end()) continue;
      assign(ordered(tree_, std::move(found->second)), answered);
      servers.erase(found);
    }
    return sockets_;
  }

 private:
  void assign(const Server& server, int answered) {
    const auto count = static_cast<int>(server.hosts.size());
    const int most = most_sockets(tree_.hosts[server.hosts.front()].cpu);
    const bool several_each = answered == 0 && !tree_.sockets_known && count > most;
    const int sockets = answered > 0 ? std::min(answered, count) : several_each ? most : count;
    for (int i = 0; i < count; ++i) {
      const auto host = server.hosts[static_cast<std::size_t>(i)];
      const int number = tree_.hosts[host].numa;
      const bool by_number = sockets < count && number >= 0;
      sockets_.of_host[host] = sockets_.count + (by_number ? number * sockets / server.nodes : i * sockets / count);
    }
    sockets_.count += sockets;
    if (several_each) {
      sockets_.values.push_back(
          {.what = "sockets",
           .value = fmt::format("{} of {} NUMA nodes each", sockets, server.nodes / sockets),
           .origin = Origin::assumed,
           .source = fmt::format("{} NUMA nodes are more than the {} sockets that servers with GPUs have (NPS, SNC)", count, most),
           .key = "sockets"});
    } else if (answered > 0) {
      sockets_.values.push_back({.what = "sockets", .value = answers_.sockets, .origin = Origin::read, .source = "--machine sockets"});
    }
  }

  const DeviceTree& tree_;
  const MachineAnswers& answers_;
  Sockets sockets_;
};

}  // namespace

Result<std::vector<int>> read_groups(const std::string& text, int gpus) {
  std::vector<int> group(static_cast<std::size_t>(gpus), -1);
  int number = 0;
  for (std::size_t at = 0; at <= text.size(); ++number) {
    const auto end = std::min(text.find('|', at), text.size());
    for (auto from = at; from < end || from == at;) {
      const auto comma = std::min(text.find(',', from), end);
      int first = -1;
      auto [stop, fault] = std::from_chars(text.data() + from, text.data() + comma, first);
      int last = first;
      if (fault == std::errc{} && stop != text.data() + comma && *stop == '-') {
        const auto more = std::from_chars(stop + 1, text.data() + comma, last);
        stop = more.ptr;
        fault = more.ec;
      }
      if (fault != std::errc{} || stop != text.data() + comma || first < 0 || last < first || last >= gpus) {
        return bad(fmt::format("expected groups of GPUs from 0 to {} as in 0-1|2-3, got '{}'", gpus - 1, text.substr(0, 60)));
      }
      for (int g = first; g <= last; ++g) {
        if (group[static_cast<std::size_t>(g)] >= 0) return bad(fmt::format("GPU {} is in two groups of '{}'", g, text));
        group[static_cast<std::size_t>(g)] = number;
      }
      from = comma + 1;
    }
    at = end + 1;
  }
  const auto missing = std::ranges::find(group, -1);
  if (missing != group.end()) return bad(fmt::format("GPU {} is in no group of '{}'", missing - group.begin(), text));
  return group;
}

Result<Sockets> find_sockets(const DeviceTree& tree, const std::vector<int>& gpus, const MachineAnswers& answers) {
  Assignment assignment(tree, answers);
  const bool groups = answers.sockets.find_first_of("|-,") != std::string::npos;
  return groups ? assignment.by_gpus(gpus) : assignment.by_numbers();
}

}  // namespace p2plab
