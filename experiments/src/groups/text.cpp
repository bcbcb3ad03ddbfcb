// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "p2plab/base/quantity.h"
#include "p2plab/experiment/process_groups.h"
#include "report/text_table.h"

namespace p2plab {

namespace {

constexpr std::size_t most_uses = 4;

std::vector<ResourceUse> busiest(const ProcessGroupsPlan& plan) {
  auto uses = plan.uses;
  std::ranges::stable_sort(uses, std::greater<>{}, &ResourceUse::busy);
  uses.resize(std::min(uses.size(), most_uses));
  std::erase_if(uses, [](const ResourceUse& use) { return use.busy.count() == 0; });
  return uses;
}

double share(SimTime busy, Seconds of) { return of.count() > 0 ? to_seconds(busy) / of * 100 : 0; }

}  // namespace

std::string to_text(const ProcessGroupsPlan& plan, const std::vector<GroupCall>& calls, const Topology& topology) {
  using enum TextTable::Align;
  TextTable table({{"call"}, {"groups"}, {"alone us", right}, {"own plan"}, {"beside others", right}, {"plan taken"}, {"us", right}});
  const auto us = [](Seconds time) { return fmt::format("{:.2f}", microseconds(time)); };
  for (std::size_t c = 0; c < calls.size(); ++c) {
    const auto& one = plan.calls[c];
    table.add({fmt::format("{} {} {}", calls[c].name, to_string(calls[c].kind), to_string(calls[c].payload.size())),
               fmt::format("{} of {}", calls[c].groups.size(), calls[c].groups.front().size()), us(one.alone), one.own_plan, us(one.beside_own),
               one.plan, us(one.time)});
  }
  auto text = fmt::format("process groups of {}, {} GPUs: all calls begin at once; times by profile {}\n{}", topology.name(), topology.ranks(),
                          plan.profile, table.text());
  text += fmt::format("All have ended after {} us", us(plan.time));
  if (plan.time < plan.own)
    text += fmt::format(", {:.1f} % sooner than with each group's own best plan ({} us)", (1 - plan.time / plan.own) * 100, us(plan.own));
  if (plan.time == plan.own) text += ": no other plans are faster together than each group's own best";
  text += fmt::format("; {} sets of plans weighed\n", plan.weighed);
  if (plan.bound) {
    text += fmt::format("No plans take less than {} us, {:.1f} % of that: {}\n", us(*plan.bound), *plan.bound / plan.time * 100, plan.argument);
  }
  text += fmt::format("A GPU needs {} thread blocks at once\n", plan.blocks);
  for (const auto& use : busiest(plan))
    text += fmt::format("  {:<32} busy {:>5.1f} %  {}\n", use.name, share(use.busy, plan.time), to_string(use.bytes));
  return text;
}

std::string to_json(const ProcessGroupsPlan& plan, const std::vector<GroupCall>& calls, const Topology& topology) {
  nlohmann::ordered_json json{{"topology", topology.name()},
                              {"ranks", topology.ranks()},
                              {"predicted_us", microseconds(plan.time)},
                              {"own_plans_us", microseconds(plan.own)},
                              {"weighed", plan.weighed},
                              {"profile", plan.profile},
                              {"blocks", plan.blocks}};
  if (plan.bound) {
    json["bound_us"] = microseconds(*plan.bound);
    json["because"] = plan.argument;
  }
  auto list = nlohmann::ordered_json::array();
  for (std::size_t c = 0; c < calls.size(); ++c) {
    const auto& one = plan.calls[c];
    auto groups = nlohmann::ordered_json::array();
    for (const auto& group : calls[c].groups) {
      auto ranks = nlohmann::ordered_json::array();
      for (const auto rank : group) ranks.push_back(rank.value);
      groups.push_back(std::move(ranks));
    }
    list.push_back({{"name", calls[c].name},
                    {"collective", to_string(calls[c].kind)},
                    {"size_bytes", calls[c].payload.size().count()},
                    {"own_plan", one.own_plan},
                    {"alone_us", microseconds(one.alone)},
                    {"own_plan_beside_others_us", microseconds(one.beside_own)},
                    {"plan", one.plan},
                    {"predicted_us", microseconds(one.time)},
                    {"groups", std::move(groups)}});
  }
  json["calls"] = std::move(list);
  auto links = nlohmann::ordered_json::array();
  for (const auto& use : busiest(plan))
    links.push_back({{"name", use.name}, {"bytes", use.bytes.count()}, {"busy_us", microseconds(to_seconds(use.busy))}});
  json["links"] = std::move(links);
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace p2plab
