// SPDX-License-Identifier: Apache-2.0
#include "p2plab/experiment/packet_costs.h"

#include <set>

#include <fmt/format.h>

#include "bench/least_squares.h"
#include "p2plab/base/quantity.h"
#include "p2plab/machine/mask.h"
#include "p2plab/plan/builtin_planners.h"
#include "p2plab/program/lower.h"
#include "p2plab/program/packet_program.h"
#include "p2plab/simulator/simulate.h"

namespace p2plab {

namespace {

using Numbers = Eigen::Vector3d;  // packet_start, packet_item, packet_tail, us

constexpr double worst_mean = 0.2;  // of the logarithms: beyond that the model is of something else

bool is_ll128(const PacketTime& one) { return one.program.packets->wire == PacketWire::ll128; }

Profile with(Profile profile, const Numbers& numbers) {
  profile.packet_start = Seconds{numbers[0] * 1e-6};
  profile.packet_item = Seconds{numbers[1] * 1e-6};
  profile.packet_tail = Seconds{numbers[2] * 1e-6};
  return profile;
}

Result<double> predicted_us(const PacketTime& one, const Profile& profile) {
  const auto result = simulate(one.topology, one.program, profile, {.in_a_row = true});
  if (!result) return result.error();
  return microseconds(to_seconds(result->period));
}

// One step of Gauss and Newton, by numerical derivatives: how far the numbers should move.
struct Step {
  std::array<Estimate, 3> move;
  double mean_error = 0;
};
Result<Step> step(const std::vector<const PacketTime*>& cases, const Profile& profile, const Numbers& at) {
  constexpr double small = 0.002;  // us
  const auto count = static_cast<Eigen::Index>(cases.size());
  Design<3> slopes(count, 3);
  Eigen::VectorXd errors(count);
  for (Eigen::Index i = 0; i < count; ++i) {
    const auto& one = *cases[static_cast<std::size_t>(i)];
    const auto base = predicted_us(one, with(profile, at));
    if (!base) return base.error();
    errors[i] = std::log(microseconds(one.time) / *base);
    for (Eigen::Index k = 0; k < 3; ++k) {
      auto moved = at;
      moved[k] += small;
      const auto there = predicted_us(one, with(profile, moved));
      if (!there) return there.error();
      slopes(i, k) = std::log(*there / *base) / small;
    }
  }
  return Step{least_squares<3>(slopes, errors), errors.cwiseAbs().mean()};
}

// "all-reduces of 1 KiB to 1 MiB on 2 and 4 GPUs".
std::string gpus_of(const std::vector<const PacketTime*>& cases) {
  std::set<int> counts;
  for (const auto* one : cases) counts.insert(one->topology.ranks());
  std::string text;
  for (const auto count : counts) text += fmt::format("{}{}", text.empty() ? "" : " and ", count);
  return text + " GPUs";
}

// 95 % intervals of the last step are those of the numbers.
void add(Calibration& calibration, const char* name, double value, const Estimate& spread, const std::string& method) {
  const auto reach = (spread.high - spread.low) / 2;
  calibration.numbers.push_back({name, "us", {value, std::max(0.0, value - reach), value + reach}, method});
}

Result<Step> fit(const std::vector<const PacketTime*>& cases, const Profile& profile, Numbers& at) {
  constexpr int rounds = 12;
  for (int round = 0;; ++round) {
    auto found = step(cases, profile, at);
    if (!found || round == rounds) return found;
    for (Eigen::Index k = 0; k < 3; ++k) at[k] = std::clamp(at[k] + found->move[static_cast<std::size_t>(k)].value, 1e-4, 100.0);
  }
}

Status add_ll128(Calibration& calibration, const std::vector<PacketTime>& times) {
  std::vector<double> more;
  for (const auto& one : times) {
    if (!is_ll128(one)) continue;
    const auto without = predicted_us(one, calibration.profile);
    if (!without) return without.error();
    more.push_back(microseconds(one.time) - *without);
  }
  if (more.empty()) return {};
  const auto mean = least_squares<1>(Design<1>::Ones(static_cast<Eigen::Index>(more.size()), 1),
                                     Eigen::Map<const Eigen::VectorXd>(more.data(), static_cast<Eigen::Index>(more.size())));
  const auto value = std::max(0.0, mean[0].value);
  calibration.profile.ll128_start = Seconds{value * 1e-6};
  add(calibration, "ll128_start", value, mean[0], "all-gathers by ll128 above what packets cost");
  return {};
}

struct Timed {
  const char* planner;
  CollectiveKind kind;
  Protocol protocol;
  std::vector<Bytes> sizes;
};

const std::vector<Timed>& timed() {
  using enum CollectiveKind;
  static const std::vector<Timed> all{
      {"one_shot", all_reduce, Protocol::lamport, {1_KiB, 2_KiB, 4_KiB, 8_KiB, 16_KiB, 32_KiB, 64_KiB, 128_KiB, 256_KiB, 512_KiB, 1_MiB}},
      {"two_shot", all_reduce, Protocol::lamport, {1_KiB, 4_KiB, 16_KiB, 64_KiB, 256_KiB, 512_KiB, 1_MiB}},
      {"two_shot", all_gather, Protocol::ll128, {256_KiB, 512_KiB}}};
  return all;
}

Status time_on(const Topology& topology, const Executor& executor, const std::function<bool()>& stop, std::vector<PacketTime>& times) {
  const PeerAccess peer_access(topology);
  const auto planners = builtin_planners();
  for (const auto& each : timed()) {
    for (const auto size : each.sizes) {
      if (stop && stop()) return Error{ErrorCode::interrupted, "interrupted while packets were timed"};
      const auto payload = payload_of(size, DataType::float16, ReduceOp::sum);
      const auto plan = planners.find(each.planner)->make()->plan(topology, make_collective(each.kind, topology.ranks()), {.payload = payload});
      if (!plan) return plan.error();
      const auto proof = verify(topology, plan->schedule);
      if (!proof) return proof.error();
      auto program = lower(plan->schedule, *proof, payload, {.protocol = each.protocol}, peer_access);
      if (!program) return std::move(program).error();
      if (!program->packets) continue;  // no peer access: it runs slice by slice
      const auto measured = executor.run({&topology, &*plan, &*program}, {.warmup = 2, .repeats = 7});
      if (!measured) return measured.error();
      if (measured->check && !measured->check->passed)
        return Error{ErrorCode::verification_failed, fmt::format("{} of {}: {}", each.planner, to_string(size), measured->check->first_wrong)};
      if (const auto median = measured->median()) times.push_back({topology, *std::move(program), *median});
    }
  }
  return {};
}

}  // namespace

Result<std::vector<PacketTime>> time_packets(const Topology& topology, const Executor& executor, const std::function<bool()>& stop) {
  std::vector<PacketTime> times;
  std::set<int> counts{topology.ranks()};
  for (const int few : {2, 3, 4}) {
    if (few < topology.ranks()) counts.insert(few);
  }
  for (const auto count : counts) {
    std::vector<Rank> first;
    for (int r = 0; r < count; ++r) first.emplace_back(r);
    const auto machine = keep_gpus(topology, first);
    if (!machine) return machine.error();
    if (auto done = time_on(*machine, executor, stop, times); !done) return std::move(done).error();
  }
  return times;
}

Status add_packet_costs(Calibration& calibration, const std::vector<PacketTime>& times) {
  std::vector<const PacketTime*> cases;
  for (const auto& one : times) {
    if (!is_ll128(one)) cases.push_back(&one);
  }
  if (cases.size() < 4) return Error{ErrorCode::device_failure, fmt::format("{} times by packets say nothing about three numbers", cases.size())};
  Numbers at{0.6, 0.05, 0.05};
  const auto last = fit(cases, calibration.profile, at);
  if (!last) return last.error();
  if (!(last->mean_error < worst_mean))
    return Error{ErrorCode::device_failure,
                 fmt::format("packets: no costs come nearer to the measured times than {:.0f} % in the mean", last->mean_error * 100)};
  calibration.profile = with(calibration.profile, at);
  const auto method =
      fmt::format("fit to {} all-reduces by packets on {}, {:.1f} % off in the mean", cases.size(), gpus_of(cases), last->mean_error * 100);
  add(calibration, "packet_start", at[0], last->move[0], method);
  add(calibration, "packet_item", at[1], last->move[1], "the same fit");
  add(calibration, "packet_tail", at[2], last->move[2], "the same fit");
  return add_ll128(calibration, times);
}

}  // namespace p2plab
