// SPDX-License-Identifier: Apache-2.0
#include "p2plab/simulator/sensitivity.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "p2plab/simulator/machine_change.h"

namespace p2plab {

namespace {

constexpr double better = 1.1;

class SensitivitySearch {
 public:
  SensitivitySearch(const Topology& topology, const Program& program, const Profile& profile)
      : topology_(topology), program_(program), profile_(profile) {}

  Result<std::vector<Sensitivity>> run(const SensitivityOptions& options) {
    auto base = simulate(topology_, program_, profile_);
    if (!base) return std::move(base).error();
    base_ = to_seconds(base->makespan);
    if (base_.count() <= 0) return std::vector<Sensitivity>{};
    if (auto ok = each_pair(base->uses, options.most_links); !ok) return std::move(ok).error();
    if (auto ok = each_kind(base->uses); !ok) return std::move(ok).error();
    if (auto ok = each_number(); !ok) return std::move(ok).error();
    std::ranges::stable_sort(
        found_, [](const Sensitivity& a, const Sensitivity& b) { return a.gain > b.gain || (a.gain == b.gain && a.parameter < b.parameter); });
    return std::move(found_);
  }

 private:
  using Pair = std::pair<NodeId, NodeId>;
  static Pair pair_of(const Link& link) { return {std::min(link.from, link.to), std::max(link.from, link.to)}; }

  // Times the program on a changed machine and notes what that gained; `step` is by how much the parameter moved, 0 if there is no one parameter.
  Status note(std::string parameter, const Topology& topology, const Profile& profile, double step) {
    auto result = simulate(topology, program_, profile, {.routes_of = &topology_});
    if (!result) return std::move(result).error();
    const auto gain = base_ - to_seconds(result->makespan);
    const auto pct = 100 * gain / base_;
    found_.push_back({std::move(parameter), gain, pct, pct / (100 * (better - 1)), step != 0 ? -gain.count() / step : 0});
    return {};
  }

  Status each_pair(const std::vector<ResourceUse>& uses, std::size_t most) {
    std::map<Pair, SimTime> busy;
    for (std::size_t l = 0; l < topology_.links().size(); ++l) busy[pair_of(topology_.links()[l])] += uses[l].busy;
    std::vector<std::pair<Pair, SimTime>> order(busy.begin(), busy.end());
    std::erase_if(order, [](const auto& row) { return row.second.count() == 0; });
    std::ranges::stable_sort(order, std::greater<>{}, [](const auto& row) { return row.second; });
    if (order.size() > most) order.resize(most);
    for (const auto& row : order) {
      const auto& pair = row.first;
      double rate = 0;
      const auto factors = factors_of([&](const Link& link) { return pair_of(link) == pair; }, better, &rate);
      const auto name = fmt::format("bandwidth of link {} - {}", topology_.node(pair.first).name, topology_.node(pair.second).name);
      if (auto ok = note(name, scale_links(topology_, factors), profile_, rate * (better - 1)); !ok) return ok;
    }
    return {};
  }

  Status each_kind(const std::vector<ResourceUse>& uses) {
    std::set<LinkKind> kinds;
    for (std::size_t l = 0; l < topology_.links().size(); ++l) {
      if (uses[l].busy.count() > 0) kinds.insert(topology_.links()[l].kind);
    }
    for (const auto kind : kinds) {
      const auto is_kind = [&](const Link& link) { return link.kind == kind; };
      const auto name = to_string(kind);
      if (auto ok = note(fmt::format("bandwidth of all {} links", name), scale_links(topology_, factors_of(is_kind, better, nullptr)), profile_, 0);
          !ok)
        return ok;
      const auto latencies = scale_latencies(topology_, factors_of(is_kind, 2 - better, nullptr));
      if (auto ok = note(fmt::format("latency of all {} links", name), latencies, profile_, 0); !ok) return ok;
    }
    return {};
  }

  // A factor for the links that match, 1 for the others; `rate`: the bandwidth of the first that does.
  template <class Match>
  std::vector<double> factors_of(Match match, double factor, double* rate) const {
    std::vector<double> factors(topology_.links().size(), 1);
    for (std::size_t l = 0; l < factors.size(); ++l) {
      const auto& link = topology_.links()[l];
      if (!match(link)) continue;
      factors[l] = factor;
      if (rate != nullptr && *rate == 0) *rate = static_cast<double>(link.bandwidth.bytes_per_second());
    }
    return factors;
  }

  Status each_number() {
    for (const auto& number : profile_numbers()) {
      const auto value = number_of(profile_, number.name);
      if (!value || *value == 0 || number.name == "outstanding") continue;
      auto moved = *value * (number.more_is_faster ? better : 2 - better);
      if (number.name.ends_with("_efficiency")) moved = std::min(moved, 1.0);
      if (moved == *value) continue;
      if (auto ok = note(std::string{number.name}, topology_, with_number(profile_, number.name, moved), moved - *value); !ok) return ok;
    }
    return {};
  }

  const Topology& topology_;
  const Program& program_;
  const Profile& profile_;
  Seconds base_{0};
  std::vector<Sensitivity> found_;
};

}  // namespace

Result<std::vector<Sensitivity>> sensitivities(const Topology& topology, const Program& program, const Profile& profile,
                                               const SensitivityOptions& options) {
  return SensitivitySearch{topology, program, profile}.run(options);
}

}  // namespace p2plab
