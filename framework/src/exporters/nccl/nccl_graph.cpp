// SPDX-License-Identifier: Apache-2.0
// NCCL's graph file: its rings or, within a server, trees, in place of those that it would search for.
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "exporters/nccl/rings.h"
#include "exporters/xml_attribute.h"
#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

constexpr std::size_t most_xml_elements = 4095;

class NcclGraph final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    const auto rings = nccl_rings(*job.topology, *job.plan);
    if (!rings) return rings.error();
    const auto elements = 2 + rings->orders.size() * (1 + rings->orders.front().size());
    if (elements > most_xml_elements)
      return Error{ErrorCode::unsupported, fmt::format("NCCL graph: {} XML elements; at most {} are read", elements, most_xml_elements)};
    return {};
  }

  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    if (auto can = supports(job); !can) return std::move(can).error();
    const auto rings = nccl_rings(*job.topology, *job.plan);
    pugi::xml_document document;
    auto graphs = document.append_child("graphs");
    set(graphs, "version", 1);
    auto graph = graphs.append_child("graph");
    set(graph, "id", rings->chain ? 1 : 0);
    set(graph, "pattern", rings->chain ? 1 : 4);
    set(graph, "crossnic", 0);
    set(graph, "nchannels", rings->orders.size());
    set(graph, "speedintra", fmt::format("{:.4g}", rings->speed_gbps));
    set(graph, "speedinter", fmt::format("{:.4g}", rings->speed_gbps));
    set(graph, "latencyinter", 0);
    set(graph, "typeintra", rings->type);
    set(graph, "typeinter", "PIX");
    set(graph, "samechannels", 0);
    for (const auto& order : rings->orders) {
      auto channel = graph.append_child("channel");
      for (const auto rank : order) {
        auto gpu = channel.append_child("gpu");
        set(gpu, "dev", fmt::format("{:#x}", rank.value));  // read as hexadecimal; NCCL goes by the rank where there is one
        set(gpu, "rank", rank.value);
      }
    }
    std::ostringstream text;
    document.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);  // the reader knows neither declarations nor tabs
    return std::vector<ExportedFile>{{"", text.str()}};
  }

  // NCCL has one graph for all sizes: that of the largest at which the plan has one.
  Result<std::vector<ExportedFile>> write_table(std::span<const ExportJob> jobs) const override {
    for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
      if (supports(*job)) return write(*job);
    }
    return write(jobs.back());
  }
  std::string extension() const override { return ".xml"; }
  std::string how_to_load(const std::string& files) const override {
    return "NCCL: NCCL_GRAPH_FILE=" + files + " on all ranks; NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=GRAPH shows the channels that it took";
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> nccl_graph() {
  return {"nccl-graph", "rings or chains for stock NCCL (XML; NCCL_GRAPH_FILE)", {}, [] { return std::make_unique<NcclGraph>(); }};
}
}  // namespace exporters

}  // namespace p2plab
