// SPDX-License-Identifier: Apache-2.0
// MSCCL's XML as RCCL and Azure's executor read it.
#include "exporters/msccl/xml_text.h"
#include "p2plab/base/registry.h"

namespace p2plab {

namespace {

MscclDialect dialect() { return {.limits = {.steps = 64, .blocks = 64}, .reduce_scatter = "reducescatter", .to_included = true}; }

class RcclMsccl final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    auto steps = msccl_steps(job.plan->schedule, *job.program, dialect().limits);
    if (!steps) return std::move(steps).error();
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    auto text = msccl_xml_text(job, dialect());
    if (!text) return std::move(text).error();
    return std::vector<ExportedFile>{{"", *std::move(text)}};
  }
  bool even_chunks() const override { return true; }
  std::string extension() const override { return ".xml"; }
  std::string how_to_load(const std::string& files) const override {
    return "RCCL: put " + files + " alone into a folder, MSCCL_ALGO_DIR=that folder, RCCL_MSCCL_FORCE_ENABLE=1";
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> rccl_msccl() {
  return {"rccl-msccl", "algorithm for RCCL's MSCCL interpreter (XML; one file)", {}, [] { return std::make_unique<RcclMsccl>(); }};
}
}  // namespace exporters

}  // namespace p2plab
