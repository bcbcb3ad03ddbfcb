// SPDX-License-Identifier: Apache-2.0
// MSCCL++'s execution plans: stores, loads, sums and copies between signals, run in an order in which nothing waits for what is not there yet.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "importers/mscclpp_file.h"
#include "p2plab/detail/text.h"
#include "p2plab/program/importer.h"

namespace p2plab {

namespace {

constexpr std::size_t longest_plan = std::size_t{64} << 20;

class PlanRun {
 public:
  explicit PlanRun(std::vector<PlanGpu>& gpus) : gpus_(gpus) {}

  // What is done, in order; the mistake otherwise.
  std::optional<std::string> run(std::vector<Action>& actions) {
    for (bool moved = true; moved && !mistake_;) {
      moved = false;
      for (std::size_t g = 0; g < gpus_.size(); ++g) {
        for (std::size_t b = 0; b < gpus_[g].blocks.size(); ++b) {
          while (!mistake_ && step(g, b, actions)) moved = true;
        }
      }
    }
    for (std::size_t g = 0; g < gpus_.size() && !mistake_; ++g) {
      for (std::size_t b = 0; b < gpus_[g].blocks.size(); ++b) {
        const auto& block = gpus_[g].blocks[b];
        if (block.next < block.operations.size() && !mistake_)
          mistake_ =
              fmt::format("gpu {} thread block {} would wait for ever at its operation {} ({})", g, b, block.next, block.operations[block.next].name);
      }
    }
    return mistake_;
  }

 private:
  bool step(std::size_t g, std::size_t b, std::vector<Action>& actions) {
    auto& gpu = gpus_[g];
    auto& block = gpu.blocks[b];
    if (block.next == block.operations.size()) return false;
    const auto& op = block.operations[block.next];
    const auto positive = [](const std::vector<std::int64_t>& counts) { return [&counts](std::size_t i) { return counts[i] > 0; }; };
    if (op.name == "wait" || op.name == "rlxwait") {
      if (!std::ranges::all_of(op.channels, positive(gpu.arrived))) return false;
      for (const auto c : op.channels) --gpu.arrived[c];
    } else if (op.name == "sem_acquire") {
      if (!std::ranges::all_of(op.semaphores, positive(gpu.semaphores))) return false;
      for (const auto s : op.semaphores) --gpu.semaphores[s];
    } else if (op.name == "sem_release") {
      for (const auto s : op.semaphores) ++gpu.semaphores[s];
    } else if (op.name == "barrier") {
      auto& come = gpu.barriers[op.barrier];
      if (!block.at_barrier) ++come;
      block.at_barrier = true;
      if (come % op.barrier_blocks != 0 && !released(gpu, op, come)) return false;
      block.at_barrier = false;
    } else if (op.name == "signal" || op.name == "rlxsignal") {
      signal(g, op);
    } else if (op.name != "nop" && op.name != "flush") {
      move(g, block, op, actions);
    }
    ++block.next;
    return true;
  }

  // Did the last of a barrier come while others were waiting?
  static bool released(const PlanGpu& gpu, const PlanOperation& op, std::int64_t come) {
    const auto waiting = std::ranges::count_if(gpu.blocks, [&](const PlanBlock& other) {
      return other.at_barrier && other.next < other.operations.size() && other.operations[other.next].barrier == op.barrier;
    });
    return waiting < come % op.barrier_blocks;
  }

  // The k-th channel to a peer and the k-th of that peer to us are two ends of one.
  void signal(std::size_t g, const PlanOperation& op) {
    for (const auto c : op.channels) {
      const auto peer = gpus_[g].peers[c];
      auto which = std::count(gpus_[g].peers.begin(), gpus_[g].peers.begin() + static_cast<std::ptrdiff_t>(c), peer);
      bool found = false;
      for (std::size_t end = 0; static_cast<std::size_t>(peer) < gpus_.size() && !found && end < gpus_[static_cast<std::size_t>(peer)].peers.size();
           ++end) {
        auto& there = gpus_[static_cast<std::size_t>(peer)];
        if (there.peers[end] != static_cast<std::int64_t>(g) || which-- > 0) continue;
        ++there.arrived[end];
        found = true;
      }
      if (!found) mistake_ = fmt::format("gpu {} has a channel to {} that has no other end there", g, peer);
    }
  }

  void move(std::size_t g, const PlanBlock& block, const PlanOperation& op, std::vector<Action>& actions) {
    const Rank rank{static_cast<std::int64_t>(g)};
    const auto act = [&](std::vector<UnitPlace> sources, const UnitPlace& destination) {
      actions.push_back({rank, std::move(sources), destination, op.count, block.channel, 0});
    };
    if (op.sources.empty() || op.destinations.empty()) {
      mistake_ = fmt::format("gpu {}: operation {} is not known here or moves nothing", g, quoted(op.name));
    } else if (op.name == "put" || op.name == "pws" || op.name == "pwsf" || op.name == "get" || op.name == "copy") {
      for (std::size_t i = 0; i < op.destinations.size(); ++i) act({op.sources[std::min(i, op.sources.size() - 1)]}, op.destinations[i]);
      if (op.name.starts_with("pws")) signal(g, op);
    } else if (op.name == "re" || op.name == "res" || op.name == "rre" || op.name == "rres") {
      act(op.sources, op.destinations.front());
      for (std::size_t i = 1; i < op.destinations.size(); ++i) act({op.destinations.front()}, op.destinations[i]);
    } else {
      mistake_ = fmt::format("gpu {}: operation {} is not known here", g, quoted(op.name));
    }
  }

  std::vector<PlanGpu>& gpus_;
  std::optional<std::string> mistake_;
};

}  // namespace

Result<ImportedAlgorithm> import_mscclpp(std::string_view text, const std::string& filename) {
  const auto wrong = [&](const std::string& message) { return Error{ErrorCode::invalid_input, message, SourceLocation{filename}}; };
  if (text.size() > longest_plan) return wrong("the file is longer than 64 MiB");
  auto read = read_mscclpp(text);
  if (const auto* mistake = std::get_if<std::string>(&read)) return wrong(*mistake);
  auto& plan = std::get<PlanFileHead>(read);
  std::vector<Action> actions;
  if (const auto mistake = PlanRun{plan.gpus}.run(actions)) return wrong(*mistake);
  const auto collective = make_collective(plan.collective, static_cast<int>(plan.gpus.size()));
  auto schedule = cut_actions(collective, plan.buffers, actions);
  if (const auto* fault = std::get_if<ImportFault>(&schedule)) return wrong(fault->message);
  return ImportedAlgorithm{.schedule = std::get<Schedule>(std::move(schedule)),
                           .name = plan.name,
                           .protocol = plan.protocol,
                           .in_place = plan.in_place,
                           .from = plan.from,
                           .to = plan.to};
}

}  // namespace p2plab
