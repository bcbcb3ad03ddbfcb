// MSCCL's XML: an algorithm for its interpreter, one loop over equal chunks.
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "exporters/msccl_steps.h"
#include "p2plab/base/registry.h"
#include "p2plab/program/exporter.h"

namespace p2plab {

namespace {

const char* type_of(MscclStep::Kind kind) {
  switch (kind) {
    case MscclStep::Kind::send: return "s";
    case MscclStep::Kind::receive: return "r";
    case MscclStep::Kind::copy: return "cpy";
    case MscclStep::Kind::add: return "re";
    case MscclStep::Kind::nothing: break;
  }
  return "nop";
}

const char* protocol_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::ll:
    case Protocol::lamport: return "LL";
    case Protocol::ll128: return "LL128";
    case Protocol::simple:
    case Protocol::copy: break;
  }
  return "Simple";
}

void add_step(pugi::xml_node& block, const MscclStep& step, std::size_t number) {
  auto node = block.append_child("step");
  const auto set = [&](const char* name, const std::string& value) { node.append_attribute(name).set_value(value.c_str()); };
  set("s", fmt::format("{}", number));
  set("type", type_of(step.kind));
  set("srcbuf", std::string(1, step.from.buffer));
  set("srcoff", fmt::format("{}", step.from.offset));
  set("dstbuf", std::string(1, step.to.buffer));
  set("dstoff", fmt::format("{}", step.to.offset));
  set("cnt", fmt::format("{}", step.count));
  set("depid", fmt::format("{}", step.after_block));
  set("deps", fmt::format("{}", step.after_step));
  set("hasdep", step.awaited ? "1" : "0");
}

class MscclXml final : public Exporter {
 public:
  Status supports(const ExportJob& job) const override {
    auto steps = msccl_steps(job.plan->schedule, job.program->in_place);
    if (!steps) return std::move(steps).error();
    return {};
  }

  Result<std::vector<ExportedFile>> write(const ExportJob& job) const override {
    auto steps = msccl_steps(job.plan->schedule, job.program->in_place);
    if (!steps) return std::move(steps).error();
    pugi::xml_document document;
    auto algo = document.append_child("algo");
    const bool in_place = job.program->in_place;
    const auto set = [&](const char* name, const std::string& value) { algo.append_attribute(name).set_value(value.c_str()); };
    set("name", job.plan->planner);
    set("proto", protocol_of(job.program->tuning.protocol));
    set("nchannels", fmt::format("{}", steps->channels));
    set("nchunksperloop", fmt::format("{}", steps->chunks_per_loop));
    set("ngpus", fmt::format("{}", steps->gpus.size()));
    set("coll", steps->collective);
    set("inplace", in_place ? "1" : "0");
    set("outofplace", in_place ? "0" : "1");
    set("minBytes", fmt::format("{}", job.from.count()));
    set("maxBytes", fmt::format("{}", job.to.count()));
    for (std::size_t g = 0; g < steps->gpus.size(); ++g) add_gpu(algo, steps->gpus[g], g);
    std::ostringstream text;
    document.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);
    return std::vector<ExportedFile>{{"", text.str()}};
  }

 private:
  static void add_gpu(pugi::xml_node& algo, const MscclGpu& gpu, std::size_t id) {
    auto node = algo.append_child("gpu");
    node.append_attribute("id").set_value(static_cast<unsigned long long>(id));
    node.append_attribute("i_chunks").set_value(static_cast<long long>(gpu.input));
    node.append_attribute("o_chunks").set_value(static_cast<long long>(gpu.output));
    node.append_attribute("s_chunks").set_value(static_cast<long long>(gpu.scratch));
    for (std::size_t b = 0; b < gpu.blocks.size(); ++b) {
      auto block = node.append_child("tb");
      block.append_attribute("id").set_value(static_cast<unsigned long long>(b));
      block.append_attribute("send").set_value(gpu.blocks[b].send);
      block.append_attribute("recv").set_value(gpu.blocks[b].receive);
      block.append_attribute("chan").set_value(gpu.blocks[b].channel);
      for (std::size_t s = 0; s < gpu.blocks[b].steps.size(); ++s) add_step(block, gpu.blocks[b].steps[s], s);
    }
  }
};

}  // namespace

namespace exporters {
Entry<Exporter> msccl_xml() {
  return {"msccl-xml", "algorithm for MSCCL's interpreter (XML; one file)", {}, [] { return std::make_unique<MscclXml>(); }};
}
}  // namespace exporters

}  // namespace p2plab
