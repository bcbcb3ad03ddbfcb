// SPDX-License-Identifier: Apache-2.0
// UCC's score strings: which algorithm of its UCP layer for which sizes.
#include <map>

#include <fmt/format.h>

#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

struct UccAlgorithm {
  std::string collective;
  std::string algorithm;
};

Result<UccAlgorithm> ucc_algorithm(const ExportJob& job) {
  using enum CollectiveKind;
  static const std::map<std::pair<CollectiveKind, std::string>, UccAlgorithm> known{{{all_reduce, "halving_doubling"}, {"allreduce", "sra_knomial"}},
                                                                                    {{all_gather, "ring"}, {"allgather", "ring"}},
                                                                                    {{all_gather, "bruck"}, {"allgather", "bruck"}},
                                                                                    {{reduce_scatter, "ring"}, {"reduce_scatter", "ring"}},
                                                                                    {{all_to_all, "pairwise"}, {"alltoall", "pairwise"}},
                                                                                    {{all_to_all, "bruck"}, {"alltoall", "bruck"}}};
  const auto& collective = job.program->collective;
  if (static_cast<int>(collective.members.size()) != job.program->ranks()) return Error{ErrorCode::unsupported, "UCC: all ranks must take part"};
  const auto found = known.find({collective.kind, job.plan->planner});
  if (found != known.end()) return found->second;
  return Error{ErrorCode::unsupported,
               fmt::format("UCC: its UCP layer has no algorithm that does what {} does for {}", job.plan->planner, to_string(collective.kind)),
               std::nullopt,
               {"halving_doubling (all_reduce), ring and bruck (all_gather), ring (reduce_scatter), pairwise and bruck (all_to_all) are"}};
}

class Ucc final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto algorithm = ucc_algorithm(job);
    if (!algorithm) return algorithm.error();
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override { return write_table({&job, 1}); }

  // Ranges include their ends, and the first that fits wins. A reduce-scatter is measured by what one rank gets.
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override {
    Result<UccAlgorithm> first = ucc_algorithm(jobs.front());
    std::string text;
    for (const auto& job : jobs) {
      const auto algorithm = ucc_algorithm(job);
      if (!algorithm) continue;
      const std::int64_t share = job.program->collective.kind == CollectiveKind::reduce_scatter ? job.program->ranks() : 1;
      const bool last = job.to >= ExportJob{}.to;
      const auto to = last ? std::string("inf") : fmt::format("{}", (job.to.count() + share - 1) / share - 1);
      text += fmt::format("{}{}:{}-{}:host:[{}-{}]:inf:@{}", text.empty() ? "" : "#", algorithm->collective, (job.from.count() + share - 1) / share,
                          to, job.program->ranks(), job.program->ranks(), algorithm->algorithm);
    }
    if (text.empty()) return std::move(first).error();
    return std::vector<ExportedFile>{{"", "UCC_TL_UCP_TUNE=" + text + "\n"}};
  }
  std::string extension() const override { return ".conf"; }
  std::string how_to_load(const std::string& files) const override { return "UCC: set -a; . " + files + "; set +a (or in ucc.conf)"; }
};

}  // namespace

namespace exporters {
Entry<Exporter> ucc() {
  return {
      "ucc", "score string of UCC's UCP layer for host collectives (NAME=value; one file for a table)", {}, [] { return std::make_unique<Ucc>(); }};
}
}  // namespace exporters

}  // namespace p2plab
