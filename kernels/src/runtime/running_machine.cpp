// SPDX-License-Identifier: Apache-2.0
#include "runtime/running_machine.h"

#include <algorithm>

#include <fmt/format.h>

namespace p2plab::runtime {

namespace {

// Ranks in order, each as one line.
Result<std::vector<std::string>> lines_of_all(const std::string& mine, const Gather& gather) {
  const auto all = gather(mine);
  if (!all) return all.error();
  std::vector<std::string> lines;
  for (const auto& text : *all) {
    for (std::size_t at = 0; at < text.size();) {
      const auto end = std::min(text.find('\n', at), text.size());
      lines.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  }
  return lines;
}

// Where only one of two processes sees the other's GPU, what it sees holds for both.
void complete(std::vector<std::vector<device::Reach>>& reach) {
  for (std::size_t a = 0; a < reach.size(); ++a) {
    for (std::size_t b = 0; b < reach.size(); ++b) {
      if (reach[a][b] == device::Reach::unseen) reach[a][b] = reach[b][a];
    }
  }
}

// Whatever is called alike elsewhere is another GPU.
void part(std::vector<std::vector<device::Reach>>& reach, const Servers& servers) {
  for (std::size_t a = 0; a < reach.size(); ++a) {
    for (std::size_t b = 0; b < reach.size(); ++b) {
      if (servers.of[a] != servers.of[b]) reach[a][b] = device::Reach::none;
    }
  }
}

}  // namespace

Servers servers_by(const std::vector<std::string>& said) {
  Servers servers{.of = std::vector<int>(said.size()), .ranks = {}};
  for (std::size_t r = 0; r < said.size(); ++r) {
    const auto first = static_cast<std::size_t>(std::ranges::find(said, said[r]) - said.begin());
    if (first == r) servers.ranks.emplace_back();
    servers.of[r] = first == r ? servers.count() - 1 : servers.of[first];
    servers.ranks[static_cast<std::size_t>(servers.of[r])].push_back(Rank{static_cast<std::int64_t>(r)});
  }
  return servers;
}

Result<RunningMachine> look_around(const std::vector<GpuPrograms::Here>& here, const Servers& servers, const Gather& gather) {
  std::string mine;
  for (const auto& [rank, device] : here) {
    const auto bus = device::bus_id(device);
    const auto name = device::name(device);
    if (!bus || !name) return bus ? name.error() : bus.error();
    mine += *bus + " " + *name + "\n";
  }
  const auto gpus = lines_of_all(mine, gather);
  if (!gpus) return gpus.error();
  RunningMachine machine;
  for (const auto& line : *gpus) {
    const auto space = std::min(line.find(' '), line.size());
    machine.buses.push_back(line.substr(0, space));
    machine.gpus.push_back(line.substr(std::min(space + 1, line.size())));
  }
  std::string row;
  for (const auto& [rank, device] : here) {
    for (const auto& bus : machine.buses) row += static_cast<char>('0' + static_cast<int>(device::reach(device, bus)));
    row += '\n';
  }
  const auto rows = lines_of_all(row, gather);
  if (!rows) return rows.error();
  for (const auto& text : *rows) {
    if (text.size() != gpus->size() || rows->size() != gpus->size() || text.find_first_not_of("0123") != std::string::npos)
      return Error{ErrorCode::device_failure, fmt::format("'{}' is not what a rank sees of {} GPUs", text, gpus->size())};
    auto& to = machine.reach.emplace_back();
    for (const char digit : text) to.push_back(static_cast<device::Reach>(digit - '0'));
  }
  complete(machine.reach);
  part(machine.reach, servers);
  machine.servers = servers;
  return machine;
}

}  // namespace p2plab::runtime
