// SPDX-License-Identifier: Apache-2.0
// What all calls together must move, whoever plans them. Data that is added up on its way is counted once: a block must leave a set of GPUs in which
// somebody contributes to it if somebody outside gets it, and enter it likewise.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/bounds/bounds.h"
#include "p2plab/experiment/process_groups.h"
#include "p2plab/machine/cuts.h"
#include "p2plab/machine/fabric.h"
#include "p2plab/machine/mask.h"
#include "p2plab/segments/servers.h"
#include "plan/collective_bound.h"

namespace p2plab {

namespace {

constexpr std::size_t most_servers = 64;  // whose cuts are looked for

struct Moved {
  std::vector<bool> gives;  // by rank
  std::vector<bool> gets;
  double bytes = 0;
  double received = 0;  // by all GPUs together, at least
};

// A sum of c contributions takes c - 1 transfers to where one of them lies, and goes on from there.
double transfers_of(const Block& block, const Moved& moved) {
  const bool at_home = std::ranges::any_of(block.receivers, [&](Rank rank) { return moved.gives[rank.index()]; });
  const auto sums = static_cast<double>(block.contributors.size()) - (at_home ? 1 : 0);
  return sums + static_cast<double>(block.receivers.size()) - 1;
}

std::vector<Moved> all_moved(const Topology& topology, const std::vector<GroupCall>& calls) {
  std::vector<Moved> all;
  const auto ranks = static_cast<std::size_t>(topology.ranks());
  for (const auto& call : calls) {
    for (const auto& group : call.groups) {
      const auto blocks = contract(collective_of(call, group), topology.ranks());
      if (!blocks) continue;
      std::int64_t shares = 0;
      for (const auto& block : *blocks) shares += block.share;
      for (const auto& block : *blocks) {
        if (block.contributors.empty() || block.receivers.empty()) continue;
        Moved one{std::vector<bool>(ranks), std::vector<bool>(ranks), 0, 0};
        // Blocks are whole elements, so the smallest may be one short.
        const auto elements = call.payload.elements * block.share / std::max<std::int64_t>(shares, 1);
        one.bytes = static_cast<double>(elements * size_of(call.payload.type));
        for (const auto rank : block.contributors) one.gives[rank.index()] = true;
        for (const auto rank : block.receivers) one.gets[rank.index()] = true;
        one.received = one.bytes * transfers_of(block, one);
        all.push_back(std::move(one));
      }
    }
  }
  return all;
}

class AllBound {
 public:
  AllBound(const Topology& topology, const std::vector<GroupCall>& calls, bool relays)
      : topology_(topology), calls_(calls), relays_(relays), moved_(all_moved(topology, calls)) {}

  std::pair<Seconds, std::string> run(const std::function<bool()>& stop) {
    each_alone(stop);
    const auto own = degrees(topology_);
    Bandwidth into_all{};
    double received = 0;
    std::vector<bool> takes_part(own.size());
    for (const auto& one : moved_) {
      received += one.received;
      for (std::size_t r = 0; r < own.size(); ++r) takes_part[r] = takes_part[r] || one.gives[r] || one.gets[r];
    }
    for (std::size_t r = 0; r < own.size(); ++r) {
      if (takes_part[r]) into_all = into_all + own[r].in;
      const std::vector<Rank> alone{Rank{static_cast<std::int64_t>(r)}};
      const auto& name = topology_.node(topology_.node_of(alone.front())).name;
      cut(alone, own[r].out, own[r].in, name);
    }
    // Where GPUs take no part others may relay by them.
    if (std::ranges::all_of(takes_part, [](bool part) { return part; }))
      offer(received, into_all,
            fmt::format("all GPUs together must receive {:.4g} MB, and their links take {}", received / 1e6, to_string(into_all)));
    servers(stop);
    return {best_, argument_};
  }

