// SPDX-License-Identifier: Apache-2.0
// The file of our tuner plugin and of NCCL's example plugin: which of NCCL's algorithms for which sizes.
#include <fmt/format.h>

#include "exporters/nccl/choices.h"
#include "p2plab/base/registry.h"

namespace p2plab {

namespace {

class NcclTuner final : public ChoiceExporter {
 public:
  // Sizes whose plan is none of NCCL's algorithms are left to NCCL, and said.
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override {
    std::string text = fmt::format("# {}, {} ranks of {}: collective,min,max,algorithm,protocol,channels,nodes,ranks,operations,registered\n",
                                   to_string(jobs.front().program->collective.kind), jobs.front().program->ranks(),
                                   jobs.front().topology->name().substr(0, longest_name));
    int rules = 0;
    Result<NcclChoice> first = nccl_choice(jobs.front());
    for (const auto& job : jobs) {
      const auto choice = nccl_choice(job);
      const auto last = job.to.count() - 1;  // bounds are included
      if (!choice) {
        text += fmt::format("# {} to {}: {} is none of NCCL's algorithms; the choice is NCCL's own\n", job.from.count(), last,
                            job.plan->planner.substr(0, longest_name));
        continue;
      }
      ++rules;
      text += fmt::format("{},{},{},{},{},{},{},{},-1,-1\n", choice->collective, job.from.count(), last, choice->algorithm, choice->protocol,
                          choice->channels, choice->servers, choice->ranks);
    }
    if (rules == 0) {
      auto error = std::move(first).error();
      error.notes.emplace_back("NCCL's own choice is then as good; our kernels run what NCCL cannot");
      return error;
    }
    return std::vector<ExportedFile>{{"", std::move(text)}};
  }
  std::string extension() const override { return ".csv"; }
  std::string how_to_load(const std::string& files) const override {
    return "NCCL: NCCL_TUNER_PLUGIN=/path/to/libnccl-tuner-p2plab.so NCCL_TUNER_CONFIG_FILE=" + files +
           " on all ranks; NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=TUNING shows what it chose";
  }

 private:
  static constexpr std::size_t longest_name = 80;  // lines are read up to 255 characters
};

}  // namespace

namespace exporters {
Entry<Exporter> nccl_tuner() {
  return {
      "nccl-tuner", "choices by size for stock NCCL's tuner plugin (CSV; one file for a table)", {}, [] { return std::make_unique<NcclTuner>(); }};
}
}  // namespace exporters

}  // namespace p2plab
