// SPDX-License-Identifier: Apache-2.0
#include "exporters/nccl/choices.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "exporters/nccl/rings.h"

namespace p2plab {

namespace {

constexpr int most_nccl_channels = 64;

Error not_nccls(const std::string& what) { return Error{ErrorCode::unsupported, "NCCL: " + what}; }

std::string protocol_of(Protocol protocol) {
  if (protocol == Protocol::ll128) return "ll128";
  return in_slices(protocol) ? "simple" : "ll";
}

}  // namespace

Result<NcclChoice> nccl_choice(const ExportJob& job) {
  using enum CollectiveKind;
  static const std::map<CollectiveKind, std::string> names{
      {broadcast, "broadcast"}, {reduce, "reduce"}, {all_gather, "allgather"}, {reduce_scatter, "reducescatter"}, {all_reduce, "allreduce"}};
  const auto& collective = job.program->collective;
  const auto name = names.find(collective.kind);
  if (name == names.end()) return not_nccls(fmt::format("it chooses no algorithm for {}", to_string(collective.kind)));
  if (static_cast<int>(collective.members.size()) != job.program->ranks()) return not_nccls("all GPUs must take part");
  const auto& planner = job.plan->planner;
  const bool ring = planner == "ring" || planner == "nccl_ring";
  const bool tree = planner == "tree" || planner == "nccl_tree";
  if (!ring && !tree) return not_nccls(fmt::format("{} is none of its algorithms; ring and tree are", planner));
  if (tree && collective.kind != all_reduce) return not_nccls(fmt::format("it has no tree for {}", to_string(collective.kind)));
  const auto servers = server_by_rank(*job.topology);
  return NcclChoice{.collective = name->second,
                    .algorithm = ring ? "ring" : "tree",
                    .protocol = protocol_of(job.program->tuning.protocol),
                    .channels = std::min(job.program->blocks(), most_nccl_channels),
                    .ranks = job.program->ranks(),
                    .servers = 1 + *std::ranges::max_element(servers)};
}

}  // namespace p2plab