 private:
  void offer(double bytes, Bandwidth rate, const std::string& why) {
    if (rate.bytes_per_second() <= 0 || bytes <= 0) return;
    const Seconds time{bytes / static_cast<double>(rate.bytes_per_second())};
    if (time <= best_) return;
    best_ = time;
    argument_ = why;
  }

  // Groups of one call are mostly alike; a few of them tell.
  void each_alone(const std::function<bool()>& stop) {
    constexpr std::size_t most = 2;
    for (const auto& call : calls_) {
      for (std::size_t g = 0; g < std::min(call.groups.size(), most); ++g) {
        if (stop && stop()) return;
        const auto limit = limit_alone(call, call.groups[g], stop);
        const auto time = limit.time ? limit.time(call.payload) : std::nullopt;
        if (!time || *time <= best_) continue;
        best_ = *time;
        argument_ = fmt::format("{} alone: {}", call.name, limit.argument);
      }
    }
  }

  // On the machine of the members alone, which is small; where others may relay, or there are no others, on the whole, as plans are made.
  Limit limit_alone(const GroupCall& call, const std::vector<Rank>& group, const std::function<bool()>& stop) const {
    if (relays_ || static_cast<int>(group.size()) == topology_.ranks()) return limit_of(topology_, collective_of(call, group), stop);
    const auto joined = among_members(topology_, group);
    const auto own = joined ? keep_gpus(*joined, group) : joined;
    if (!own) return {};
    auto sorted = group;
    std::ranges::sort(sorted);
    std::vector<Rank> members;
    for (const auto rank : group) members.emplace_back(std::ranges::find(sorted, rank) - sorted.begin());
    return limit_of(*own, collective_of(call, members), stop);
  }

  void cut(const std::vector<Rank>& inside, Bandwidth out, Bandwidth in, const std::string& name) {
    double leaves = 0;
    double enters = 0;
    const auto members = [&](const std::vector<bool>& who) { return std::ranges::count_if(inside, [&](Rank rank) { return who[rank.index()]; }); };
    for (const auto& one : moved_) {
      const auto gives = members(one.gives);
      const auto gets = members(one.gets);
      if (gives > 0 && gets < std::ranges::count(one.gets, true)) leaves += one.bytes;
      if (gets > 0 && gives < std::ranges::count(one.gives, true)) enters += one.bytes;
    }
    offer(leaves, out, fmt::format("{:.4g} MB of all calls must leave {} at {}", leaves / 1e6, name, to_string(out)));
    offer(enters, in, fmt::format("{:.4g} MB of all calls must enter {} at {}", enters / 1e6, name, to_string(in)));
  }

  void servers(const std::function<bool()>& stop) {
    const auto found = servers_of(topology_);
    if (found.count() < 2) return;
    std::vector<std::vector<Rank>> sets;
    for (int s = 0; s < found.count() && sets.size() < most_servers; ++s) sets.push_back(found.ranks[static_cast<std::size_t>(s)]);
    for (const auto& inside : sets) {
      if (stop && stop()) return;
      std::vector<Rank> outside;
      for (std::int64_t r = 0; r < topology_.ranks(); ++r) {
        if (std::ranges::find(inside, Rank{r}) == inside.end()) outside.emplace_back(r);
      }
      const auto name = fmt::format("the server of {}", topology_.node(topology_.node_of(inside.front())).name);
      cut(inside, capacity_between(topology_, inside, outside), capacity_between(topology_, outside, inside), name);
    }
  }

  const Topology& topology_;
  const std::vector<GroupCall>& calls_;
  bool relays_;
  std::vector<Moved> moved_;
  Seconds best_{0};
  std::string argument_;
};

}  // namespace

std::pair<Seconds, std::string> bound_of_all(const Topology& topology, const std::vector<GroupCall>& calls, const ProcessGroupsOptions& options) {
  return AllBound{topology, calls, options.relays}.run(options.stop);
}

}  // namespace p2plab
