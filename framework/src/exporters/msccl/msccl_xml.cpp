// SPDX-License-Identifier: Apache-2.0
// MSCCL's XML as microsoft/msccl reads it: an algorithm for its interpreter, one loop over equal chunks.
#include "exporters/msccl/xml_text.h"
#include "p2plab/base/registry.h"

namespace p2plab {

namespace {

class MscclXml final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    auto steps = msccl_steps(job.plan->schedule, *job.program, {});
    if (!steps) return std::move(steps).error();
    return {};
  }
  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    auto text = msccl_xml_text(job, {});
    if (!text) return std::move(text).error();
    return std::vector<ExportedFile>{{"", *std::move(text)}};
  }
  bool even_chunks() const override { return true; }
  std::string extension() const override { return ".xml"; }
  std::string how_to_load(const std::string& files) const override {
    return "microsoft/msccl: MSCCL_XML_FILES=" + files + " (several with ':' between them, at most 4) and NCCL_ALGO=MSCCL,RING,TREE";
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> msccl_xml() {
  return {"msccl-xml", "algorithm for microsoft/msccl's interpreter (XML; one file)", {}, [] { return std::make_unique<MscclXml>(); }};
}
}  // namespace exporters

}  // namespace p2plab
