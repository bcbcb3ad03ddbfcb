// SPDX-License-Identifier: Apache-2.0
// The network between servers, by messages between ranks of two of them.
#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/experiment/calibrate.h"
#include "p2plab/machine/routes.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/check.h"
#include "p2plab/segments/servers.h"

namespace p2plab {

namespace {

constexpr RunOptions how{.warmup = 3, .repeats = 21};

using Pairs = std::vector<std::pair<Rank, Rank>>;

// Samples of messages that go at the same time, one between each pair, and what was predicted.
struct Sent {
  WorkTimes times;  // by bytes of one message
  Seconds predicted_of_shortest{0};
};

Result<Sent> send(const Evaluator& evaluator, const Executor& executor, const Pairs& pairs, const std::vector<Bytes>& sizes) {
  const auto& topology = evaluator.topology();
  auto collective = make_collective(CollectiveKind::send_receive, topology.ranks());
  collective.pairs = pairs;
  const auto planners = builtin_planners();
  Sent sent;
  for (const auto size : sizes) {
    const Payload payload{.elements = size.count(), .type = DataType::uint8};
    const auto plan = planners.find("pairwise")->make()->plan(topology, collective, {.payload = payload});
    if (!plan) return plan.error();
    const auto proof = verify(topology, plan->schedule);
    if (!proof) return proof.error();
    const auto program = lower_checked(topology, plan->schedule, *proof, payload, {});
    if (!program) return program.error();
    const auto measured = executor.run({&topology, &*plan, &*program}, how);
    if (!measured) return measured.error();
    if (measured->check && !measured->check->passed) return Error{ErrorCode::verification_failed, "a message came out wrong"};
    for (const auto time : measured->samples) sent.times.push_back({static_cast<double>(size.count()), time});
    if (size != sizes.front()) continue;
    const auto predicted = evaluator.time(*program);
    if (!predicted) return predicted.error();
    sent.predicted_of_shortest = *predicted;
  }
  return sent;
}

// From the cost of a byte; the ends change places.
Estimate gigabytes_per_second(const Estimate& cost, double messages) {
  const auto rate = [&](double seconds) { return seconds > 0 ? messages / seconds * 1e-9 : 2e-9 * messages / cost.value; };
  return {rate(cost.value), rate(cost.high), rate(cost.low)};
}

// The middle sample, and by the order of the samples an interval in which the true middle lies in 95 of 100 cases.
Estimate median_in_microseconds(const WorkTimes& times) {
  std::vector<double> sorted;
  for (const auto& each : times) sorted.push_back(each.time.count() * 1e6);
  std::ranges::sort(sorted);
  const auto count = static_cast<double>(sorted.size());
  const auto at = [&](double place) { return sorted[static_cast<std::size_t>(std::clamp(place, 0.0, count - 1))]; };
  return {at(count / 2), at(count / 2 - 0.98 * std::sqrt(count)), at(count / 2 + 0.98 * std::sqrt(count))};
}

std::vector<LinkId> network_links(const Topology& topology, const Pairs& pairs) {
  const auto& routes = topology.routes();
  std::set<LinkId> found;
  for (const auto& [from, to] : pairs) {
    for (const auto link : routes.between(from, to)) {
      if (topology.link(link).kind == LinkKind::network) found.insert(link);
    }
  }
  return {found.begin(), found.end()};
}

// What is known of the machine but for its network, which was measured: the GPUs' names say which profile is theirs.
MachineSources sources_of(const Topology& topology, const SourcedValue& network) {
  auto sources = topology.sources();
  const auto of_network = [&](LinkId link) { return topology.link(link).kind == LinkKind::network; };
  std::erase_if(sources.values, [&](SourcedValue& value) {
    return value.what == network.what || (std::erase_if(value.links, of_network) > 0 && value.links.empty());
  });
  sources.values.push_back(network);
  return sources;
}

// All links of the network as fast as those on the way were found to be, and as late.
Result<Topology> as_measured(const Topology& topology, const Pairs& pairs, Bandwidth rate, Seconds later) {
  Seconds way{0};
  for (const auto link : network_links(topology, {pairs.front()})) way += topology.link(link).latency;
  Topology::Builder builder(topology.name());
  for (const auto& node : topology.nodes()) builder.add_node(node);
  SourcedValue network{.what = "network", .value = to_string(rate) + " a link", .source = "p2plab calibrate --launched"};
  for (std::size_t i = 0; i < topology.links().size(); ++i) {
    auto link = topology.links()[i];
    if (link.kind == LinkKind::network) {
      link.bandwidth = rate;
      if (way > Seconds{0}) link.latency *= std::max(0.0, (way + later) / way);
      network.links.emplace_back(static_cast<std::int64_t>(i));
    }
    builder.add_link(link);
  }
  for (const auto& group : topology.groups()) builder.add_group(group);
  builder.set_sources(sources_of(topology, network));
  return std::move(builder).build();
}

}  // namespace

Result<NetworkCalibration> calibrate_network(const Evaluator& evaluator, const Executor& executor) {
  const auto servers = servers_of(evaluator.topology());
  if (servers.count() < 2)
    return Error{ErrorCode::invalid_input, fmt::format("{} is one server: there is no network to measure", evaluator.topology().name())};
  const auto& from = servers.ranks[0];
  const auto& to = servers.ranks[1];
  Pairs all;
  for (std::size_t i = 0; i < std::min(from.size(), to.size()); ++i) all.emplace_back(from[i], to[i]);
  const Pairs one{all.front()};
  const auto small = send(evaluator, executor, one, {256_B});
  if (!small) return small.error();
  const auto large = send(evaluator, executor, one, {256_KiB, 512_KiB, 1_MiB, 2_MiB, 4_MiB});
  if (!large) return large.error();
  const auto together = send(evaluator, executor, all, {256_KiB, 512_KiB, 1_MiB, 2_MiB});
  if (!together) return together.error();
  const auto start = median_in_microseconds(small->times);
  const auto alone = fit_line(large->times);
  if (!alone) return alone.error();
  const auto shared = fit_line(together->times);
  if (!shared) return shared.error();
  const auto message = gigabytes_per_second(alone->cost, 1);
  const auto server = gigabytes_per_second(shared->cost, static_cast<double>(all.size()));
  const auto links = static_cast<double>(std::max<std::size_t>(1, network_links(evaluator.topology(), all).size() / 2));
  const auto rate = std::min(message.value, server.value / links);
  const auto later = Seconds{start.value * 1e-6} - small->predicted_of_shortest;
  auto machine = as_measured(evaluator.topology(), one, Bandwidth::bytes_per_second(std::max<std::int64_t>(1, std::llround(rate * 1e9))), later);
  if (!machine) return std::move(machine).error();
  NetworkCalibration made{*std::move(machine), {}};
  const auto names = fmt::format("rank {} to rank {}", one.front().first.value, one.front().second.value);
  made.numbers = {{"message_latency", "us", start, fmt::format("{}, the median of 256 B; launch included", names)},
                  {"message_rate", "GB/s", message, fmt::format("{}, a line through 256 KiB to 4 MiB", names)},
                  {"server_rate", "GB/s", server, fmt::format("{} messages from one server to another at once", all.size())}};
  return made;
}

std::string calibration_text(const NetworkCalibration& calibration) {
  std::string text;
  for (const auto& [name, unit, estimate, method] : calibration.numbers) {
    text += fmt::format("{:<16} {:>10.4g} {:<5} {:>10.4g} to {:<10.4g}  {}\n", name, estimate.value, unit, estimate.low, estimate.high, method);
  }
  return text;
}

}  // namespace p2plab
