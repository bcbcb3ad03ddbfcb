// SPDX-License-Identifier: Apache-2.0
// Rules of Open MPI's coll/tuned: which algorithm of its own for which sizes of host collectives.
#include <map>

#include <fmt/format.h>

#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

// Numbers of Open MPI 4.1 (coll_tuned.h and the lists of `ompi_info --param coll tuned -l 9`).
struct MpiAlgorithm {
  int collective;
  int algorithm;
};

Result<MpiAlgorithm> mpi_algorithm(const ExportJob& job) {
  using enum CollectiveKind;
  static const std::map<std::pair<CollectiveKind, std::string>, MpiAlgorithm> known{{{all_reduce, "ring"}, {2, 4}},
                                                                                    {{all_reduce, "halving_doubling"}, {2, 6}},
                                                                                    {{all_gather, "ring"}, {0, 4}},
                                                                                    {{all_gather, "halving_doubling"}, {0, 3}},
                                                                                    {{all_gather, "bruck"}, {0, 2}},
                                                                                    {{reduce_scatter, "ring"}, {12, 3}},
                                                                                    {{all_to_all, "pairwise"}, {3, 2}},
                                                                                    {{all_to_all, "bruck"}, {3, 3}},
                                                                                    {{reduce_scatter, "halving_doubling"}, {12, 2}}};
  const auto& collective = job.program->collective;
  if (static_cast<int>(collective.members.size()) != job.program->ranks()) return Error{ErrorCode::unsupported, "Open MPI: all ranks must take part"};
  const auto found = known.find({collective.kind, job.plan->planner});
  if (found != known.end()) return found->second;
  return Error{ErrorCode::unsupported,
               fmt::format("Open MPI: coll/tuned has no algorithm that does what {} does for {}", job.plan->planner, to_string(collective.kind)),
               std::nullopt,
               {"ring, halving_doubling, bruck and pairwise are among its algorithms"}};
}

class OpenMpi final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto algorithm = mpi_algorithm(job);
    if (!algorithm) return algorithm.error();
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override { return write_table({&job, 1}); }

  // The first communicator size also serves smaller ones, so it is 0 with Open MPI's own choice. One bad entry would void the file without a word.
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override {
    Result<MpiAlgorithm> first = mpi_algorithm(jobs.front());
    std::string rules;
    int count = 0;
    int mapped = 0;
    int collective = 0;
    for (const auto& job : jobs) {
      const auto algorithm = mpi_algorithm(job);
      if (algorithm) collective = algorithm->collective;
      rules += fmt::format("{} {} 0 0 # {} bytes on: {}\n", job.from.count(), algorithm ? algorithm->algorithm : 0, job.from.count(),
                           algorithm ? job.plan->planner : "its own choice");
      ++count;
      mapped += algorithm ? 1 : 0;
    }
    if (mapped == 0) return std::move(first).error();
    const auto ranks = jobs.front().program->ranks();
    std::string text = "1 # collectives\n";
    text += fmt::format("{} # {}\n", collective, to_string(jobs.front().program->collective.kind));
    text += "2 # sizes of communicators, each up to the next\n";
    text += "0 # ranks on\n1\n0 0 0 0 # its own choice\n";
    text += fmt::format("{} # ranks on\n{} # sizes of messages\n", ranks, count) + rules;
    return std::vector<ExportedFile>{{"", std::move(text)}};
  }
  std::string extension() const override { return ".conf"; }
  std::string how_to_load(const std::string& files) const override {
    return "Open MPI: mpirun --mca coll_tuned_use_dynamic_rules 1 --mca coll_tuned_dynamic_rules_filename " + files;
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> open_mpi() {
  return {"open-mpi", "rules of coll/tuned for host collectives (text; one file for a table)", {}, [] { return std::make_unique<OpenMpi>(); }};
}
}  // namespace exporters

}  // namespace p2plab
