// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "bench/least_squares.h"
#include "p2plab/machine/routes.h"

namespace p2plab {

namespace {

Error bad_measurement(std::string message) { return Error{ErrorCode::device_failure, std::move(message)}; }

Estimate scaled(const Estimate& estimate, double factor) { return {estimate.value * factor, estimate.low * factor, estimate.high * factor}; }
Estimate shifted(const Estimate& estimate, double by) {
  return {std::max(0.0, estimate.value + by), std::max(0.0, estimate.low + by), std::max(0.0, estimate.high + by)};
}
// A rate from the cost of one byte: the ends change places.
Estimate rate_of(const Estimate& cost) {
  const double most = 2 / cost.value;  // where the interval of the cost reaches down to nothing
  return {1 / cost.value, 1 / cost.high, cost.low > 0 ? std::min(1 / cost.low, most) : most};
}

// What the numbers are computed from, and the profile as it grows.
class Calibrating {
 public:
  Calibrating(const CalibrationData& data, Seconds latency, Bandwidth link)
      : data_(data), latency_(latency.count()), link_(static_cast<double>(link.bytes_per_second())) {}

  Result<Calibration> run(const std::string& name) {
    result_.profile.name = name;
    result_.source = data_.machine;
    for (const auto& step : {&Calibrating::times, &Calibrating::rates}) {
      if (auto done = (this->*step)(); !done) return std::move(done).error();
    }
    result_.profile.outstanding = 8;
    result_.profile.read_request = 1;
    if (auto good = check(result_.profile); !good) return std::move(good).error();
    return std::move(result_);
  }

 private:
  Status times() {
    auto& profile = result_.profile;
    const auto one_way = fmt::format("half of a round trip, less {:g} us of the link's latency", latency_ * 1e6);
    const std::array<std::tuple<const char*, const WorkTimes*, Seconds*, double, double, std::string>, 6> all{{
        {"launch", &data_.launches, &profile.launch, 1, 0, "empty kernels in a graph"},
        {"signal_peer", &data_.peer_round_trips, &profile.signal_peer, 0.5, -latency_, one_way},
        {"signal_local", &data_.local_round_trips, &profile.signal_local, 0.5, 0, "half of a round trip between two thread blocks"},
        {"poll", &data_.packet_round_trips, &profile.poll, 0.5, -latency_, one_way},
        {"fence", &data_.fences, &profile.fence, 1, 0, "a store to the other GPU and a fence"},
        {"slice_cost", &data_.slices, &profile.slice_cost, 1, 0, "a look at a flag and a barrier of 512 threads"},
    }};
    for (const auto& [name, times, field, factor, shift, method] : all) {
      const auto line = fit_line(*times);
      if (!line) return named(name, line.error());
      const auto measured = scaled(line->cost, factor);
      const auto estimate = shifted(measured, shift);
      *field = Seconds{estimate.value};
      auto how = method;
      if (shift < 0) how += fmt::format(": {:.3g} us one way", measured.value * 1e6);
      if (measured.value + shift < 0) how += ", so the description of the link is too slow";
      result_.numbers.push_back({name, "us", scaled(estimate, 1e6), how});
    }
    return {};
  }

  Status rates() {
    auto& profile = result_.profile;
    const auto stores = fit_saturation(data_.stores);
    if (!stores) return named("store_rate", stores.error());
    const auto loads = fit_saturation(data_.loads);
    if (!loads) return named("load_rate", loads.error());
    add_rate("store_rate", profile.store_rate, stores->one, "one block of 512 threads, by the number of blocks up to the link's limit");
    add_rate("load_rate", profile.load_rate, loads->one, "the same for loads");
    for (const auto& [name, times, field, method] :
         {std::tuple{"reduce_rate", &data_.sums, &profile.reduce_rate, "one block of 512 threads that adds local memory"},
          std::tuple{"memory_rate", &data_.memory, &profile.memory_rate, "264 blocks that copy local memory"}}) {
      const auto line = fit_line(*times);
      if (!line) return named(name, line.error());
      add_rate(name, *field, rate_of(line->cost), method);
    }
    const auto efficiency = scaled(stores->all, 1 / link_);
    if (efficiency.value > 1) {
      return bad_measurement(fmt::format("stores reach {:.1f} GB/s over a link of {:.1f} GB/s: the machine's description is wrong",
                                         stores->all.value * 1e-9, link_ * 1e-9));
    }
    profile.link_efficiency = efficiency.value;
    result_.numbers.push_back({"link_efficiency",
                               "",
                               {efficiency.value, efficiency.low, std::min(efficiency.high, 1.0)},
                               fmt::format("stores of many blocks over the link's {:.1f} GB/s", link_ * 1e-9)});
    return {};
  }

  void add_rate(const char* name, std::optional<Bandwidth>& field, const Estimate& rate, const char* method) {
    field = Bandwidth::bytes_per_second(to_nearest(rate.value));
    result_.numbers.push_back({name, "GB/s", scaled(rate, 1e-9), method});
  }

  static Status named(const char* name, Error error) {
    error.message = fmt::format("{}: {}", name, error.message);
    return error;
  }

  const CalibrationData& data_;
  double latency_;
  double link_;
  Calibration result_;
};

}  // namespace

Result<LineFit> fit_line(const WorkTimes& times) {
  std::set<double> amounts;
  for (const auto& [amount, time] : times) {
    if (!std::isfinite(amount) || !std::isfinite(time.count()) || amount < 0 || time.count() < 0) return bad_measurement("a time that is no time");
    amounts.insert(amount);
  }
  if (amounts.size() < 3) return bad_measurement(fmt::format("a line and its interval need three different amounts of work, got {}", amounts.size()));
  // In units of the largest, so that bytes and seconds are equally near to one.
  const double most = *amounts.rbegin();
  Design<2> design(static_cast<Eigen::Index>(times.size()), 2);
  Eigen::VectorXd observed(static_cast<Eigen::Index>(times.size()));
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    design(row, 0) = 1;
    design(row, 1) = times[i].amount / most;
    observed(row) = times[i].time.count();
  }
  const auto found = least_squares<2>(design, observed);
  const LineFit line{found[0], scaled(found[1], 1 / most)};
  if (!(line.cost.value > 0)) return bad_measurement("the times do not rise with the work");
  return line;
}

Result<SaturationFit> fit_saturation(const std::vector<BlockTimes>& series) {
  constexpr double level = 0.94;   // of the largest: on the plateau
  constexpr double rising = 0.85;  // of the plateau: below it blocks do not share
  std::vector<std::pair<double, double>> rates;
  double largest = 0;
  for (const auto& [blocks, bytes] : series) {
    const auto line = fit_line(bytes);
    if (!line) return Error{line.error().code, fmt::format("{} blocks: {}", blocks, line.error().message)};
    rates.emplace_back(blocks, 1 / line->cost.value);
    largest = std::max(largest, rates.back().second);
  }
  std::vector<double> plateau;
  for (const auto& [blocks, rate] : rates) {
    if (rate >= level * largest) plateau.push_back(rate);
  }
  if (plateau.empty()) return bad_measurement("no rates");
  const auto together = least_squares<1>(Design<1>::Ones(static_cast<Eigen::Index>(plateau.size()), 1),
                                         Eigen::Map<const Eigen::VectorXd>(plateau.data(), static_cast<Eigen::Index>(plateau.size())));
  // Each rate by its number of blocks: so a deviation counts by its share, not by its size.
  std::vector<double> alone;
  for (const auto& [blocks, rate] : rates) {
    if (rate < rising * together[0].value) alone.push_back(rate / blocks);
  }
  if (alone.empty()) return bad_measurement("no number of blocks is below the limit of the link");
  auto one = least_squares<1>(Design<1>::Ones(static_cast<Eigen::Index>(alone.size()), 1),
                              Eigen::Map<const Eigen::VectorXd>(alone.data(), static_cast<Eigen::Index>(alone.size())));
  return SaturationFit{one[0], together[0]};
}

Result<Calibration> calibrate(const CalibrationData& data, const Topology& topology, const std::string& name) {
  const auto& routes = topology.routes();
  const Rank from{data.from};
  const Rank to{data.to};
  if (from.index() >= static_cast<std::size_t>(topology.ranks()) || to.index() >= static_cast<std::size_t>(topology.ranks()) ||
      !routes.connected(from, to)) {
    return Error{ErrorCode::invalid_input,
                 fmt::format("{} has no link from GPU {} to GPU {}, which were measured", topology.name(), data.from, data.to)};
  }
  Seconds latency{0};
  auto narrowest = Bandwidth::bytes_per_second(std::numeric_limits<std::int64_t>::max());
  for (const auto id : routes.between(from, to)) {
    latency += topology.link(id).latency;
    narrowest = std::min(narrowest, topology.link(id).bandwidth);
  }
  return Calibrating(data, latency, narrowest).run(name);
}

std::string write_calibration(const Calibration& calibration) {
  std::string text = "# Measured by p2plab calibrate; intervals hold with 95 % confidence.\n";
  text += fmt::format("# {}\nversion: 1\nname: {}\n", calibration.source, calibration.profile.name);
  for (const auto& [name, unit, estimate, method] : calibration.numbers) {
    const auto number = [&unit = unit](double value) { return fmt::format("{:.6g}{}{}", value, unit.empty() ? "" : " ", unit); };
    text += fmt::format("{}: {{value: {}, low: {}, high: {},\n  source: \"measured: {}\"}}\n", name, number(estimate.value), number(estimate.low),
                        number(estimate.high), method);
  }
  text += fmt::format("outstanding: {}   # slots of a pipelined thread block: not measured\n", calibration.profile.outstanding);
  text += fmt::format("read_request: {:g}   # the round trip of a load: not measured\n", calibration.profile.read_request);
  return text;
}

std::string calibration_text(const Calibration& calibration) {
  std::string text = calibration.source + "\n";
  for (const auto& [name, unit, estimate, method] : calibration.numbers) {
    text += fmt::format("{:<16} {:>10.4g} {:<5} {:>10.4g} to {:<10.4g}  {}\n", name, estimate.value, unit, estimate.low, estimate.high, method);
  }
  return text;
}

}  // namespace p2plab
